"""The plot in docs/costs.md: what a month costs against how many calls met a sleeping endpoint."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.policies import Result

_MARKERS = "osD^vPX*"


def write(results: Mapping[str, Mapping[str, Result]], days: int, path: Path) -> None:
    """One panel a kind of traffic, one mark a policy. The same results give the same file, byte for byte."""
    kinds = list(next(iter(results.values())))
    with mpl.rc_context({"svg.hashsalt": "pilotlight", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(12, 4), layout="constrained")
        panels = figure.subplots(1, len(kinds), sharey=True)
        for panel, kind in zip(panels, kinds, strict=True):
            for (policy, by_kind), marker in zip(results.items(), _MARKERS, strict=False):
                result = by_kind[kind]
                share = 100 * result.met / max(1, result.calls)
                panel.plot(share, result.usd / days * 30, marker, label=policy, markersize=7, alpha=0.8)
            panel.set(title=kind, yscale="log", xlim=(-5, 105))
            panel.grid(visible=True, alpha=0.3)
        panels[0].set_ylabel("USD in 30 days")
        panels[len(kinds) // 2].set_xlabel("% of calls that met a sleeping endpoint")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
        figure.savefig(path, metadata={"Date": None})
