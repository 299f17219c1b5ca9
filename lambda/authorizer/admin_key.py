"""The value of the stage's admin key, read from API Gateway once a worker."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

SHORTEST_KEY = 20  # API Gateway's own bound: anything below is not the key's value


class AdminKeyUnknown(Exception):
    """The admin key could not be read: API Gateway answers 503 with AUTHORIZER_FAILURE, and nobody gets in."""


class ApiGatewayClient(Protocol):
    """What is used of boto3's `apigateway` client."""

    def get_api_key(self, **request: Any) -> Mapping[str, Any]: ...


class AdminKey:
    """Called, it gives the value; needs `apigateway:GET` on that one key. Raises AdminKeyUnknown.

    A key's value never changes, and a new key brings a new id with the deploy that makes it, so one reading lasts for
    the worker's life. A failed one is not kept.
    """

    def __init__(self, key_id: str, client: Callable[[], ApiGatewayClient]) -> None:
        self._key_id = key_id
        self._client = client
        self._value: str | None = None

    def __call__(self) -> str:
        if self._value is None:
            self._value = self._read()
        return self._value

    def _read(self) -> str:
        try:
            value = self._client().get_api_key(apiKey=self._key_id, includeValue=True).get("value")
        except (ClientError, BotoCoreError) as exc:
            raise AdminKeyUnknown(f"API Gateway would not tell the admin key {self._key_id}.") from exc
        if not isinstance(value, str) or len(value) < SHORTEST_KEY:
            raise AdminKeyUnknown(f"API Gateway told no value for the admin key {self._key_id}.")
        return value
