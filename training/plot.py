"""Plots as inline SVG: lines and bars, and nothing that a page would have to load."""

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 460, 220
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 28, 34
COLOURS = ("#8a8f98", "#d9730d", "#2f6fdd")

Points = Sequence[tuple[float, float]]


def lines(title: str, x_label: str, series: Mapping[str, Points]) -> str:
    """One line for each of the `series`, over a common scale that begins at zero. Empty series are left out."""
    drawn = {name: points for name, points in series.items() if points}
    xs = [x for points in drawn.values() for x, _ in points]
    top = max((y for points in drawn.values() for _, y in points), default=0.0) or 1.0
    first, last = min(xs, default=0.0), max(xs, default=1.0)

    def place(x: float, y: float) -> tuple[float, float]:
        share = 0.5 if last == first else (x - first) / (last - first)
        return LEFT + share * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)

    shapes = []
    for (name, points), colour in zip(drawn.items(), COLOURS[1:], strict=False):
        spots = [place(x, y) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        shapes.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        shapes += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in spots]
        shapes.append(_text(spots[-1][0], spots[-1][1] - 7, name, colour=colour, anchor="end"))
    ticks = [_text(place(x, 0)[0], HEIGHT - BOTTOM + 14, f"{x:g}", anchor="middle") for x in sorted({first, last})]
    ticks.append(_text(WIDTH / 2, HEIGHT - 4, x_label, anchor="middle"))
    return _svg(title, top, [*shapes, *ticks])


def bars(title: str, values: Mapping[str, float]) -> str:
    """One bar a value, with its number; they begin at zero."""
    top = max(values.values(), default=0.0) or 1.0
    each = (WIDTH - LEFT - RIGHT) / max(1, len(values))
    shapes = []
    for index, ((name, value), colour) in enumerate(zip(values.items(), COLOURS, strict=False)):
        height = value / top * (HEIGHT - TOP - BOTTOM)
        x, y = LEFT + each * (index + 0.25), HEIGHT - BOTTOM - height
        shapes.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{each / 2:.1f}" height="{height:.1f}" fill="{colour}"/>')
        shapes.append(_text(x + each / 4, y - 5, f"{value:.4g}", anchor="middle"))
        shapes.append(_text(x + each / 4, HEIGHT - BOTTOM + 16, name, anchor="middle"))
    return _svg(title, top, shapes)


def _svg(title: str, top: float, shapes: Sequence[str]) -> str:
    axes = (
        f'<line x1="{LEFT}" y1="{HEIGHT - BOTTOM}" x2="{WIDTH - RIGHT}" y2="{HEIGHT - BOTTOM}" stroke="#999"/>',
        f'<line x1="{LEFT}" y1="{TOP}" x2="{LEFT}" y2="{HEIGHT - BOTTOM}" stroke="#999"/>',
        _text(LEFT - 6, HEIGHT - BOTTOM + 4, "0", anchor="end"),
        _text(LEFT - 6, TOP + 4, f"{top:.3g}", anchor="end"),
        _text(LEFT, 12, title),
    )
    return (
        f'<svg role="img" aria-label="{escape(title)}" width="{WIDTH}" height="{HEIGHT}"'
        f' viewBox="0 0 {WIDTH} {HEIGHT}">' + "".join([*axes, *shapes]) + "</svg>"
    )


def _text(x: float, y: float, text: str, *, colour: str = "#444", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{escape(text)}</text>'
