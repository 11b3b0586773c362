"""An answer as text, table and figure."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Answer(NamedTuple):
    """What a claim's program has found.

    Attributes:
        claim: What the source says.
        budget: What every side got.
        tables: Rows of cells, the first being the head.
        sentences: The answer.
    """

    claim: str
    budget: str
    tables: Sequence[Sequence[Sequence[str]]]
    sentences: Sequence[str]


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table as text."""
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def write(answer: Answer, number: int, folder: Path) -> str:
    """Writes `claim_N.md` and `claim_N.json`; gives the text."""
    tables = "\n".join(markdown(table) for table in answer.tables)
    found = " ".join(answer.sentences)
    text = f"{answer.claim}\n\nBudget: {answer.budget}.\n\n{tables}\n{found}\n"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"claim_{number}.md").write_text(text, "utf-8")
    plain = json.dumps(answer._asdict(), indent=1)
    (folder / f"claim_{number}.json").write_text(plain + "\n", "utf-8")
    return text


def draw_curves(
    path: Path,
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    x: str = "step",
    smooth: float = 0.1,
) -> None:
    """Panels side by side, each with a line for every side.

    Lines are running means over a share `smooth` of their length.
    """
    figure, axes = _figure(len(panels))
    for axis, (title, lines) in zip(axes, panels.items(), strict=True):
        for name, values in lines.items():
            width = max(int(len(values) * smooth), 1)
            kernel = np.ones(width) / width
            means = np.convolve(values, kernel, "valid")
            axis.plot(np.arange(len(means)) + width - 1, means, label=name, lw=1.3)
        axis.set(xlabel=x, yscale="log")
        axis.set_title(title, fontsize=8)
    axes[0].legend(frameon=False, fontsize=7)
    _save(figure, path)


def draw_bars(
    path: Path,
    panels: Mapping[str, Mapping[str, tuple[float, float, float]]],
    scale: str = "linear",
) -> None:
    """Panels side by side with a bar for every side: mean, low and high end."""
    figure, axes = _figure(len(panels))
    for axis, (title, bars) in zip(axes, panels.items(), strict=True):
        for i, (mean, low, high) in enumerate(bars.values()):
            spread = [[max(mean - low, 0.0)], [max(high - mean, 0.0)]]
            axis.bar(i, mean, yerr=spread, capsize=3, width=0.65)
        axis.set_xticks(range(len(bars)), list(bars), rotation=25, ha="right")
        axis.set(title=title, yscale=scale)
    _save(figure, path)


def _figure(number: int):
    from matplotlib.figure import Figure  # noqa: PLC0415  (an extra)

    figure = Figure(figsize=(min(3.1 * number, 9.3), 2.6), layout="constrained")
    axes = figure.subplots(1, number, squeeze=False)[0]
    for axis in axes:
        axis.tick_params(which="both", labelsize=7)
        axis.title.set_fontsize(9)
        axis.xaxis.label.set_fontsize(8)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
