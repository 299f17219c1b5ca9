"""A SageMaker for one machine: the operations Pilotlight needs, with real processes behind endpoints and jobs.

    wire            botocore's service model judges every request and response
    control         the parts of the control plane, and what they share:
    records           ARNs, tags and tables
    models            models and endpoint configs: names and references
    endpoints         endpoints: a container each (endpoint, container, model_data), blue and green
    training          training jobs: a process each (training_job, training_run, training_process, training_folder)
    packages          the model registry
    runtime         InvokeEndpoint, with faults on demand
    storage         the S3 that they read and write

Knows nothing of the emulator that carries it (`pilotlight.local.emulator`).
"""
