"""How `pilot` speaks: results on stdout, everything else on stderr, and no question where nobody sits."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

out = Console()
err = Console(stderr=True)

Report = Callable[[str], None]
"""Hears what is being done now, in a short phrase."""


class Refused(Exception):
    """The command cannot do what was asked; the message says what to do."""


def confirm(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused(f"{question} Nobody is there to answer: add --yes.")
    typer.confirm(question, abort=True, err=True)


@contextmanager
def progress(estimate_seconds: float | None = None) -> Iterator[Report]:
    """A bar on the terminal's stderr that says what is being done; its value is the function to tell.

    With an estimate the bar fills as that time passes; beyond it the bar only shows that something goes on.
    """
    columns = [TextColumn("{task.description}"), BarColumn(bar_width=24, pulse_style="yellow"), TimeElapsedColumn()]
    if estimate_seconds is not None:
        columns.append(TextColumn(f"of about {estimate_seconds:.0f} s"))
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("…", total=estimate_seconds)

        def report(phrase: str) -> None:
            elapsed = bar.tasks[0].elapsed or 0.0
            if estimate_seconds is not None and elapsed < estimate_seconds:
                bar.update(task, description=phrase, completed=elapsed)
            else:
                bar.tasks[0].total = None
                bar.update(task, description=phrase)

        yield report


def table(rows: dict[str, str]) -> Table:
    made = Table(show_header=False, box=None, pad_edge=False)
    made.add_column(style="dim")
    made.add_column(overflow="fold")
    for key, value in rows.items():
        made.add_row(key.replace("_", " "), escape(value))
    return made


def grid(columns: Iterable[str], rows: Iterable[Iterable[object]], *, title: str | None = None) -> Table:
    """A table with a heading for each column; what is None is a dash."""
    made = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(escape(describe(value)) for value in row))
    return made


def describe(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("message") or value)
    if isinstance(value, list):
        return " ".join(str(item) for item in value) or "–"
    return "–" if value is None else str(value)


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))
