"""The evaluation as one HTML page that loads nothing. Whatever a model or a dataset says is shown, never obeyed."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from training import plot

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 1100px; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 }
th, td { border: 1px solid #ddd; padding: .4rem .6rem; text-align: left; vertical-align: top }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; font: 13px/1.4 ui-monospace, monospace }
svg { max-width: 100%; height: auto; font-size: 12px } .passed { background: #e9f6ec } .failed { background: #fbeceb }
"""


def page(evaluation: Mapping[str, Any], epochs: Sequence[Mapping[str, Any]]) -> str:
    """`evaluation` as evaluation.json holds it; `epochs` as training.json does, empty where they are not known."""
    parts = [_numbers(evaluation), *_plots(evaluation, epochs), _answers(evaluation["prompts"])]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Evaluation</title>'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<style>{STYLE}</style></head><body><h1>Base and tuned model</h1>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _numbers(evaluation: Mapping[str, Any]) -> str:
    base, tuned, count = evaluation["base"], evaluation["tuned"], len(evaluation["prompts"])
    compared, examples = evaluation["examples_compared"], evaluation["examples"]
    of = f"{evaluation['rows']} validation rows" if compared == examples else f"{compared} of {examples} examples"
    rows = [
        (f"Loss over {of}", *(_number(one["eval_loss"]) for one in (base, tuned))),
        ("Perplexity", *(_number(one["perplexity"]) for one in (base, tuned))),
        ("Prompts passed", *(f"{one['prompts_passed']} of {count}" for one in (base, tuned))),
    ]
    body = "".join(f"<tr><th>{escape(name)}</th><td>{one}</td><td>{other}</td></tr>" for name, one, other in rows)
    better = evaluation["improvement"]
    verdict = (
        ""
        if better is None
        else f"<p>The tuned model's loss is {abs(better):.1%} {'lower' if better >= 0 else 'higher'}.</p>"
    )
    return f"<table><tr><th></th><th>base</th><th>tuned</th></tr>{body}</table>{verdict}"


def _plots(evaluation: Mapping[str, Any], epochs: Sequence[Mapping[str, Any]]) -> list[str]:
    plots = []
    if epochs:
        series = {
            name: [(float(one["epoch"]), one[key]) for one in epochs if one[key] is not None]
            for name, key in (("training", "train_loss"), ("validation", "eval_loss"))
        }
        plots.append(plot.lines("Loss by epoch", "epoch", series))
    sides = ("base", "tuned")
    if evaluation["base"]["eval_loss"] is not None:
        plots.append(plot.bars("Validation loss", {side: evaluation[side]["eval_loss"] for side in sides}))
    if evaluation["prompts"]:
        plots.append(plot.bars("Prompts passed", {side: evaluation[side]["prompts_passed"] for side in sides}))
    return plots


def _answers(prompts: Sequence[Mapping[str, Any]]) -> str:
    if not prompts:
        return "<p>No prompts were given.</p>"
    rows = "".join(
        f"<tr><td><pre>{escape(one['prompt'])}</pre></td><td><pre>{escape(_wanted(one))}</pre></td>"
        + "".join(_answer(one[side], passed=one[f"{side}_passed"]) for side in ("base", "tuned"))
        + "</tr>"
        for one in prompts
    )
    return f"<h2>Answers</h2><table><tr><th>prompt</th><th>wanted</th><th>base</th><th>tuned</th></tr>{rows}</table>"


def _answer(text: str, *, passed: bool) -> str:
    name = "passed" if passed else "failed"
    return f'<td class="{name}"><pre>{escape(text)}</pre><small>{name}</small></td>'


def _wanted(prompt: Mapping[str, Any]) -> str:
    return str(prompt["label"]) if "label" in prompt else "\n".join(prompt["expected"])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
