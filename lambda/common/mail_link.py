"""The link in a mail, to a page of the stage's own API that takes a signed token in the place of a key."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from common import describe
from common.describe import CloudFormationClient
from common.facts import iso
from common.ledger import Ledger
from common.link_token import KEY, LinkToken, Purpose, signed

RandomText = Callable[[int], str]
"""Takes a number of bytes, like `secrets.token_urlsafe`."""


@dataclass(frozen=True)
class MailLink:
    """`url` is None where the stage has no API that could serve the page, or for the reason in `problem`: a mail
    without its link is better than none.
    """

    url: str | None
    expires_at: float
    problem: str | None = None

    @property
    def paragraphs(self) -> list[str]:
        """What the mail says of it."""
        if self.url is None:
            return []
        until = iso(datetime.fromtimestamp(self.expires_at, UTC))
        return [
            f"Or open this page and press a button there:\n{self.url}",
            f"It works once, until {until}. Opening it changes nothing.",
        ]


def mail_link(
    purpose: Purpose,
    subject: str,
    expires_at: float,
    *,
    cloudformation: CloudFormationClient,
    api_stack_name: str,
    ledger: Ledger,
    random_text: RandomText,
) -> MailLink:
    """Good for this purpose, about this subject, until `expires_at` (epoch seconds). Raises nothing of AWS's."""
    try:
        stack = describe.stack(cloudformation, api_stack_name)
        api = stack.outputs.get("ApiUrl") if stack else None
        if not api:
            return MailLink(None, expires_at)
        key = ledger.key_for(KEY, lambda: random_text(32))
    except (ClientError, BotoCoreError) as error:
        return MailLink(None, expires_at, str(error))
    token = signed(LinkToken(purpose, subject, expires_at, random_text(12)), key)
    return MailLink(f"{api.rstrip('/')}/{purpose}?token={token}", expires_at)
