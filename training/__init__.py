"""The project's own training container: LoRA on any causal Hugging Face model, under SageMaker's training contract.

    python -m training

It reads and writes below `PILOTLIGHT_ML_ROOT` (default `/opt/ml`, see `layout.py`) and imports nothing of the rest
of the project: the image holds this folder and its `requirements.txt` alone. `docs/training.md` says how to use it.
"""
