"""A stage with everything that none has by default: hours, callers who wake it, and people who are told."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pilotlight.local.cloud import Cloud

from .conftest import ROOT, LocalCloud
from .test_life import Life, start_switch

BERLIN = ZoneInfo("Europe/Berlin")
TOMORROW = datetime.now(BERLIN) + timedelta(days=1)
CONFIG = f"""
default_stage = "office"

[stages.office]
model = "smollm2-135m-instruct"
wake_on_call = true
idle_minutes = false
notify = ["somebody@example.com"]

[[stages.office.schedules]]
days = ["{f"{TOMORROW:%a}".upper()}"]
on = "08:00"
off = "19:00"
time_zone = "Europe/Berlin"
"""
# The deployed app with another file beside it, on a cloud that outlives this process.
UP = """
import sys
from pathlib import Path
from pilotlight.local import cloud

here, root = Path(sys.argv[1]), Path(sys.argv[2])
cloud.CONFIG = here / "pilotlight.toml"

class Office(cloud.Cloud):
    def cdk(self, url, stage, *arguments):
        return super().cdk(url, stage, *arguments, "--app", f"env PYTHONPATH={root} {sys.executable} {here}/app.py")

office = Office(here / "pilot")
url = office.start(stage="office", weights="tiny")
office.bootstrap(url, "office")
office.deploy(url, "office")
"""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """Off, and nobody else's: its clock is advanced."""
    folder = tmp_path_factory.mktemp("office")
    (folder / "pilotlight.toml").write_text(CONFIG)
    shutil.copy(ROOT / "app.py", folder)
    command = [sys.executable, "-c", UP, str(folder), str(ROOT)]
    cloud = Cloud(folder / "pilot")
    try:
        started = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
        assert started.returncode == 0, started.stdout + started.stderr
        yield Life(LocalCloud(**vars(cloud.require())))
    finally:
        cloud.down()


def until(office: Life, moment: datetime) -> None:
    office.advance(seconds=(moment - office.now()).total_seconds())


def test_the_account_has_a_budget_that_tells_the_same_people(office: Life) -> None:
    client, account = office.cloud.client("budgets"), {"AccountId": "000000000000"}
    (budget,) = client.describe_budgets(**account)["Budgets"]
    assert (float(budget["BudgetLimit"]["Amount"]), budget["TimeUnit"]) == (100, "MONTHLY")
    of = account | {"BudgetName": budget["BudgetName"]}
    notifications = client.describe_notifications_for_budget(**of)["Notifications"]
    assert sorted(notification["Threshold"] for notification in notifications) == [80, 100]
    for notification in notifications:
        told = client.describe_subscribers_for_notification(**of, Notification=notification)["Subscribers"]
        assert told == [{"SubscriptionType": "EMAIL", "Address": "somebody@example.com"}]


def test_of_many_callers_who_meet_it_asleep_one_wakes_it(office: Life) -> None:
    before = office.now()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: office.cloud.generate("hello", max_length=10), range(24)))
    refused = [answer for answer in answers if answer.status_code != 200]
    assert refused
    for answer in refused:
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["Retry-After"]) >= 1
    office.advance(minutes=2)
    assert office.is_on()
    office.call()
    receipts = [r for r in office.deployment.receipts(20) if r["at"] >= before.timestamp() - 1]
    assert [(receipt["outcome"], receipt["reason"]) for receipt in receipts] == [("on", "wake")]
    start_switch(office, "off")
    office.advance(minutes=5)


def test_its_hours_turn_it_on_and_off_and_other_days_do_not(office: Life) -> None:
    day = TOMORROW.replace(hour=0, minute=0, second=0, microsecond=0)
    until(office, day.replace(hour=7, minute=58))
    assert office.endpoint() is None
    until(office, day.replace(hour=8, minute=5))
    assert office.is_on()
    assert office.receipt()["reason"] == "schedule"
    assert_next(office, "off", day.replace(hour=19))
    until(office, day.replace(hour=18, minute=58))
    assert office.is_on(), (office.endpoint(), office.receipt())
    until(office, day.replace(hour=19, minute=10))
    assert office.endpoint() is None
    receipt = office.receipt()
    assert (receipt["target"], receipt["reason"]) == ("off", "schedule")
    assert_next(office, "on", day.replace(hour=8) + timedelta(days=7))
    until(office, day.replace(hour=8, minute=10) + timedelta(days=1))
    assert office.endpoint() is None


def assert_next(office: Life, target: str, moment: datetime) -> None:
    """The receipt and GET /endpoint say the same."""
    assert office.receipt()["next"] == {"target": target, "by": "schedule", "at": moment.timestamp()}
    told = office.cloud.call("GET", "/endpoint").json()["next_trigger"]
    assert (told["target"], told["by"]) == (target, "schedule")
    assert datetime.fromisoformat(told["at"]) == moment


def test_an_address_that_nobody_has_confirmed_is_told_by_the_daily_sweep(office: Life) -> None:
    """As SNS does after three days without the answer to its question."""
    client = office.cloud.client("sns")
    topic = next(t["TopicArn"] for t in client.list_topics()["Topics"] if t["TopicArn"].endswith("-notices"))
    for subscription in client.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]:
        client.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
    before = office.now()
    office.advance(days=1)
    assert office.told(before, "1 of the 1 addresses under `notify` get no mail")
    assert "get no mail" in office.cloud.call("GET", "/endpoint").json()["attention"][0]
