"""One step of the state machine: whose turn it is, observe, decide, act, answer.

An answer is {"next": "wait" | "done" | "failed", "wait_seconds", "memory", "message", "result"}. `result` is null
until the end; then it is what the execution hands to whoever started it: {"outcome", "message", "before"}, with
`before` the overrides that were in force when it began ("" means as configured), null where they are not known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from common import describe

from switch import bill, books, gate, lease, receipt
from switch.act import act
from switch.changes import OVERRIDES
from switch.clients import Clients
from switch.decide import decide, remembered, turn_beside
from switch.decision import LAST_POLL_SECONDS, Case, Decision, Finish, Outcome, Tell, Update, Wait
from switch.errors import TransientError, told_apart
from switch.facts import Facts
from switch.lease import Turn
from switch.memory import Memory
from switch.observe import observe
from switch.request import BadRequest, Request, Target
from switch.settings import Settings

Answer = dict[str, Any]

# About half an hour of an AWS that does not answer.
MOST_TRANSIENTS = 35

_LEFT_TO_OTHERS = {
    Turn.JOINED: (Outcome.JOINED, "{} is at it already."),
    Turn.SUPERSEDED: (Outcome.SUPERSEDED, "A newer request, {}, took over."),
    Turn.YIELDED: (Outcome.NOT_IDLE, "It is not idle any more: {} turns it on."),
}


@dataclass(frozen=True)
class Switch:
    """The steps of every execution, one after the other."""

    clients: Clients
    settings: Settings

    def step(self, event: Mapping[str, Any]) -> Answer:
        """Raises what is neither the request's fault nor AWS's passing one; TransientError where that lasts."""
        now = datetime.fromisoformat(event["now"]).timestamp()
        try:
            types = () if self.settings.instance_pools else self.settings.instance_types
            request = Request.parse(event["request"], instance_types=types)
        except BadRequest as problem:
            return self._tell(event, now, f"The switch was started with a bad input. {problem}")
        if "failure" in event:
            return self._tell(event, now, _broke(event["failure"]))
        memory = Memory.from_data(event.get("memory"))
        try:
            with told_apart():
                return self._take_turn(request, memory, event["execution"], now)
        except TransientError as error:
            if memory.transients >= MOST_TRANSIENTS:
                raise
            waiting = replace(memory, transients=memory.transients + 1)
            return _wait(min(60, 2 ** min(memory.transients, 6)), waiting, f"AWS: {error}")

    def _take_turn(self, request: Request, memory: Memory, execution: str, now: float) -> Answer:
        held, version = self.clients.ledger.entry("switch", "lease")
        runs = lease.needs_holder(held, memory, execution) and self._runs(_holder(held))
        turn = lease.turn(held, request, memory, execution=execution, now=now, holder_runs=runs)
        if turn in _LEFT_TO_OTHERS:
            outcome, message = _LEFT_TO_OTHERS[turn]
            return _done(outcome, memory, message.format(_holder(held)))
        if turn is Turn.WAIT:
            return _wait(LAST_POLL_SECONDS, memory, f"{_holder(held)} comes first.")
        if turn is Turn.MINE:
            memory = lease.held(held or {}, memory)
        else:
            books.set_budget(self.clients, request, now)
        facts = observe(self.clients, self.settings, request, memory, now)
        if turn is Turn.BESIDE:
            turn = turn_beside(decide(request, facts, memory, now, self.settings))
        if turn is Turn.WAIT:
            return _wait(LAST_POLL_SECONDS, memory, f"{_holder(held)} lights it, and comes first.")
        if turn is Turn.CLAIM:
            memory = remembered(lease.claimed(held, memory, request, ran=runs), facts, now, self.settings)
            if not self._claim(request, memory, execution, now, version):
                return _wait(1, Memory(), "Another execution was faster: whose turn is it now?")
        elif turn is Turn.MINE and not self._note_bill(held or {}, version, memory, facts, now):
            return _wait(1, memory, "The lease was written to meanwhile: whose turn is it now?")
        return self._go_on(Case(request, facts, memory, now, self.settings), execution)

    def _runs(self, execution: str) -> bool:
        return describe.execution_status(self.clients.stepfunctions, execution) == "RUNNING"

    def _note_bill(self, held: lease.Lease, version: int, memory: Memory, facts: Facts, now: float) -> bool:
        """An endpoint that came, went, or has another price is told by the lease, as a holder that is superseded or
        killed writes no receipt. False where the lease is another's by now.
        """
        after = remembered(memory, facts, now, self.settings)
        if not bill.tells_more(after.bill, memory.bill):
            return True
        return self.clients.ledger.put_if("switch", "lease", lease.billed(held, after), version=version)

    def _claim(self, request: Request, memory: Memory, execution: str, now: float, version: int) -> bool:
        hours = self.settings.default_hours
        entry = lease.entry(request, memory, execution=execution, now=now, lifetime_hours=hours)
        return self.clients.ledger.put_if("switch", "lease", entry, version=version)

    def _go_on(self, case: Case, execution: str) -> Answer:
        decision = decide(case.request, case.facts, case.memory, case.now, self.settings)
        decision = replace(decision, memory=replace(decision.memory, transients=0))
        match decision.action:
            case Finish(outcome=outcome):
                if gate.is_unwatched(case):
                    books.watch(self.clients, self.settings)
                books.close(self.clients, replace(case, memory=decision.memory), outcome, decision.message)
                books.release(self.clients, execution, case.now)
                return _done(outcome, decision.memory, decision.message)
            case Tell():
                told = receipt.receipt(replace(case, memory=decision.memory), Outcome.WAITING, decision.message)
                books.tell(self.clients, self.settings, told)
                return _wait(case.poll_seconds, decision.memory, decision.message)
            case Wait(seconds=seconds):
                return _wait(seconds, decision.memory, decision.message)
        return self._act(case, decision)

    def _act(self, case: Case, decision: Decision) -> Answer:
        if isinstance(decision.action, Update) and decision.action.changes.get("EndpointState") == "on":
            books.await_meter(self.clients, case)
        memory = act(self.clients, self.settings, decision, case.facts.stack, case.memory)
        return _wait(replace(case, memory=memory).poll_seconds, memory, decision.message)

    def _tell(self, event: Mapping[str, Any], now: float, message: str) -> Answer:
        """The last step of an execution that cannot go on: nothing is read, as that may be what fails."""
        given = event["request"] if isinstance(event["request"], Mapping) else {}
        target: Target = "on" if given.get("target") == "on" else "off"
        request = Request(target, str(given.get("reason", "unsaid")), str(given.get("by", "unsaid")))
        memory = Memory.from_data(event.get("memory"))
        case = Case(request, Facts(stack=None, endpoint=None), memory, now, self.settings)
        message = (
            f"{message} The endpoint may be on, and COST MONEY: look with `pilot status`, try `pilot {target}` again."
        )
        told = receipt.receipt(case, Outcome.FAILED, message)
        books.tell(self.clients, self.settings, told)
        books.keep(self.clients, told)
        books.release(self.clients, event["execution"], now)
        return _done(Outcome.FAILED, memory, message)


def _holder(lease: Mapping[str, Any] | None) -> str:
    return str((lease or {})["execution"])


def _broke(failure: Mapping[str, Any]) -> str:
    """From what Step Functions' Catch leaves."""
    return f"The switch broke off: {failure.get('Error', 'an error')}, {str(failure.get('Cause', 'no cause'))[:500]}."


def _wait(seconds: int, memory: Memory, message: str) -> Answer:
    return _answer("wait", memory, message, wait_seconds=seconds)


def _done(outcome: Outcome, memory: Memory, message: str) -> Answer:
    before = None if memory.before is None else {name: memory.before[name] for name in OVERRIDES}
    result = {"outcome": str(outcome), "message": message, "before": before}
    return _answer("failed" if outcome is Outcome.FAILED else "done", memory, message, result=result)


def _answer(
    step: str, memory: Memory, message: str, *, wait_seconds: int = 0, result: Mapping[str, Any] | None = None
) -> Answer:
    return {
        "next": step,
        "wait_seconds": wait_seconds,
        "memory": memory.to_data(),
        "message": message,
        "result": result,
    }
