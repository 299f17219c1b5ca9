"""What one execution carries from step to step. None of it is needed: without it, a step starts from what it sees."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from switch.bill import Bill


@dataclass(frozen=True)
class Memory:
    """Times are epoch seconds.

    started_at       the first step
    holding          the lease was ours
    told_of_waiting  a person knows that somebody's update holds it up
    rival            the lease was taken from an execution of the other target, whose last step may still be under way
    changed          a receipt is due: something was done, or found half done
    extend           a later end is wanted although the request does not say so
    waiting_for, waiting_since   what is being waited for, so that each wait can have its limit
    deleting_since   since when the endpoint is Deleting
    sent, sent_at    the parameters of the last UpdateStack, until the stack shows them
    refused, undeleted   why the last update, and the last deletion, was refused; empty if it was not
    put_off_since    since when a pause in the calls is waited for
    off_since, settled_off_at, off_updates, deletes, deleted_at, reaffirmed, cancels, continues   the way to off
    attempt_at, attempt_type, replacing, ours   the present way to on; `replacing` an endpoint that serves meanwhile
    tried, without_quota, rounds, resume_at     the walk along the instance types
    asked_for        the stack's fingerprint at the first look
    before, reverted  the overrides to return to, with the fingerprint that they are for
    leaves           those that an off leaves, where it took over from an `on`; None: as they are
    relights, ends    how often it was turned off on the way to on, and the end that it had before
    failure, stays    why an `on` is being taken back, and whether the endpoint is left as it is
    swapping, lost    one model was turned off for another; why that one was given up, and the first is lit again
    transients        failures of AWS in a row
    """

    started_at: float | None = None
    holding: bool = False
    rival: bool = False
    changed: bool = False
    extend: bool = False
    waiting_for: str = ""
    waiting_since: float = 0.0
    told_of_waiting: bool = False
    deleting_since: float | None = None
    sent: Mapping[str, str] | None = None
    sent_at: float = 0.0
    refused: str = ""
    undeleted: str = ""
    put_off_since: float | None = None
    off_since: float | None = None
    settled_off_at: float | None = None
    off_updates: int = 0
    deletes: int = 0
    deleted_at: float | None = None
    reaffirmed: bool = False
    cancels: int = 0
    continues: int = 0
    attempt_at: float | None = None
    attempt_type: str = ""
    replacing: bool = False
    ours: bool = False
    tried: tuple[str, ...] = ()
    without_quota: tuple[str, ...] = ()
    rounds: int = 0
    resume_at: float | None = None
    asked_for: str | None = None
    before: Mapping[str, str] | None = None
    reverted: bool = False
    leaves: Mapping[str, str] | None = None
    relights: int = 0
    ends: Mapping[str, str] | None = None
    failure: str = ""
    stays: bool = False
    swapping: bool = False
    lost: str = ""
    transients: int = 0
    bill: Bill = ()

    @classmethod
    def from_data(cls, data: Mapping[str, Any] | None) -> "Memory":
        """From the state machine's `$.memory`; what it does not know is left out."""
        known = {field.name for field in fields(cls)}
        given = {name: value for name, value in (data or {}).items() if name in known}
        for name in ("tried", "without_quota", "bill"):
            if name in given:
                given[name] = tuple(given[name])
        return cls(**given)

    def to_data(self) -> dict[str, Any]:
        """As JSON, without what is as it was at the start."""
        fresh = asdict(Memory())
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if value != fresh[name]
        }
