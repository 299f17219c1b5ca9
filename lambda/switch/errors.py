"""Failures of AWS, as the switch tells them apart."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

_TRANSIENT = (
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "TooManyRequestsException",
)
_SERVER_ERROR = 500


class TransientError(Exception):
    """AWS did not answer, or asked to come back later: the same step may well succeed next time."""


@contextmanager
def told_apart() -> Iterator[None]:
    """Raises TransientError for what passes; what does not is raised as it is."""
    try:
        yield
    except ClientError as error:
        if is_transient(error):
            raise TransientError(str(error)) from error
        raise
    except BotoCoreError as error:
        raise TransientError(str(error)) from error


def is_transient(error: ClientError) -> bool:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code(error) in _TRANSIENT or status >= _SERVER_ERROR


def code(error: ClientError) -> str:
    return str(error.response["Error"].get("Code", ""))


def words(error: ClientError) -> str:
    return str(error.response["Error"].get("Message", "")) or code(error)
