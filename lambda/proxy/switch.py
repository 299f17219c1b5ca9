"""The adapter to the switch: how it is started, and what the stage's ledger remembers."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError
from common.executions import start_once
from common.ledger import Data
from common.link_token import KEY, LinkToken

from proxy.errors import ControlPlaneFailed
from proxy.strict_json import JsonObject
from proxy.turning import execution_name

_USED_KEPT_SECONDS = 24 * 3600


class StatesClient(Protocol):
    """What is used of boto3's `stepfunctions` client."""

    def start_execution(self, **request: Any) -> Mapping[str, Any]: ...


class Entries(Protocol):
    """What is used of the ledger."""

    def get(self, kind: str, key: str) -> Data | None: ...
    def put(self, kind: str, key: str, data: Mapping[str, Any]) -> None: ...
    def put_if(
        self, kind: str, key: str, data: Mapping[str, Any], *, version: int, expires_at: float | None = None
    ) -> bool: ...


class Switch:
    """Starts the state machine, for a wake at most once a minute.

    Its clients are made by the first call that needs them: the others pay nothing.
    """

    def __init__(
        self, make_states: Callable[[], StatesClient], make_ledger: Callable[[], Entries], *, arn: str
    ) -> None:
        self._make_states = make_states
        self._make_ledger = make_ledger
        self._arn = arn
        self._woken: datetime | None = None

    @cached_property
    def _states(self) -> StatesClient:
        return self._make_states()

    @cached_property
    def _ledger(self) -> Entries:
        return self._make_ledger()

    def start(self, request: JsonObject, now: datetime) -> None:
        """Raises ControlPlaneFailed. An execution that has just been started by somebody else will do."""
        try:
            start_once(self._states, self._arn, execution_name(request, now), request)
        except ClientError as exc:
            code = exc.response["Error"].get("Code", "")
            raise ControlPlaneFailed(f"The switch could not be started ({code}): try again.") from exc
        except BotoCoreError as exc:
            raise ControlPlaneFailed(f"The switch could not be started ({type(exc).__name__}): try again.") from exc

    def wake(self, now: datetime) -> None:
        """As a call of a sleeping endpoint does: from each worker once a minute, whatever number of callers it has."""
        if self._woken is not None and timedelta(0) <= now - self._woken < timedelta(minutes=1):
            return
        self.start({"target": "on", "reason": "wake", "by": "a call"}, now)
        self._woken = now

    def snooze(self, until: datetime, by: str) -> None:
        """Raises ControlPlaneFailed."""
        with _ledger_answers():
            self._ledger.put("snooze", "endpoint", {"until": until.timestamp(), "by": by})

    def token_key(self) -> bytes | None:
        """What signs the links in mails; None before the first mail. Raises ControlPlaneFailed."""
        with _ledger_answers():
            found = self._ledger.get("secret", KEY)
        return str(found["key"]).encode() if found else None

    def token_is_used(self, token: LinkToken) -> bool:
        """Raises ControlPlaneFailed."""
        with _ledger_answers():
            return self._ledger.get("snooze", f"used#{token.nonce}") is not None

    def use_token(self, token: LinkToken, now: datetime) -> bool:
        """False where somebody was faster. Raises ControlPlaneFailed."""
        entry, kept_until = {"at": now.timestamp()}, token.expires_at + _USED_KEPT_SECONDS
        with _ledger_answers():
            return self._ledger.put_if("snooze", f"used#{token.nonce}", entry, version=0, expires_at=kept_until)

    def remembered(self, kind: str, key: str) -> Data:
        """An entry of the ledger; empty where there is none, or it cannot be read: nobody is refused for that."""
        try:
            return self._ledger.get(kind, key) or {}
        except (ClientError, BotoCoreError):
            return {}


@contextmanager
def _ledger_answers() -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as exc:
        raise ControlPlaneFailed(f"The ledger could not be reached ({type(exc).__name__}): try again.") from exc
