"""The terms of a training loss: plain names, and style losses with settings."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_NUMBER = re.compile(r"(?P<loss>.+)_(?P<name>offset|gamma)(?P<value>\d+(\.\d+)?)")


@dataclass(frozen=True)
class StyleTerm:
    """A style loss with settings of its own, as a key among a phase's `losses`.

        losses={"content": 1.0, StyleTerm("gram", layers=("relu3_1",)): 2.0}

    Its text is the term's name on the command line, in JSON and in metrics:
    `gram@relu3_1`, `mmd_gaussian_gamma2@relu3_1+relu4_1`.

    Attributes:
        loss: A name in `losses.registry.STYLE_LOSSES`, or `adversarial`.
        layers: Layers that are compared; () for the loss's or the method's own.
        offset: Offset of a polynomial kernel; None for the default of `losses.mmd`.
        gamma: Inverse bandwidth of a Gaussian kernel; None for the default.
    """

    loss: str
    layers: tuple[str, ...] = ()
    offset: float | None = None
    gamma: float | None = None

    def __str__(self) -> str:
        at = f"@{'+'.join(self.layers)}" if self.layers else ""
        return f"{self.unplaced()}{at}"

    def unplaced(self) -> str:
        """The name without layers, such as `mmd_gaussian_gamma2`."""
        numbers = {"offset": self.offset, "gamma": self.gamma}
        return self.loss + "".join(
            f"_{name}{_plain(value)}"
            for name, value in numbers.items()
            if value is not None
        )

    @classmethod
    def parse(cls, text: str) -> "StyleTerm":
        """The term of a text; a plain name gives one without settings."""
        name, at, layers = text.partition("@")
        placed = tuple(layers.split("+")) if at else ()
        if match := _NUMBER.fullmatch(name):
            return cls(match["loss"], placed, **{match["name"]: float(match["value"])})
        return cls(name, placed)


Term = str | StyleTerm
"""A plain name (`content`, `gram`), or a style loss with settings."""
Losses = Mapping[Term, float] | Mapping[str, float]
"""Weights by term; the second for those of plain names alone."""


def read_term(term: Term) -> Term:
    """The term with its settings as a record, which plain names do not need.

    >>> read_term("gram")
    'gram'
    >>> read_term("gram@relu3_1").layers
    ('relu3_1',)
    """
    if isinstance(term, StyleTerm):
        return term
    record = StyleTerm.parse(term)
    return term if record == StyleTerm(term) else record


def _plain(value: float) -> str:
    """Digits without an exponent and without needless zeros."""
    text = f"{value:.12f}".rstrip("0")
    return text.rstrip(".")
