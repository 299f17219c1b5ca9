"""What a person is told of a sweep, and whether. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sweep.decision import Resource


def unconfirmed(emails: Iterable[str], subscriptions: Iterable[Mapping[str, Any]]) -> list[str]:
    """The configured addresses that no mail reaches. SNS forgets a subscription that nobody confirms in time."""
    confirmed = {s["Endpoint"].lower() for s in subscriptions if s["SubscriptionArn"].startswith("arn:")}
    return [email for email in emails if email.lower() not in confirmed]


def findings(orphans: Sequence[Resource], silent: Sequence[str], configured: int, stage: str) -> list[str]:
    """A sentence for each matter that a person must see to; no addresses in them, as callers of the API read them."""
    said = []
    if orphans:
        said.append(
            f"No stack owns {listed(orphans)}, which carry the tag of stage {stage}: {price(orphans)}. "
            f"`pilot sweep --stage {stage}` lists them, and removes them with --delete."
        )
    if silent:
        said.append(
            f"{len(silent)} of the {configured} addresses under `notify` get no mail: nobody has confirmed the "
            f"subscription. Follow the link that AWS sent; where it is lost or too old (three days), send another: "
            "SNS, topic, subscription, request confirmation, or remove the address, deploy, add it and deploy again."
        )
    return said


def is_due(orphans: Iterable[Resource], said: Collection[str], before: object) -> bool:
    """What bills is told every day; what costs nothing, once: `before` is what the last sweep said."""
    return bool(said) and (any(resource.usd_per_hour != 0 for resource in orphans) or list(said) != before)


def listed(orphans: Iterable[Resource]) -> str:
    return ", ".join(f"the {resource.kind} {resource.name}" for resource in orphans)


def price(orphans: Iterable[Resource]) -> str:
    prices = [resource.usd_per_hour for resource in orphans]
    known = sum(usd for usd in prices if usd is not None)
    if None in prices:
        return f"USD {known:.2f} an hour, and one whose price is not known" if known else "at a price that is not known"
    return f"USD {known:.2f} an hour" if known else "they cost nothing"
