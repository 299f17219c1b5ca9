"""It turns itself off: hours of an endpoint's life on the simulated clock, seen from outside."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
import requests

from pilotlight.deployment import Deployment
from pilotlight.switch import State

from .conftest import METER, Cdk, LocalCloud, Pilot

USD_PER_HOUR = Decimal("4.89")
PERIOD = timedelta(minutes=5)
pytestmark = pytest.mark.usefixtures("on_for_the_others")


class Life:
    """The cloud's time, and what can be seen of the endpoint at each moment."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.deployment = Deployment(cloud.stage, cloud.region, cloud.aws_endpoint_url)

    def now(self) -> datetime:
        return self.cloud.now()

    def advance(self, **by: float) -> None:
        self.cloud.advance(timedelta(**by).total_seconds())

    def endpoint(self) -> dict[str, Any] | None:
        return self.cloud.endpoint()

    def is_on(self) -> bool:
        endpoint = self.endpoint()
        return endpoint is not None and endpoint["EndpointStatus"] == "InService"

    def stack_state(self) -> str:
        parameters = self.deployment.describe_stack("Endpoint")["Parameters"]
        return next(str(p["ParameterValue"]) for p in parameters if p["ParameterKey"] == "EndpointState")

    def until_off(self, *, at_most: timedelta) -> datetime:
        """When it was seen to be off, to the minute."""
        end = self.now() + at_most
        while self.endpoint() is not None:
            assert self.now() < end, f"still on after {at_most}"
            self.advance(minutes=1)
        return self.now()

    def notices(self, since: datetime) -> list[dict[str, Any]]:
        found = requests.get(f"{self.cloud.aws_endpoint_url}/_pilot/notices", timeout=10).json()
        return [notice for notice in found if datetime.fromisoformat(notice["time"]) >= since]

    def told(self, since: datetime, words: str) -> datetime:
        """When a person was first told something with these words."""
        return next(
            datetime.fromisoformat(n["time"]) for n in self.notices(since) if words in n["subject"] + n["message"]
        )

    def receipt(self) -> dict[str, Any]:
        """The last one, which comes a little after the endpoint has gone."""
        states = self.cloud.client("stepfunctions")
        running = {"stateMachineArn": self.deployment.switch_arn, "statusFilter": "RUNNING"}
        while states.list_executions(**running)["executions"]:
            self.advance(minutes=1)
        return self.deployment.receipts(1)[0]

    def seen_gone(self, since: datetime) -> Decimal:
        """When the execution of the switch that turned it off since then looked at the world for the last time."""
        states = self.cloud.client("stepfunctions")
        [arn] = [
            found["executionArn"]
            for found in states.list_executions(stateMachineArn=self.deployment.switch_arn)["executions"]
            if found["startDate"] >= since
            and '"outcome": "off"' in states.describe_execution(executionArn=found["executionArn"])["output"]
        ]
        steps = [step for step in history(states, arn) if step["type"] == "TaskStateEntered"]
        return exactly(max(step["timestamp"] for step in steps))

    def call(self) -> None:
        assert self.cloud.generate("hello", max_length=10).status_code == 200


@pytest.fixture
def life(cloud: LocalCloud) -> Life:
    """An endpoint that has just been lit anew, with a meter that ticks, and no end of money."""
    made = Life(cloud)
    cloud.turn("off")
    made.advance(minutes=6)
    cloud.turn("on", budget_usd=100000)
    return made


def clean(life: Life, cdk: Cdk) -> None:
    assert life.cloud.drifts() == {}
    diff = cdk("diff --all --fail")
    assert diff.returncode == 0, diff.stdout + diff.stderr


