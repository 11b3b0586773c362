"""Figures of matplotlib as elements of a page that is read in light and in dark."""

import re
from io import StringIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GREY = "#858585"
"""Stands out of white and of black alike."""

INK = "#0a0b0c"
"""The page's own text colour, whatever it is; matplotlib has no name for it."""

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
    "grid.color": GREY,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.6,
}


def style_context() -> Any:
    """Returns a context in which figures are drawn for a page."""
    from matplotlib import rc_context  # noqa: PLC0415  (an extra)

    return rc_context(_STYLE)


def new_figure(width: float, height: float) -> "Figure":
    """Returns an empty figure, sides in inches, that makes room for its texts."""
    from matplotlib.figure import Figure  # noqa: PLC0415  (an extra)

    return Figure(figsize=(width, height), layout="constrained")


def draw_legend(figure: "Figure") -> None:
    """Adds one legend below for all panels, each label once."""
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
    """Returns the figure as an element of a page, its ids begun with the name."""
    text = StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(text, format="svg", metadata=nothing)
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    # A page needs no namespaces, and two plots on it must not share an id.
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(?:xlink:)?href="#', f'href="#{name}-', svg)
    svg = svg.replace("url(#", f"url(#{name}-")
    # Its rules would hold for the whole page, and its size is the page's to choose.
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    box = re.search(r'viewBox="[^"]*"', svg)
    head = f'<svg role="img" aria-label="{title}" {box[0] if box else ""}>'
    return head + svg[svg.index(">") + 1 :]
