"""What a person should know about a choice that nothing forbids."""

from collections.abc import Iterator
from typing import Final

from pilotlight.choice import Choice
from pilotlight.prices import is_of_elsewhere, told, usd_per_hour
from pilotlight.stage import LONGEST_HOURS

_TOKENS: Final = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_CUT_IN_2025: Final = ("ml.p4", "ml.p5")


def warnings(choice: Choice) -> list[str]:
    """What a person should know about a choice that nothing forbids: whole sentences."""
    found = [choice.model.licence_notice] if choice.model.licence_notice else []
    found += _untested(choice)
    found += _overridden(choice)
    if choice.table.accept_eula and choice.model.eula_key is None:
        found.append(
            f"{choice.key('accept_eula')} = true has no effect: {choice.model.name} has no licence agreement to accept."
        )
    found += [
        f"{choice.key(f'environment.{name}')} stands in the endpoint stack's template and in SageMaker's description "
        "of the model, for everybody who may read those. Copy the model into a bucket instead: model_data_url."
        for name in _TOKENS
        if name in choice.table.environment
    ]
    if choice.table.api.log_prompts:
        found.append(
            f"{choice.key('api.log_prompts')} = true: what callers send is written to the proxy's log "
            "and kept there for a month. Whoever may read the log reads their prompts: tell them."
        )
    if choice.target == "aws":
        found += _pooled(choice)
        found += _prices(choice)
        if not choice.table.notify:
            found.append(_untold(choice))
        if choice.table.dashboard:
            found.append(
                f"{choice.key('dashboard')} = true: CloudWatch takes USD 3 a month for a dashboard beyond an account's "
                "first three, whether the endpoint is on or off."
            )
    return found


def _untested(choice: Choice) -> Iterator[str]:
    known = choice.model.known_instance_types
    for name in choice.instance_types:
        if known and name not in known:
            yield (
                f"{choice.key('instance_types')}: {choice.model.name} was not tested on {name} "
                f"(tested on {', '.join(known)}): not its start within the timeouts, "
                "not its memory while it generates, not its speed."
            )


def _overridden(choice: Choice) -> Iterator[str]:
    catalog = choice.model.environment_on(choice.instance_types[0])
    for name, value in choice.table.environment.items():
        if name in catalog and catalog[name] != value:
            yield (
                f"{choice.key(f'environment.{name}')} = {value!r} replaces {catalog[name]!r}, "
                f"which the catalog has for {choice.model.name}."
            )


def _held(choice: Choice) -> str:
    """What ends an endpoint whose dollars nobody can count."""
    table = choice.table
    held = [] if table.idle_minutes is None else [f"{table.idle_minutes} minutes without a call"]
    held += [] if table.lifetime_hours is None else [f"the lifetime of {table.lifetime_hours} hours"]
    held += ["a schedule"] if any(schedule.off for schedule in table.schedules) else []
    hard_stop = f"the hard stop{f' after {LONGEST_HOURS // 24} days' if table.lifetime_hours is None else ''}"
    return f"{', '.join(held)} or {hard_stop}" if held else hard_stop


def _untold(choice: Choice) -> str:
    budget = (
        "" if choice.table.monthly_budget_usd is None else ", and there is no AWS Budget that watches AWS's own count"
    )
    return (
        f"{choice.key('notify')} is empty: nobody hears of a warning, an off, or something broken that bills"
        f'{budget}. Write notify = ["you@example.com"].'
    )


def _pooled(choice: Choice) -> Iterator[str]:
    if choice.instance_pools and choice.table.instance_pools is None:
        yield (
            f"SageMaker itself takes the first of {', '.join(choice.instance_types)} that has capacity (instance "
            f"pools), and wants a quota for each of them. With {choice.key('instance_pools')} = false the switch tries "
            "one after the other."
        )


def _prices(choice: Choice) -> Iterator[str]:
    region, budgeted = str(choice.region), choice.table.monthly_budget_usd is not None
    refresh = f"`pilot prices refresh --region {region}` asks AWS."
    for name in choice.instance_types:
        usd = usd_per_hour(name)
        if usd is None:
            blind = " and monthly_budget_usd does not see its hours" if budgeted else ""
            yield (
                f"No price is known for {name}: cost figures leave it out{blind}. It is not free; what ends it is "
                f"{_held(choice)}. {refresh}"
            )
            continue
        elsewhere = ""
        if is_of_elsewhere(name, region):
            counted = ", by as much as monthly_budget_usd is then wrong" if budgeted else ""
            elsewhere = f"; {region} may differ{counted}: {refresh[0].lower()}{refresh[1:-1]}"
        cut = "; P4 and P5 were cut in 2025" if name.startswith(_CUT_IN_2025) and "files" in told(name) else ""
        yield f"{name} is counted at USD {usd} an hour, {told(name)}{elsewhere}{cut}."