class TestIdle:
    def test_called_every_minute_it_stays_then_it_is_warned_of_and_goes(self, life: Life, cdk: Cdk) -> None:
        for _ in range(120):
            life.call()
            life.advance(minutes=1)
        endpoint = life.endpoint()
        assert endpoint
        silence = life.now()
        life.call()
        gone = life.until_off(at_most=timedelta(minutes=75))
        assert timedelta(minutes=50) <= life.told(silence, "in 10 the endpoint is turned off") - silence
        assert life.told(silence, "in 10 the endpoint is turned off") - silence <= timedelta(minutes=51) + PERIOD
        assert timedelta(minutes=60) <= gone - silence <= timedelta(minutes=62) + PERIOD
        receipt = life.receipt()
        assert (receipt["target"], receipt["reason"], receipt["outcome"]) == ("off", "idle", "off")
        right_to_the_cent(life, receipt, endpoint["CreationTime"], silence, gone)
        clean(life, cdk)

    def test_never_called_it_lives_for_the_whole_window_and_again_the_second_time(self, life: Life) -> None:
        for _ in range(2):
            lit, endpoint = life.now(), life.endpoint()
            assert endpoint
            gone = life.until_off(at_most=timedelta(minutes=75))
            assert timedelta(minutes=60) <= gone - lit <= timedelta(minutes=62) + PERIOD
            right_to_the_cent(life, life.receipt(), endpoint["CreationTime"], lit, gone)
            life.told(lit, "in 10 the endpoint is turned off")
            life.cloud.turn("on")

    def test_a_snooze_puts_it_off_and_says_until_when(self, life: Life) -> None:
        key = {"x-api-key": life.deployment.admin_key}
        asked = life.cloud.call("POST", "/endpoint/snooze", {"hours": 2}, headers=key)
        assert asked.status_code == 200, asked.text
        until = datetime.fromisoformat(asked.json()["snoozed_until"])
        assert until - life.now() == pytest.approx(timedelta(hours=2), abs=timedelta(minutes=1))
        assert life.cloud.call("GET", "/endpoint").json()["snoozed_until"] == asked.json()["snoozed_until"]
        gone = life.until_off(at_most=timedelta(minutes=135))
        assert timedelta(0) <= gone - until <= timedelta(minutes=2) + PERIOD


