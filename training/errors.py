"""What ends a run before its model is written."""


class TrainingError(Exception):
    """The run cannot go on; the message is one sentence for a person: what, where, what is allowed.

    It becomes the training job's failure reason.
    """


class InterruptedRun(Exception):
    """The process was asked to end, and what was learned so far is in a checkpoint."""
