"""Plots as SVG, readable on light and dark pages."""

import re
from collections.abc import Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any

from styleflax.evaluation.report.catalogue import (
    GRAM_NETWORKS,
    describe_metric,
    network_title,
)
from styleflax.evaluation.report.frontier import content_error
from styleflax.evaluation.report.summary import Mean, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


GRAY = "#858585"
"""A gray with equal contrast to white and black."""

INK = "#0a0b0c"
"""Placeholder of the page's text color, which matplotlib cannot name."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text, in the page's own font
    "svg.hashsalt": "styleflax",  # the same numbers give the same file
    "text.parse_math": False,  # a dollar sign in a name is no formula
    "font.size": 9,
    "font.family": "sans-serif",
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRAY,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.6,
}


def style_context() -> Any:
    """Returns a context manager that sets matplotlib's style for a page."""
    from matplotlib import rc_context  # noqa: PLC0415  (an extra)

    return rc_context(_STYLE)


def new_figure(width: float, height: float) -> "Figure":
    """Returns an empty figure (sides in inches) whose layout fits its texts."""
    from matplotlib.figure import Figure  # noqa: PLC0415  (an extra)

    return Figure(figsize=(width, height), layout="constrained")


def draw_legend(figure: "Figure") -> None:
    """Adds a legend for all panels below the figure, each label once."""
    handles: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=min(len(handles), 5),
    )


def to_svg(figure: "Figure", name: str, title: str) -> str:
    """Returns the figure as an SVG element whose ids are prefixed with the name."""
    text = StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(text, format="svg", metadata=nothing)
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    # HTML needs no namespaces, and two plots of a page must not share ids.
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(?:xlink:)?href="#', f'href="#{name}-', svg)
    svg = svg.replace("url(#", f"url(#{name}-")
    # Style rules would apply to the whole page, and the page chooses the size.
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    box = re.search(r'viewBox="[^"]*"', svg)
    head = f'<svg role="img" aria-label="{title}" {box[0] if box else ""}>'
    return head + svg[svg.index(">") + 1 :]


# Colors of medium lightness have contrast to white and black. Most color-blind
# readers can distinguish them, and all can distinguish the markers.
_COLORS = (
    "#3b7dd8",
    "#d9662b",
    "#2f9e77",
    "#b35fb5",
    "#b8912a",
    "#d14d6b",
    "#4aa3b8",
    "#8a7a66",
)
_MARKERS = "osD^vPXh"
_BASELINE_MARKERS = {"content": "*", "style": "P", "coral": "X"}
_BASELINE_HATCHES = {"content": "///", "style": "...", "coral": "xxx"}


def style_against_content(summaries: Sequence[Summary]) -> str | None:
    """Returns the plot of style error over content error, one panel per network.

    Each system is a curve over its strengths; baselines are labeled points.

    Returns:
        An `<svg>` element; None if either error is missing.
    """
    lpips = content_error(summaries)
    grams = _present([f"gram_{network}" for network in GRAM_NETWORKS], summaries)
    if lpips is None or not grams:
        return None
    with style_context():
        figure = new_figure(5.2 * len(grams), 4.2)
        panels = figure.subplots(1, len(grams), squeeze=False)[0]
        for axes, gram in zip(panels, grams, strict=True):
            _draw_curves(axes, summaries, lpips, gram)
        draw_legend(figure)
        return to_svg(figure, "frontier", "Style error against content error")


def layer_bars(summaries: Sequence[Summary]) -> str | None:
    """Returns the plot of Gram distances by layer, at each system's full strength.

    Returns:
        An `<svg>` element; None if no distance of a layer is known.
    """
    shown = strongest(summaries)
    layers = {
        network: [name for name in _names(shown) if name.startswith(f"gram_{network}_")]
        for network in GRAM_NETWORKS
    }
    layers = {network: names for network, names in layers.items() if names}
    if not layers:
        return None
    with style_context():
        figure = new_figure(5.2 * len(layers), 3.6)
        panels = figure.subplots(1, len(layers), squeeze=False)[0]
        for axes, (network, names) in zip(panels, layers.items(), strict=True):
            _draw_bars(axes, shown, names, f"gram_{network}_")
            axes.set_title(network_title(network))
        draw_legend(figure)
        return to_svg(figure, "layers", "Gram distance of each layer")


def strongest(summaries: Sequence[Summary]) -> list[Summary]:
    """Returns each curve's point of largest strength, and systems without strength."""
    last: dict[tuple[str, bool], Summary] = {}
    for summary in summaries:  # sorted by strength in `summarize`
        last[summary.curve, summary.is_baseline] = summary
    return list(last.values())