class TestTheMailsLink:
    def test_opening_it_changes_nothing_and_its_button_works_once(self, life: Life) -> None:
        begun = life.now()
        life.advance(minutes=57)
        mail = next(n for n in life.notices(begun) if "in 10 the endpoint is turned off" in n["message"])
        address, _, token = next(word for word in mail["message"].split() if "?token=" in word).partition("?token=")
        assert address.endswith("/snooze")

        def page(method: str, text: str = token) -> requests.Response:
            """Without any key; a form, as a browser sends it."""
            url = f"{life.cloud.api_url}/snooze"
            if method == "GET":
                return requests.get(url, params={"token": text}, timeout=60)
            return requests.post(url, data={"token": text}, timeout=60)

        for _ in range(2):  # a mail scanner, and a person
            looked = page("GET")
            assert (looked.status_code, looked.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
            assert '<form method="post">' in looked.text
        for method in ("GET", "POST"):
            forged = page(method, f"{token[:-8]}AAAAAAAA")
            assert (forged.status_code, "not from a mail" in forged.text) == (403, True)
        assert life.cloud.call("GET", "/endpoint").json()["snoozed_until"] is None
        pressed = page("POST")
        assert pressed.status_code == 200, pressed.text
        snoozed = life.cloud.call("GET", "/endpoint").json()["snoozed_until"]
        assert datetime.fromisoformat(snoozed) - life.now() == pytest.approx(
            timedelta(hours=2), abs=timedelta(minutes=1)
        )
        for method in ("GET", "POST"):
            again = page(method)
            assert (again.status_code, "used already" in again.text) == (409, True)
        life.advance(minutes=30)
        assert life.is_on()
        assert page("POST").status_code == 410


class TestWhoEndsIt:
    def test_its_lifetime_does_however_busy_it_is(self, life: Life) -> None:
        begun = life.now()
        while life.is_on() and life.now() - begun < timedelta(hours=13):
            life.call()
            life.advance(minutes=30)
        gone = life.now()
        assert timedelta(hours=12) <= gone - begun <= timedelta(hours=12, minutes=31)
        assert life.receipt()["reason"] == "lifetime"

    def test_its_budget_does_and_only_a_new_ceiling_lights_it_again(self, life: Life, pilot: Pilot) -> None:
        spent = json.loads(pilot("cost", "--json").stdout)["usd_this_month"]
        life.cloud.turn("off")
        life.cloud.turn("on", budget_usd=spent + 2)  # 25 minutes
        life.until_off(at_most=timedelta(minutes=40))
        assert life.receipt()["reason"] == "budget"
        refused = pilot("on", "--yes")
        assert refused.returncode == 1
        assert "are spent" in refused.stderr
        assert pilot("on", "--yes", "--budget-usd", "100000").returncode == 0

    def test_a_meter_that_is_dead_is_told_of_and_the_endpoint_goes(self, life: Life) -> None:
        died = life.now()
        with life.cloud.disabled(METER):
            gone = life.until_off(at_most=timedelta(minutes=45))
        assert life.told(died, "silent for 15 minutes") - died <= timedelta(minutes=30)
        assert gone - died <= timedelta(minutes=45)
        assert life.receipt()["reason"] == "heartbeat"

    def test_without_meter_and_alarms_the_first_hard_stop_does(self, life: Life) -> None:
        end = turn_off_at(life)
        with life.cloud.disabled():
            life.advance(seconds=(end - life.now()).total_seconds() - 60)
            assert life.is_on()
            life.advance(minutes=3)
            assert life.endpoint() is None
        assert life.receipt()["reason"] == "hard_stop"

    def test_without_a_switch_too_the_second_one_deletes_it_and_the_next_switch_repairs_the_stack(
        self, life: Life, cdk: Cdk
    ) -> None:
        end = turn_off_at(life)
        with life.cloud.disabled(), broken_switch(life):
            life.advance(seconds=(end - life.now()).total_seconds() + 29 * 60)
            assert life.is_on()
            life.advance(minutes=3)
            assert life.endpoint() is None
        assert life.stack_state() == "on"  # nobody told the stack
        life.cloud.turn("off")
        assert life.stack_state() == "off"
        clean(life, cdk)


class TestSwitch:
    def test_of_many_who_ask_at_once_one_lights_it(self, life: Life) -> None:
        life.cloud.turn("off")
        key = {"x-api-key": life.deployment.admin_key}
        before = life.now()

        def ask(_: int) -> int:
            return life.cloud.call("POST", "/endpoint", {"state": "on"}, headers=key).status_code

        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(ask, range(48)))
        assert set(answers) <= {200, 429}  # the admin key is throttled
        life.advance(minutes=2)
        assert life.is_on()
        assert len([r for r in life.deployment.receipts(20) if r["at"] >= before.timestamp()]) == 1

    @pytest.mark.parametrize("steps", [1, 2])
    @pytest.mark.parametrize(("begun", "then"), [("off", "on"), ("on", "off")])
    def test_killed_at_any_step_the_next_one_repairs_it(
        self, life: Life, begun: State, then: State, steps: int
    ) -> None:
        """After its first step the update has been sent; after its second the endpoint is going or coming, or there."""
        for _ in range(5):
            life.cloud.turn(then)
            if killed(life.cloud.client("stepfunctions"), start_switch(life, begun), steps):
                break
        else:
            pytest.fail("It was over each time before it could be killed.")
        life.cloud.turn(then)
        assert (life.is_on(), life.stack_state()) == (then == "on", then)

    def test_a_stack_on_its_way_to_on_is_turned_round(self, life: Life) -> None:
        life.cloud.turn("off")
        life.cloud.fault(fault="stuck_creating")
        start_switch(life, "on")
        while life.endpoint() is None:
            pass
        life.cloud.turn("off")
        assert life.endpoint() is None
        assert life.stack_state() == "off"

    def test_an_endpoint_that_survives_its_off_is_deleted_beside_the_stack(self, life: Life, cdk: Cdk) -> None:
        """Within the promise: the window and 15 minutes, of which the deletion takes the last."""
        life.cloud.fault(fault="delete_survives")
        life.until_off(at_most=timedelta(minutes=60 + 15))
        life.advance(minutes=2)
        assert "deleted directly" in life.receipt()["message"]
        assert life.stack_state() == "off"
        clean(life, cdk)

    def test_no_capacity_is_told_and_nothing_is_left(self, life: Life, cdk: Cdk) -> None:
        life.cloud.turn("off")
        life.cloud.fault(fault="no_capacity", times=20)
        start_switch(life, "on")
        life.advance(hours=1)
        receipt = life.receipt()
        assert receipt["outcome"] == "failed"
        assert "capacity" in receipt["message"].lower()
        assert life.endpoint() is None
        assert life.stack_state() == "off"
        answer = life.cloud.generate("hello")
        assert (answer.status_code, answer.json()["error"]["type"]) == (503, "endpoint_off")
        assert (answer.headers["x-pilotlight-attempts"], "Retry-After" in answer.headers) == ("1", True)
        assert int(answer.headers["x-pilotlight-elapsed-ms"]) <= int(answer.headers["x-pilotlight-budget-ms"])
        clean(life, cdk)


