"""The Lambda's entry point: one tick of the meter."""

import json
import os
from dataclasses import replace
from functools import cache

import boto3
from botocore.config import Config
from common.ledger import Ledger
from common.moment import moment_of

from meter import act, jobs, training
from meter.facts import LEDGER, Facts, Run
from meter.gather import Attempts, Clients, gather
from meter.memory import Memory
from meter.readings import Readings, readings
from meter.settings import Settings

# A tick that hangs is worth less than the next one.
_CONFIG = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 3, "mode": "standard"})


def lambda_handler(event: object, _context: object) -> None:
    """One tick, at the event's `time` (ISO 8601, UTC). Raises what failed, once everything else is done."""
    now = moment_of(event)
    settings, clients = _parts()
    tick(clients, settings, now)


def tick(clients: Clients, settings: Settings, now: float) -> None:
    """Read, start the switch while an off is due, see to runs that broke off, remember, publish.

    Raises an ExceptionGroup of all that failed on the way, or botocore's error where the endpoint cannot be described:
    then there is nothing to tell. Either way the heartbeat is missing.
    """
    attempts = Attempts()
    facts, before = gather(clients, settings, now, attempts)
    taken, after, dues = readings(facts, before, now, settings.policy)
    if dues:
        attempts.to("switch", lambda: act.start_switch(clients.stepfunctions, settings.switch_arn, dues[0], now))
    broken = training.broken_off(facts.runs)
    past_mending = attempts.to("mending", lambda: jobs.mend(clients.stepfunctions, settings.finetune_arn, broken))
    attempts.to("stopping", lambda: _stop_training(clients, settings, facts, past_mending or ()))
    if not attempts.failures:
        after = replace(after, whole_at=after.ticked_at)
    if LEDGER not in facts.unread:
        attempts.to("memory", lambda: clients.ledger.put("meter", "memory", after.to_data()))
    alive = not attempts.failures
    attempts.to("metrics", lambda: act.publish(clients, stage=settings.stage, readings=taken, alive=alive, now=now))
    _log(taken, before, after, dues, attempts, training.unpriced(facts.jobs, settings.policy.usd_per_hour))
    if attempts.failures:
        raise ExceptionGroup(f"The meter failed at: {', '.join(attempts.failures)}.", list(attempts.failures.values()))


def _stop_training(clients: Clients, settings: Settings, facts: Facts, past_mending: tuple[Run, ...]) -> None:
    topic = settings.notices_topic_arn
    jobs.stop(clients.sagemaker, clients.sns, clients.ledger, facts, past_mending, topic=topic, stage=settings.stage)


def _log(
    taken: Readings, before: Memory, after: Memory, dues: tuple[str, ...], attempts: Attempts, unpriced: list[str]
) -> None:
    """The one line of JSON that each tick leaves. A type without a price is named once, not at every tick; `unpriced`
    are those of training jobs.
    """
    line: dict[str, object] = {
        "idle_minutes": taken.idle_minutes,
        "minutes_on": taken.minutes_on,
        "dollars_this_month": taken.dollars_this_month,
        "mismatch": taken.mismatch,
        "overdue": taken.overdue,
        "due": list(dues),
        "failed": list(attempts.failures),
    }
    if after.unpriced != before.unpriced:
        line["warning"] = (
            f"No price is known for {after.unpriced}: its hours count as USD 0, so the budget does not see them. "
            "Add it to the price list and deploy again."
        )
    if unpriced:
        line["warning_training"] = f"No price is known for {', '.join(unpriced)}: training on it counts as USD 0."
    print(json.dumps(line))


@cache
def _parts() -> tuple[Settings, Clients]:
    """The worker's settings and clients, with everything that takes time to make."""
    settings = Settings.from_environment(os.environ)
    session = boto3.Session()
    return settings, Clients(
        cloudformation=session.client("cloudformation", config=_CONFIG),
        sagemaker=session.client("sagemaker", config=_CONFIG),
        cloudwatch=session.client("cloudwatch", config=_CONFIG),
        stepfunctions=session.client("stepfunctions", config=_CONFIG),
        sns=session.client("sns", config=_CONFIG),
        ledger=Ledger(session.client("dynamodb", config=_CONFIG), settings.ledger_table),
    )