def _draw_curves(
    axes: "Axes", summaries: Sequence[Summary], lpips: str, gram: str
) -> None:
    colors = _assign(summaries)
    curves: dict[tuple[str, bool], list[Summary]] = {}
    for summary in summaries:
        if {lpips, gram} <= summary.values.keys():
            key = summary.curve, summary.is_baseline
            curves.setdefault(key, []).append(summary)
    for place, ((name, is_baseline), points) in enumerate(curves.items()):
        x = [point.values[lpips] for point in points]
        y = [point.values[gram] for point in points]
        color, marker = colors[name, is_baseline]
        axes.errorbar(
            [m.mean for m in x],
            [m.mean for m in y],
            xerr=_spread(x),
            yerr=_spread(y),
            color=color,
            marker=marker,
            markersize=9 if is_baseline else 5,
            linestyle="none" if is_baseline else "-",
            linewidth=1.6,
            elinewidth=0.6,
            label=_label(f"{name} (baseline)" if is_baseline else name),
        )
        _write_texts(axes, points, (x, y), color, below=place % 2 == 1)
    axes.set_xlabel(f"content error: {describe_metric(lpips).title} to content")
    axes.set_ylabel(f"style error: {describe_metric(gram).title}, relative")
    right, top = axes.get_xlim()[1], axes.get_ylim()[1]
    axes.set(xlim=(-0.03 * right, right), ylim=(-0.03 * top, top))
    axes.grid(visible=True)


def _write_texts(
    axes: "Axes",
    points: Sequence[Summary],
    means: tuple[Sequence[Mean], Sequence[Mean]],
    color: str,
    *,
    below: bool,
) -> None:
    """Writes strengths next to points, and names next to points without strength.

    Neighboring curves alternate between above and below, which avoids collisions.
    """
    for point, x, y in zip(points, *means, strict=True):
        named = point.is_baseline or point.strength is None
        low = below and not named
        axes.annotate(
            point.curve if named else f"{point.strength:g}",
            (x.mean, y.mean),
            xytext=(-5, -5) if low else (5, 5),
            textcoords="offset points",
            ha="right" if low else "left",
            va="top" if low else "bottom",
            fontsize=8,
            color=INK if point.is_baseline else color,
        )


def _draw_bars(
    axes: "Axes", summaries: Sequence[Summary], names: Sequence[str], prefix: str
) -> None:
    colors = _assign(summaries)
    width = 0.84 / len(summaries)
    for i, summary in enumerate(summaries):
        found = [
            (place, summary.values[name])
            for place, name in enumerate(names)
            if name in summary.values
        ]
        if not found:
            continue
        means = [mean for _, mean in found]
        axes.bar(
            [place - 0.42 + (i + 0.5) * width for place, _ in found],
            [mean.mean for mean in means],
            width * 0.92,
            yerr=_spread(means),
            color=colors[summary.curve, summary.is_baseline][0],
            hatch=_BASELINE_HATCHES[summary.curve] if summary.is_baseline else None,
            edgecolor=INK if summary.is_baseline else "none",
            linewidth=0.4,
            error_kw={"elinewidth": 0.6, "ecolor": INK},
            label=_label(summary.label),
        )
    axes.set_xticks(range(len(names)), [name.removeprefix(prefix) for name in names])
    axes.set_ylabel("relative Gram distance")
    axes.grid(visible=True, axis="y")


def _assign(summaries: Sequence[Summary]) -> dict[tuple[str, bool], tuple[str, str]]:
    """Returns color and marker of each curve, by (curve, is_baseline)."""
    found: dict[tuple[str, bool], tuple[str, str]] = {}
    for summary in summaries:
        key = summary.curve, summary.is_baseline
        if key in found:
            continue
        if summary.is_baseline:
            found[key] = GRAY, _BASELINE_MARKERS[summary.curve]
        else:
            place = len(found)  # baselines come last
            found[key] = (
                _COLORS[place % len(_COLORS)],
                _MARKERS[(place + place // len(_COLORS)) % len(_MARKERS)],
            )
    return found


def _names(summaries: Sequence[Summary]) -> list[str]:
    return sorted({name for summary in summaries for name in summary.values})


def _present(names: Sequence[str], summaries: Sequence[Summary]) -> list[str]:
    return [name for name in names if name in _names(summaries)]


def _spread(means: Sequence[Mean]) -> list[list[float]]:
    """Returns the distances of the intervals' lower and upper ends from the means."""
    # By rounding, the mean of equal values can lie slightly outside of its interval.
    return [
        [max(m.mean - m.low, 0.0) for m in means],
        [max(m.high - m.mean, 0.0) for m in means],
    ]


def _label(name: str) -> str:
    """Returns a label that legends show even if the name begins with an underscore."""
    return f"\u200b{name}" if name.startswith("_") else name
