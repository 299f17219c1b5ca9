"""What the pages behind the links in mails have in common. Looking at one changes nothing, as mail scanners follow
links: its buttons post the link's token, which is good once.
"""

from datetime import datetime
from html import escape

from common.link_token import BadTokenError, LinkToken, Purpose, verified

from proxy.errors import LinkExpired, LinkRefused, Problem

HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",  # the address holds the token
    "X-Content-Type-Options": "nosniff",
}

_FRAME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="robots" content="noindex"><title>Pilotlight</title>
<style>body{{font:1.1rem/1.5 sans-serif;max-width:34rem;margin:4rem auto;padding:0 1rem}}button{{font:inherit}}</style>
</head><body>{inside}</body></html>
"""


def good(text: str, key: bytes | None, purpose: Purpose, *, now: datetime, instead: str, expired: str) -> LinkToken:
    """The token of a link that may still do what it was made for; what it is about is the caller's to look at.

    `key` is None before the first mail. `instead` is a command that does the same, `expired` what to say of a link that
    is too old. Raises LinkRefused, LinkExpired.
    """
    try:
        if key is None:
            raise BadTokenError("No token was ever made here.")
        token = verified(text, key, purpose)
    except BadTokenError as exc:
        raise LinkRefused(
            "This link is not from a mail of this stage, is for something else, or was cut. Copy the whole link, or "
            f"use `{instead}`."
        ) from exc
    if now.timestamp() >= token.expires_at:
        raise LinkExpired(f"This link has expired. {expired}")
    return token


def button(words: str, token: str, **fields: str) -> str:
    """A form of one button, which posts the link's token and these fields."""
    posted = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in {"token": token, **fields}.items()
    )
    return f'<form method="post">{posted}<p><button>{escape(words)}</button></p></form>'


def page(*sentences: str, buttons: str = "") -> str:
    return _FRAME.format(inside="".join(f"<p>{escape(sentence)}</p>" for sentence in sentences) + buttons)


def refused(problem: Problem) -> str:
    return page(problem.message)
