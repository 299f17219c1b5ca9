"""A run of fine-tuning on the terminal: what it would cost, and what became of it."""

from collections.abc import Mapping
from datetime import UTC, datetime

from rich.markup import escape

from pilotlight.cli.terminal import err, grid, out, table
from pilotlight.finetune import Record
from pilotlight.loss_curve import LossCurve
from pilotlight.training_plan import Planned


def show_plan(plan: Planned) -> None:
    out.print(table(plan.rows), highlight=False)
    for warning in plan.warnings:
        err.print(f"[yellow]Warning:[/] {escape(warning)}", highlight=False)


def show(record: Record, links: Mapping[str, str]) -> None:
    rows = [
        (f"{datetime.fromtimestamp(step['at'], UTC):%H:%M:%S}", step["name"], step["message"])
        for step in record["steps"]
    ]
    out.print(grid(("at", "step", "what"), rows, title=f"Run {record['id']}: {record['status']}"), highlight=False)
    jobs = [
        (job["name"], job["kind"], job["instance_type"], job["status"], job["seconds"], job["usd"])
        for job in record["jobs"]
    ]
    if jobs:
        out.print(grid(("job", "for", "instance", "status", "seconds", "USD"), jobs, title="\nJobs"), highlight=False)
    problems = record.get("dataset", {}).get("problems", ())
    if problems:
        found = [(one["file"], one["line"], one["what"]) for one in problems]
        title = f"\nProblems: {len(found)} of {record['dataset']['problem_count']}"
        out.print(grid(("file", "line", "what"), found, title=title), highlight=False)
    if losses := record.get("losses"):
        out.print(LossCurve(record["id"], losses).text(), highlight=False, markup=False)
    places = {name: record[name] for name in ("artifact", "report", "package_arn") if record.get(name)}
    out.print(table({"spent": f"about USD {record['usd']:.2f}", **places}), highlight=False)
    for name, link in links.items():  # never folded: half an address opens nothing
        out.print(f"{name}: {link}", highlight=False, markup=False, soft_wrap=True)
