"""`/finetunes`: a run of fine-tuning is started, looked at, and said yes or no to.

The state machine does the rest (lambda/finetune); whatever it knows of a run stands in the stage's ledger.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError
from common.ledger import Data
from common.link_token import KEY
from common.shown import shown
from finetune.asked import from_body
from finetune.console_links import console_links
from finetune.errors import BadRequest
from finetune.hyperparameters import rules_with
from finetune.programs import Kind

from proxy import approval_page
from proxy.errors import ControlPlaneFailed, InvalidParameter, NotWaiting, RouteNotFound
from proxy.strict_json import JsonObject

KIND = "finetune"

_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_SECRET = ("token", "execution_arn")


class StatesClient(Protocol):
    """What is used of boto3's `stepfunctions` client."""

    def start_execution(self, **request: Any) -> Mapping[str, Any]: ...
    def send_task_success(self, **request: Any) -> Any: ...
    def send_task_failure(self, **request: Any) -> Any: ...


class Entries(Protocol):
    """What is used of the ledger."""

    def get(self, kind: str, key: str) -> Data | None: ...


class FineTunes:
    """One a worker. `arn` is the state machine's; empty where the stage's model cannot be fine-tuned. `kind` is its
    program's and `further` its model's profile's, which decide what hyperparameters may be. `has_console` is whether
    AWS's console shows what is there.
    """

    def __init__(
        self,
        make_states: Callable[[], StatesClient],
        make_ledger: Callable[[], Entries],
        *,
        arn: str,
        kind: Kind,
        further: Mapping[str, Mapping[str, Any]],
        has_console: bool,
    ) -> None:
        self._make_states = make_states
        self._make_ledger = make_ledger
        self._arn = arn
        self._rules = None if kind == "script" else rules_with(further)
        self._has_console = has_console

    @cached_property
    def _states(self) -> StatesClient:
        return self._make_states()

    @cached_property
    def _ledger(self) -> Entries:
        return self._make_ledger()

    def start(self, fields: JsonObject, now: datetime, request_id: str) -> JsonObject:
        """`POST /finetunes`. What is wrong with the request itself is said at once, the rest by the run."""
        self._check_there()
        try:
            asked = from_body(fields, self._rules)
        except BadRequest as bad:
            raise InvalidParameter(bad.message, param=bad.param) from bad
        run = f"{now:%y%m%d-%H%M%S}-{sha256(request_id.encode()).hexdigest()[:4]}"
        given = {"asked": asked.to_data(), "by": "POST /finetunes"}
        self._call(
            "The run could not be started",
            lambda: self._states.start_execution(stateMachineArn=self._arn, name=run, input=json.dumps(given)),
        )
        return {"id": run, "status": "running", "message": f"It is under way: GET /finetunes/{run} tells."}

    def read(self, run: str) -> JsonObject:
        """`GET /finetunes/{id}`."""
        record = self._record(_checked(run))
        links = console_links(record) if self._has_console else {}
        told = {name: value for name, value in record.items() if name not in _SECRET}
        promotion = {name: value for name, value in record.get("promotion", {}).items() if name != "execution"}
        # The run's own page is named by its execution's ARN; the command, which runs with an account's keys, has it.
        return {**told, "promotion": promotion, "links": {name: url for name, url in links.items() if name != "run"}}

    def decide(self, run: str, fields: JsonObject) -> JsonObject:
        """`POST /finetunes/{id}/approval` with `{"approve": true | false}`."""
        approve = fields.get("approve")
        if unknown := [name for name in fields if name != "approve"]:
            raise InvalidParameter(f"{shown(unknown[0])} is not a field. Allowed: approve.", param=unknown[0][:40])
        if not isinstance(approve, bool):
            raise InvalidParameter(f"approve is {shown(approve)}, but must be true or false.", param="approve")
        self.tell(self.waiting(run), approve=approve, by="POST /finetunes")
        return {"id": run, "approved": approve, "message": "It is served next." if approve else "It is not served."}

    def show_approval_page(self, token: str, now: datetime) -> str:
        """`GET /approve`: the page with the buttons, which changes nothing. Raises LinkRefused and its kin."""
        return approval_page.shown(token, runs=self, now=now)

    def press_approval_button(self, token: str, decision: str, now: datetime) -> str:
        """`POST /approve`: the page that says what came of it. Raises LinkRefused and its kin."""
        return approval_page.pressed(token, decision, runs=self, now=now)

    def token_key(self) -> bytes | None:
        """What signs the links in mails; None before the first mail."""
        self._check_there()
        found: Data | None = self._call("The link could not be checked", lambda: self._ledger.get("secret", KEY))
        return str(found["key"]).encode() if found else None

    def waiting(self, run: str) -> Data:
        """The record of a run that waits for a person's word. Raises NotWaiting for another one."""
        record = self._record(run)
        if not record.get("token") or record["step"] != "Approve":
            raise NotWaiting(
                f"Run {run} does not wait for anybody's word: it is {record['status']}, at {record['step']}."
            )
        return record

    def tell(self, run: Data, *, approve: bool, by: str) -> None:
        """Raises NotWaiting where it was told before: Step Functions takes one word for each time that it waits."""
        self._call("The run could not be told", lambda: self._tell(str(run["token"]), approve, by))

    def _tell(self, token: str, approve: bool, by: str) -> None:
        if approve:
            self._states.send_task_success(taskToken=token, output="{}")
        else:
            self._states.send_task_failure(taskToken=token, error="Rejected", cause=f"by {by}")

    def _record(self, run: str) -> Data:
        self._check_there()
        found: Data | None = self._call("The run could not be looked up", lambda: self._ledger.get(KIND, run))
        if not found:
            raise RouteNotFound(f"There is no run {shown(run)}. POST /finetunes answers with a run's id.")
        return found

    def _check_there(self) -> None:
        if not self._arn:
            raise RouteNotFound("This stage's model cannot be fine-tuned: deploy a stage whose model can.")

    def _call(self, what: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except ClientError as exc:
            code = exc.response["Error"].get("Code", "")
            if code in ("TaskTimedOut", "InvalidToken", "TaskDoesNotExist"):
                raise NotWaiting("The run does not wait any more: the word was given, or its time is over.") from exc
            raise ControlPlaneFailed(f"{what} ({code}): try again.") from exc
        except BotoCoreError as exc:
            raise ControlPlaneFailed(f"{what} ({type(exc).__name__}): try again.") from exc


def _checked(run: str) -> str:
    if not _ID.fullmatch(run):
        raise RouteNotFound(f"There is no run {shown(run)}: an id has letters, digits, hyphens and underscores.")
    return run
