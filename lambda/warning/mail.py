"""What the warning says. Pure."""

from common.mail_link import MailLink

from warning.settings import Settings


def subject(settings: Settings) -> str:
    return f"Pilotlight {settings.stage}: nobody calls, off in {settings.warning_minutes} minutes"[:99]


def body(settings: Settings, link: MailLink) -> str:
    """Plain sentences."""
    idle = settings.idle_minutes - settings.warning_minutes
    said = (
        f"Nobody has called for {idle} minutes: in {settings.warning_minutes} the endpoint is turned off. "
        f"`pilot snooze 2h --stage {settings.stage}` keeps it on."
    )
    return "\n\n".join([said, *link.paragraphs])