class TestDeploy:
    def test_after_an_off_by_itself_a_deploy_leaves_it_off(self, life: Life, cdk: Cdk) -> None:
        life.until_off(at_most=timedelta(minutes=75))
        done = cdk("deploy --all --require-approval never")
        assert done.returncode == 0, done.stdout + done.stderr
        assert life.endpoint() is None


def start_switch(life: Life, target: str) -> str:
    """As a trigger does, which does not wait for it: the execution's ARN."""
    started = life.cloud.client("stepfunctions").start_execution(
        stateMachineArn=life.deployment.switch_arn,
        input=json.dumps({"target": target, "reason": "manual", "by": "a test"}),
    )
    return str(started["executionArn"])


def exactly(moment: datetime) -> Decimal:
    """Seconds since the epoch."""
    return Decimal(str(moment.timestamp()))


def right_to_the_cent(life: Life, receipt: dict[str, Any], created: datetime, since: datetime, gone: datetime) -> None:
    """The dollars are those from its creation, as SageMaker said, until the step of the switch that saw it gone, which
    was within a minute of when it was seen to be gone from outside: a step looks a little later on a busy machine.
    """
    until = life.seen_gone(since)
    assert abs(exactly(gone) - until) <= 70
    usd = (until - exactly(created)) * USD_PER_HOUR / 3600
    assert Decimal(str(receipt["usd"])) == usd.quantize(Decimal("0.01"), ROUND_HALF_UP)


def turn_off_at(life: Life) -> datetime:
    parameters = life.deployment.describe_stack("Endpoint")["Parameters"]
    stated = next(p["ParameterValue"] for p in parameters if p["ParameterKey"] == "TurnOffAt")
    return datetime.fromisoformat(stated).replace(tzinfo=UTC)


def killed(states: Any, execution: str, steps: int) -> bool:
    """In its step of this number; False where it was over before."""
    events: list[str] = []
    while events.count("TaskStateEntered") < steps and "ExecutionSucceeded" not in events:
        events = [event["type"] for event in history(states, execution)]
    with suppress(states.exceptions.ClientError):
        states.stop_execution(executionArn=execution)
    return bool(states.describe_execution(executionArn=execution)["status"] == "ABORTED")


def history(states: Any, execution: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = states.get_execution_history(executionArn=execution, maxResults=200)["events"]
    return events


@contextmanager
def broken_switch(life: Life) -> Iterator[None]:
    """A function that cannot start: its settings are gone."""
    functions = life.cloud.client("lambda")
    (name, variables) = next(
        (f["FunctionName"], f["Environment"]["Variables"])
        for f in functions.list_functions()["Functions"]
        if f["Handler"] == "switch.handler.lambda_handler"
    )
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": {"STAGE": "none"}})
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
