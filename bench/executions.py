"""The switch's executions: its own pure decisions about the simulated cloud, stepped at most once a minute."""

from dataclasses import dataclass, field, replace
from typing import Any

from meter.facts import Life
from meter.memory import Memory as Metered
from switch import bill, gate, lease
from switch.decide import decide, remembered
from switch.decision import Cancel, Case, Decision, Delete, Finish, Outcome, Update, Wait
from switch.facts import Facts, Meter
from switch.lease import Turn
from switch.memory import Memory
from switch.request import Request
from switch.settings import Settings

from bench.cloud import CONFIG, VARIANT, Cloud, Refused, seconds


@dataclass
class Execution:
    name: str
    request: Request
    wakes_at: float
    memory: Memory = field(default_factory=Memory)


@dataclass(frozen=True)
class Known:
    """What the ledger and CloudWatch tell the switch; times are epoch seconds. `blind`: CloudWatch fails."""

    metered: Metered
    snoozed_until: float | None
    last_call: float | None
    blind: bool


@dataclass
class Executions:
    """`offs` holds every act that ends service, as (minute, reason): where the endpoint survives it, that act and not
    its later deletion. `lives` is what the receipts tell.
    """

    settings: Settings
    running: dict[str, Execution] = field(default_factory=dict)
    offs: list[tuple[int, str]] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    refusals: int = 0
    _lease: dict[str, Any] | None = None
    _awaiting: float | None = None

    def start(self, request: dict[str, Any], now: int) -> None:
        """StartExecution: a name that was used in the same minute starts nothing."""
        name = f"{request['target']}-{request['reason']}-{now}"
        if name not in self.running:
            parsed = Request.parse(request, instance_types=self.settings.instance_types)
            self.running[name] = Execution(name, parsed, seconds(now))

    def kill(self) -> None:
        """Every execution ends where it is; what it held stays held."""
        self.running.clear()

    def step(self, cloud: Cloud, known: Known, now: int) -> None:
        """One step of each execution that is not waiting."""
        for execution in list(self.running.values()):
            if execution.wakes_at <= seconds(now) and not self._step(execution, cloud, known, now):
                del self.running[execution.name]

    def _step(self, execution: Execution, cloud: Cloud, known: Known, now: int) -> bool:
        """Whether it goes on."""
        if known.blind and execution.request.reason == "idle":
            execution.wakes_at = seconds(now) + 60
            return True
        facts = self._facts(cloud, known)
        if not self._has_its_turn(execution, facts, now):
            return False
        decision = decide(execution.request, facts, execution.memory, seconds(now), self.settings)
        if isinstance(decision.action, Finish):
            self._finish(execution, decision.action.outcome, decision.memory, now)
            if gate.is_unwatched(Case(execution.request, facts, decision.memory, seconds(now), self.settings)):
                self.start({"target": "off", "reason": "heartbeat", "by": "the switch"}, now)
            return False
        execution.memory = self._act(execution, decision, cloud, now)
        wait = decision.action.seconds if isinstance(decision.action, Wait) else 1
        execution.wakes_at = seconds(now) + wait
        return True

    def _has_its_turn(self, execution: Execution, facts: Facts, now: int) -> bool:
        request, moment = execution.request, seconds(now)
        runs = self._lease is not None and self._lease["execution"] in self.running
        memory, name = execution.memory, execution.name
        turn = lease.turn(self._lease, request, memory, execution=name, now=moment, holder_runs=runs)
        if turn is Turn.CLAIM:
            memory = remembered(lease.claimed(self._lease, memory, request), facts, moment, self.settings)
            self._lease = lease.entry(
                request, memory, execution=name, now=moment, lifetime_hours=self.settings.default_hours
            )
            execution.memory = memory
        return turn in (Turn.MINE, Turn.CLAIM, Turn.BESIDE)

    def _facts(self, cloud: Cloud, known: Known) -> Facts:
        metered = known.metered
        meter = metered.ticked_at and Meter(
            heard_at=metered.whole_at,
            usd_this_month=metered.usd_this_month,
            in_service_since=metered.in_service_since,
            last_call=metered.last_call,
        )
        return Facts(
            stack=cloud.stack_facts(),
            endpoint=cloud.endpoint_facts(),
            variant=VARIANT if cloud.endpoint else None,
            expected_config=CONFIG,
            failure=cloud.failure,
            meter=meter or None,
            awaiting_meter_since=self._awaiting,
            snoozed_until=known.snoozed_until,
            last_call=None if known.blind else known.last_call,
        )

    def _act(self, execution: Execution, decision: Decision, cloud: Cloud, now: int) -> Memory:
        before = cloud.serves and cloud.says_on
        match decision.action:
            case Update(changes=changes):
                if changes.get("EndpointState") == "on" and self._awaiting is None:
                    self._awaiting = seconds(now)
                try:
                    cloud.update(changes, now)
                except Refused:
                    if cloud.in_progress:
                        return execution.memory  # somebody was faster
                    return replace(decision.memory, refused="the simulation says so")
            case Cancel():
                cloud.cancel(now)
            case Delete():
                cloud.delete(now)
        if before and not (cloud.serves and cloud.says_on):
            self.offs.append((now, execution.request.reason))
        return decision.memory

    def _finish(self, execution: Execution, outcome: Outcome, memory: Memory, now: int) -> None:
        if outcome in (Outcome.ON, Outcome.OFF, Outcome.FAILED):
            self.lives += [
                Life(told["created"], told["gone_at"], told["usd_per_hour"]) for told in bill.lives(memory.bill)
            ]
        self.refusals += outcome is Outcome.REFUSED
        if self._lease is not None and self._lease["execution"] == execution.name:
            self._lease = lease.finished(self._lease, seconds(now))
