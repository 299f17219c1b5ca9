"""What the warning says. Pure."""

from datetime import UTC, datetime

from common.facts import iso

from warning.settings import Settings


def subject(settings: Settings) -> str:
    return f"Pilotlight {settings.stage}: nobody calls, off in {settings.warning_minutes} minutes"[:99]


def body(settings: Settings, link: str | None, expires_at: float) -> str:
    """Plain sentences. `link` is None where there is no API that could serve it."""
    idle = settings.idle_minutes - settings.warning_minutes
    lines = [
        f"Nobody has called for {idle} minutes: in {settings.warning_minutes} the endpoint is turned off. "
        f"`pilot snooze 2h --stage {settings.stage}` keeps it on."
    ]
    if link:
        until = iso(datetime.fromtimestamp(expires_at, UTC))
        lines += [
            f"Or open this page and press its button:\n{link}",
            f"It works once, until {until}. Opening it changes nothing.",
        ]
    return "\n\n".join(lines)
