"""The configuration, the command line and the embedded cloud.

What a Lambda function decides is imported here exactly as it is deployed: one set of rules for both.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "lambda"))
