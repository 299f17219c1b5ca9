"""The whole life cycle in simulated minutes: the meter's and the switch's own pure code, plain alarms, hard stops.

What is real: `meter.readings`, `switch.decide`, `switch.lease`. What is simulated: the cloud (`bench/cloud.py`), the
alarms (`bench/alarms.py`) and whatever happens from outside (`bench/plan.py`).
"""

from bisect import bisect_left, bisect_right
from dataclasses import replace

from meter.facts import CALLS, Facts
from meter.memory import Memory
from meter.readings import Readings, readings

from bench.alarms import Alarms
from bench.cloud import DELETING_MINUTES, VARIANT, Cloud, minute_of, seconds
from bench.executions import Executions, Known
from bench.plan import ALARMS, CLEANUP, CREATIONS, METER, METRICS, SWITCH, UPDATES, Plan, Setup

TICK_MINUTES = 5


class Simulation:
    """One stage under one plan. `served` and `met` are the calls that found it in service, and those that did not;
    `overdue` the ticks that told of an off which is due and not being done. `ends` are the hard stops that the stack
    came to have: (since when, the first, the second).
    """

    def __init__(self, setup: Setup, plan: Plan) -> None:
        self.setup, self.plan = setup, plan
        self.cloud = Cloud(setup.wake_minutes, setup.clean_up_minutes)
        self.executions = Executions(setup.settings)
        self.memory = Memory()
        self.services: list[tuple[int, int]] = []
        self.met = 0
        self.now = 0
        self.snooze_until: int | None = None
        self.ticks = 0
        self.minutes_past_the_end = 0
        self.overdue: list[int] = []
        self.ends: list[tuple[int, int, int]] = []
        self.served: list[int] = []
        self._turns = sorted(moment for spans in plan.faults.values() for span in spans for moment in span)
        self._alarms = Alarms(setup.policy)
        self._in_service_since: int | None = None
        self._skipped = False
        self._asked = self._snoozed = self._forgot = self._call = 0

    def run(self, until: int, *, skip: bool = False) -> "Simulation":
        """Until that minute. Minutes in which nothing can happen are left out; with `skip`, which is for plans without
        faults, the meter's ticks while there is no endpoint are such.
        """
        while self.now < until:
            self._minute()
            following = self._next(until, skip=skip)
            self._take_calls(following)
            self._skipped = following > self._next_tick()
            self.now = following
        self.cloud.advance(until)
        self._note_service(ended=True)
        return self

    def billed_minutes(self) -> int:
        """Of one fleet each."""
        present = self.cloud.endpoint
        begun = [since for since in (present.created, present.updated) if since is not None] if present else []
        over = sum(end - since for since, end in (*self.cloud.lives, *self.cloud.updates))
        return over + sum(self.now - since for since in begun)

    def _minute(self) -> None:
        now, plan = self.now, self.plan
        self.cloud.refuses, self.cloud.keeps = plan.fails(UPDATES, now), plan.fails(CLEANUP, now)
        self.cloud.creation = next((kind for kind in CREATIONS if plan.fails(kind, now)), "")
        self.cloud.advance(now)
        self._take_events()
        if (now % TICK_MINUTES == 0 or self._skipped) and not plan.fails(METER, now):
            self._act_on(self._tick())
        else:
            self._act_on(None)
        self._hard_stops()
        if plan.fails(SWITCH, now):
            self.executions.kill()
        self.executions.step(self.cloud, self._known(), now)
        self._note_ends()
        self._note_service()

    def _take_events(self) -> None:
        plan, now = self.plan, self.now
        while self._forgot < len(plan.forgets) and plan.forgets[self._forgot] <= now:
            self.memory, self._forgot = Memory(), self._forgot + 1
        while self._snoozed < len(plan.snoozes) and plan.snoozes[self._snoozed][0] <= now:
            self.snooze_until, self._snoozed = plan.snoozes[self._snoozed][1], self._snoozed + 1
        while self._asked < len(plan.asks) and plan.asks[self._asked][0] <= now:
            if not plan.fails(SWITCH, now):
                self.executions.start(plan.asks[self._asked][1], now)
            self._asked += 1
        called = self._call < len(plan.calls) and plan.calls[self._call] <= now
        if called and self.setup.wakes_on_call and self.cloud.endpoint is None and not self.executions.running:
            self.executions.start({"target": "on", "reason": "wake", "by": "a call"}, now)

    def _tick(self) -> Readings | None:
        """None where the tick failed, and left no heartbeat."""
        blind = self.plan.fails(METRICS, self.now)
        facts = Facts(
            endpoint=self.cloud.endpoint_facts(),
            variant=VARIANT if self.cloud.endpoint else None,
            stack=self.cloud.stack_facts(),
            last_call=None if blind else self._last_call(),
            snooze_until=None if self.snooze_until is None else seconds(self.snooze_until),
            lives=tuple(self.executions.lives[-10:]),
            unread=frozenset({CALLS}) if blind else frozenset(),
        )
        self.ticks += 1
        taken, self.memory, dues = readings(facts, self.memory, seconds(self.now), self.setup.policy)
        if not blind:
            self.memory = replace(self.memory, whole_at=self.memory.ticked_at)
        if taken.overdue:
            self.overdue.append(self.now)
        if dues and not self.plan.fails(SWITCH, self.now):
            self.executions.start({"target": "off", "reason": dues[0], "by": "meter"}, self.now)
        return None if blind else taken

    def _act_on(self, taken: Readings | None) -> None:
        dead = self.plan.fails(ALARMS, self.now) or self.plan.fails(SWITCH, self.now)
        for reason in self._alarms.after(taken, self.now):
            if not dead:
                self.executions.start({"target": "off", "reason": reason, "by": "alarm"}, self.now)

    def _hard_stops(self) -> None:
        """Both schedules are part of the stack: they are there while it says on."""
        if not self.cloud.says_on:
            return
        if self.now == minute_of(self.cloud.parameters["TurnOffAt"]) and not self.plan.fails(SWITCH, self.now):
            self.executions.start({"target": "off", "reason": "hard_stop", "by": "schedule"}, self.now)
        delete_at = minute_of(self.cloud.parameters["DeleteAt"])
        if delete_at is None or self.now < delete_at:
            return
        self.cloud.delete(self.now)
        self.minutes_past_the_end += self.cloud.endpoint is not None and self.now > delete_at + DELETING_MINUTES

    def _last_call(self) -> float | None:
        """The end of the last minute with a served call that CloudWatch shows by now."""
        shown = bisect_right(self.served, self.now - 1 - self.setup.lag_minutes)
        return seconds(self.served[shown - 1] + 1) if shown else None

    def _known(self) -> Known:
        snoozed_until = None if self.snooze_until is None else seconds(self.snooze_until)
        return Known(self.memory, snoozed_until, self._last_call(), blind=self.plan.fails(METRICS, self.now))

    def _take_calls(self, until: int) -> None:
        """Calls before `until` find what there is now."""
        end = bisect_left(self.plan.calls, until, lo=self._call)
        if self.cloud.serves:
            self.served.extend(self.plan.calls[self._call : end])
        else:
            self.met += end - self._call
        self._call = end

    def _note_service(self, *, ended: bool = False) -> None:
        serves = self.cloud.serves and not ended
        if serves and self._in_service_since is None:
            self._in_service_since = self.now
        elif not serves and self._in_service_since is not None:
            self.services.append((self._in_service_since, self.now))
            self._in_service_since = None

    def _note_ends(self) -> None:
        first, second = (minute_of(self.cloud.parameters[name]) for name in ("TurnOffAt", "DeleteAt"))
        if first is not None and second is not None and (first, second) not in [entry[1:] for entry in self.ends[-1:]]:
            self.ends.append((self.now, first, second))

    def _next_tick(self) -> int:
        return self.now - self.now % TICK_MINUTES + TICK_MINUTES

    def _next(self, until: int, *, skip: bool) -> int:
        """The next minute in which something can happen."""
        now, plan = self.now, self.plan
        if self.executions.running or not self.cloud.is_quiet:
            return now + 1
        moments = [until, *(minute for minute, _ in plan.asks[self._asked : self._asked + 1])]
        moments += self._turns[bisect_right(self._turns, now) :][:1]
        if self.cloud.endpoint is None and self.setup.wakes_on_call:
            later = bisect_right(plan.calls, now, lo=self._call)
            moments += plan.calls[later : later + 1]
        if self.cloud.endpoint is not None or not skip:
            moments.append(self._next_tick())
            moments += [end for name in ("TurnOffAt", "DeleteAt") if (end := minute_of(self.cloud.parameters[name]))]
        return max(now + 1, min(moment for moment in moments if moment > now))
