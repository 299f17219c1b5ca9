"""Measurements, each with a peer beside it."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "lambda"))  # imported as it is deployed, also by `python -m`
