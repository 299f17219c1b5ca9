"""When an event of EventBridge says that it is: functions take their time from there."""

from datetime import UTC, datetime


def moment_of(event: object) -> float:
    """The event's `time` (ISO 8601, UTC unless it says otherwise) in epoch seconds. Raises ValueError."""
    time = event.get("time") if isinstance(event, dict) else None
    try:
        moment = datetime.fromisoformat(str(time))
    except ValueError:
        raise ValueError(
            f"The event's `time` is {time!r}; it must be a time as EventBridge sends it, like 2026-11-22T10:05:00Z."
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
