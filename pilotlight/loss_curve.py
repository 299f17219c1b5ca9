"""A run's losses, for a terminal and as a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Series = Mapping[str, Sequence[Sequence[float]]]
"""By name, points of (epoch, value)."""


@dataclass(frozen=True)
class LossCurve:
    """The losses of the run that is called `title`; drawing libraries are imported by whoever draws."""

    title: str
    series: Series

    def text(self, width: int = 72, height: int = 16) -> str:
        """For a terminal, without colours; empty where there is nothing to draw."""
        if not any(self.series.values()):
            return ""
        import plotext  # noqa: PLC0415  most commands draw nothing

        plotext.clear_figure()
        plotext.plotsize(width, height)
        plotext.theme("clear")
        for (name, points), marker in zip(self.series.items(), "ox+*", strict=False):
            if points:
                epochs, values = zip(*points, strict=True)
                plotext.plot(list(epochs), list(values), label=f"{marker} {name.replace('_', ' ')}", marker=marker)
        plotext.xlabel("epoch")
        return str(plotext.uncolorize(plotext.build()))

    def png(self, path: Path) -> None:
        """Raises OSError where it cannot be written."""
        from matplotlib.figure import Figure  # noqa: PLC0415  a second to import

        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        for name, points in self.series.items():
            if points:
                epochs, values = zip(*points, strict=True)
                axes.plot(epochs, values, marker="o", label=name.replace("_", " "))
        axes.set(title=self.title, xlabel="epoch", ylabel="loss")
        if self.series:
            axes.legend()
        figure.savefig(path, format="png", dpi=150)
