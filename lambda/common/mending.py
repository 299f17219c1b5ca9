"""What the execution is called that the meter starts to mend a run: its name says whose, and lets it start once."""

_ENDING = "-mend"


def mending_of(run: str) -> str:
    return run + _ENDING


def mended_by(execution_name: str) -> str:
    """The run; the name itself where it is no mending's."""
    return execution_name.removesuffix(_ENDING)
