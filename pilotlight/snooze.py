"""How long an idle endpoint is left on: what a person writes, and until when it holds. Pure."""

import re
from datetime import datetime, timedelta
from typing import Final

LONGEST: Final = timedelta(hours=24)
_WRITTEN: Final = re.compile(r"(?=\d)(?:(\d{1,4})h)?(?:(\d{1,4})m)?", re.IGNORECASE | re.ASCII)


class BadDuration(ValueError):
    """What was written is no duration that can be snoozed for; the message says what is."""


def duration(text: str) -> timedelta:
    """`2h`, `90m`, `1h30m`; `0` for none at all. Raises BadDuration."""
    written = text.strip()
    found = _WRITTEN.fullmatch(written)
    if written != "0" and (found is None or not any(found.groups())):
        raise BadDuration(f"{text!r} is no duration: write 2h, 90m or 1h30m, at most 24h; 0 ends a snooze.")
    hours, minutes = (int(part or 0) for part in found.groups()) if found else (0, 0)
    wanted = timedelta(hours=hours, minutes=minutes)
    if wanted > LONGEST:
        raise BadDuration(f"{text!r} is longer than a snooze may be: at most 24h. `pilot on --hours` moves the end.")
    return wanted


def until(now: datetime, wanted: timedelta, ends: datetime | None) -> datetime:
    """When the snooze is over. Never past `ends`, the hard stop's time: what ends then cannot be snoozed."""
    return min(now + wanted, ends) if ends else now + wanted
