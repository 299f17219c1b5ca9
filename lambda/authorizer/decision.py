"""Whether the key that a request shows may use the route: a pure decision, and the policy that says so.

Whether the key exists, is enabled and has requests left is API Gateway's to check, right after this and with every
call: the answer hands it the key as `usageIdentifierKey`.
"""

import hashlib
import hmac
from collections.abc import Callable, Collection
from dataclasses import dataclass

from authorizer.credentials import Event, Refused, shown_key

NEEDS_ADMIN_KEY = "This route changes something, so it takes the admin key; the Api stack's output AdminKeyId names it."


@dataclass(frozen=True)
class Decision:
    """`key` is None where nothing may be done with it, and `refusal` then says why."""

    key: str | None
    refusal: str | None


def decide(event: Event, *, key_header: str, open_routes: Collection[str], admin_key: Callable[[], str]) -> Decision:
    """What the caller may do.

    `open_routes` change nothing, like "POST /generate"; every other route takes the admin key, also one that nobody
    has thought of. `admin_key` is asked only then, and what it raises is passed on: nothing is decided without it.
    """
    try:
        key = shown_key(event, key_header)
    except Refused as refused:
        return Decision(key=None, refusal=str(refused))
    if route_of(event) in open_routes or hmac.compare_digest(key.encode(), admin_key().encode()):
        return Decision(key=key, refusal=None)
    return Decision(key=None, refusal=NEEDS_ADMIN_KEY)


def route_of(event: Event) -> str:
    """The route that API Gateway found, like "POST /endpoint". The path as it was sent has many spellings of it."""
    return f"{event.get('httpMethod')} {event.get('resource')}"


def answer(decision: Decision, method_arn: str) -> dict[str, object]:
    """The decision as API Gateway takes it from a REQUEST authorizer.

    The policy covers the whole stage, though the decision is about one route: where answers are cached, the route is
    part of the cache's key, and the path in `method_arn` may differ from call to call.
    """
    api, stage, *_ = method_arn.split("/")
    said: dict[str, object] = {
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Action": "execute-api:Invoke",
                    "Effect": "Deny" if decision.key is None else "Allow",
                    "Resource": f"{api}/{stage}/*",
                }
            ],
        },
    }
    if decision.key is None:
        return said | {"principalId": "nobody", "context": {"refusal": decision.refusal}}
    return said | {"principalId": caller_of(decision.key), "usageIdentifierKey": decision.key}


def caller_of(key: str) -> str:
    """What stands for the key where the key itself must not: in the proxy's event, as `authorizer.principalId`."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]
