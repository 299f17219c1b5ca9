"""Hyperparameters of a program that is the user's own: nobody here knows their names, only what SageMaker takes."""

from collections.abc import Mapping
from typing import Final

from common.shown import shown

from finetune.errors import BadRequest
from finetune.hyperparameters import LONGEST_VALUE, ONE_LINE, Scalar

RESERVED: Final = ("sagemaker_program", "sagemaker_submit_directory")
"""They name the script, and are made of the stage's `entry_point` and `script_url`."""
MOST: Final = 100 - len(RESERVED)
"""CreateTrainingJob takes 100."""
LONGEST_NAME: Final = 256
MOST_BYTES: Final = 65_536
"""Names and values together, in UTF-8: a run's request travels through Step Functions, which takes 256 KB."""


def checked(asked: Mapping[str, Scalar]) -> dict[str, str]:
    """Each value as text; True and False as Python spells them. Raises BadRequest."""
    if len(asked) > MOST:
        raise BadRequest(
            f"There are {len(asked)} hyperparameters; SageMaker takes 100, of which {len(RESERVED)} are for the "
            f"script's name, so {MOST} may be given. Leave some out, or put them into a file of the script.",
            param="hyperparameters",
        )
    wire = {name: _checked(name, value) for name, value in asked.items()}
    size = sum(len(f"{name}{text}".encode()) for name, text in wire.items())
    if size > MOST_BYTES:
        raise BadRequest(
            f"The hyperparameters have {size} bytes together; at most {MOST_BYTES} are carried. Put long values into a "
            "file of the dataset or of the script.",
            param="hyperparameters",
        )
    return wire


def _checked(name: str, value: object) -> str:
    if not 1 <= len(name) <= LONGEST_NAME or not ONE_LINE.fullmatch(name):
        raise BadRequest(
            f"{shown(name)} names a hyperparameter; a name must have 1 to {LONGEST_NAME} characters in one line. "
            "Correct it.",
            param=name[:LONGEST_NAME],
        )
    if name in RESERVED:
        raise BadRequest(
            f"The hyperparameter {name} is {shown(value)}, but is made of the stage's entry_point and script_url. "
            "Write those, and leave it out.",
            param=name,
        )
    text = str(value)
    if not isinstance(value, str | int | float) or len(text) > LONGEST_VALUE or not ONE_LINE.fullmatch(text):
        raise BadRequest(
            f"The hyperparameter {name} is {shown(value)}, but must be a text, number or flag of at most "
            f"{LONGEST_VALUE} characters in one line. Shorten it, or put it into a file of the script.",
            param=name,
        )
    return text
