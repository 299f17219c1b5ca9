"""A SageMaker for one machine: the operations Pilotlight needs, with real model-server processes behind endpoints.

    wire        botocore's service model judges every request and response
    container   one model-server process honouring the container contract
    control     models, endpoint configs, endpoints: names, references, status transitions
    runtime     InvokeEndpoint, with faults on demand

Knows nothing of the emulator that carries it (`pilotlight.local.emulator`).
"""
