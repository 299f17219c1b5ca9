"""The API key that a request shows: in `x-api-key`, or in `Authorization` as a bearer token (RFC 6750).

What can be read in two ways is refused, as another layer may read it the other way. A refusal's text is one of the
sentences below and quotes nothing: it ends up in a gateway response, which puts it between quotation marks as it is,
and what the caller sent may be a key.
"""

import re
from collections.abc import Callable, Mapping

Event = Mapping[str, object]

LONGEST_KEY = 128  # API Gateway's own bound

# What RFC 6750 allows in a bearer token; a key that API Gateway makes is of letters and digits.
_KEY = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE | re.ASCII)

_HOW = "Send an API key as x-api-key: KEY or as Authorization: Bearer KEY; the Api stack's output ApiKeyId names one."
NO_KEY = f"This request has no API key. {_HOW}"
NO_HEADER = "This stage takes the API key in the header {header} only (key_header in pilotlight.toml): send it there."
TWICE = "The API key's header came more than once: send it once."
NOT_BEARER = f"The header Authorization must be the word Bearer, a space and an API key. {_HOW}"
NOT_A_KEY = (
    f"What was sent as the API key cannot be one: a key has at most {LONGEST_KEY} letters, digits and -._~+/=, "
    "without spaces."
)
DISAGREE = "The headers x-api-key and Authorization hold different API keys: send one of them."


class Refused(Exception):
    """The request shows no key, or none that can be trusted; `str()` is a sentence for the caller."""


def shown_key(event: Event, key_header: str) -> str:
    """The one key of a REQUEST authorizer's event. Raises Refused.

    `key_header` is "any" or the name of the one header that the answer is cached by. The other header may still be
    there, but must agree: its key would otherwise be let in under this header's name.
    """
    shown = {name: read(event) for name, read in _READERS.items()}
    keys = {key for key in shown.values() if key}
    if not keys:
        raise Refused(NO_KEY)
    if len(keys) > 1:
        raise Refused(DISAGREE)
    if key_header != "any" and not shown[key_header]:
        raise Refused(NO_HEADER.format(header=key_header))
    return keys.pop()


def _from_x_api_key(event: Event) -> str | None:
    value = _value(event, "x-api-key")
    return None if value is None else _checked(value)


def _from_authorization(event: Event) -> str | None:
    value = _value(event, "authorization")
    if value is None:
        return None
    bearer = _BEARER.fullmatch(value)
    if bearer is None:
        raise Refused(NOT_BEARER)
    return _checked(bearer[1])


_READERS: Mapping[str, Callable[[Event], str | None]] = {
    "x-api-key": _from_x_api_key,
    "authorization": _from_authorization,
}


def _value(event: Event, name: str) -> str | None:
    """The header's only value, None where it is missing or empty: an empty header says nothing."""
    found = [value for header, value in _headers(event) if header.lower() == name and value]
    if len(found) > 1:
        raise Refused(TWICE)
    return found[0] if found else None


def _headers(event: Event) -> list[tuple[str, str]]:
    """Every name and value. `headers` keeps the last of several values, `multiValueHeaders` all of them."""
    several = event.get("multiValueHeaders")
    if isinstance(several, Mapping):
        return [(str(name), str(value).strip(" \t")) for name, values in several.items() for value in values or ()]
    single = event.get("headers")
    if isinstance(single, Mapping):
        return [(str(name), str(value or "").strip(" \t")) for name, value in single.items()]
    return []


def _checked(key: str) -> str:
    if len(key) > LONGEST_KEY or not _KEY.fullmatch(key):
        raise Refused(NOT_A_KEY)
    return key
