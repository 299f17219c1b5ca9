"""Ten thousand simulated days under each policy: dollars, and calls that met a sleeping endpoint.

`python -m bench.lifecycle` writes its table into docs/costs.md, between its markers, and the plot beside it; and the
table of what a stage costs while it is off, which takes no simulation (`--days 0` writes that one alone).
"""

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from bench import plot
from bench.policies import POLICIES, Result
from bench.traffic import KINDS
from pilotlight import standing_costs
from pilotlight.standing_costs import STAGE, items

DOCS = Path(__file__).parents[1] / "docs"
Results = Mapping[str, Mapping[str, Result]]
"""By policy, then by kind of traffic."""


def play(days: int, seed: int) -> Results:
    """Every policy over the same calls, `days` of each kind."""
    traffic = {kind: list(calls(Random(f"{seed} {kind}"), days)) for kind, calls in KINDS.items()}
    return {policy: {kind: play(calls, days) for kind, calls in traffic.items()} for policy, play in POLICIES.items()}


def table(results: Results, days: int) -> str:
    """USD a month of 30 days and the share of calls that met a sleeping endpoint, as Markdown."""
    kinds = list(next(iter(results.values())))
    head = f"| policy | {' | '.join(kinds)} | all {days * len(kinds):,} days |"
    rows = [head, f"| --- |{' ---: |' * (len(kinds) + 1)}"]
    for policy, by_kind in results.items():
        months = days / 30
        cells = [f"{result.usd / months:,.0f}, {_share(result)}" for result in by_kind.values()]
        whole = Result(*(sum(column) for column in zip(*by_kind.values(), strict=True)))
        rows.append(f"| {policy} | {' | '.join(cells)} | **{whole.usd:,.0f}**, {_share(whole)} |")
    return "\n".join(rows)


def between(text: str, name: str, content: str) -> str:
    """The text with this content between its two markers."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"docs/costs.md lacks the marker `{end if found else begin}`: put the pair where it belongs.")
    return f"{before}{begin}\n{content}\n{end}{after}"


def _share(result: Result) -> str:
    return f"{100 * result.met / result.calls:.1f} %" if result.calls else "no calls"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=2000, help="simulated days of each kind of traffic")
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--docs", type=Path, default=DOCS, help="the folder of costs.md and costs.svg")
    given = parser.parse_args()
    page = given.docs / "costs.md"
    text = between(page.read_text(encoding="utf-8"), "standing", standing_costs.table(items(STAGE)))
    if given.days:
        results = play(given.days, given.seed)
        run = f"Run on {datetime.now(UTC).date()} with seed {given.seed}, {given.days:,} days of each kind."
        text = between(text, "policies", f"{run}\n\n{table(results, given.days)}")
        plot.write(results, given.days, given.docs / "costs.svg")
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
