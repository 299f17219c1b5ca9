"""What a failed creation failed of. AWS says so in words only, and these are the words."""

from enum import Enum


class Cause(Enum):
    CAPACITY = "capacity"  # AWS has no such instance now: another type, or later
    QUOTA = "quota"  # the account may not have one: another type, or never
    OTHER = "other"


_CAPACITY = ("insufficientinstancecapacity", "unable to provision requested ml compute capacity", "capacityerror")
_QUOTA = ("resourcelimitexceeded", "account-level service limit")


def cause(reason: str | None) -> Cause:
    """From CloudFormation's or SageMaker's reason."""
    words = (reason or "").lower()
    if any(text in words for text in _QUOTA):
        return Cause.QUOTA
    return Cause.CAPACITY if any(text in words for text in _CAPACITY) else Cause.OTHER
