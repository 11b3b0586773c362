"""Evaluation of stylized images: metrics, systems and reports."""

from typing import TYPE_CHECKING

from styleflax.lazy import lazy_names

if TYPE_CHECKING:
    from styleflax.evaluation.measure import JudgeNetwork
    from styleflax.evaluation.runner import Options, Result, evaluate
    from styleflax.evaluation.scoring import make_scorer

__all__ = ["JudgeNetwork", "Options", "Result", "evaluate", "make_scorer"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "JudgeNetwork": "measure",
        "Options": "runner",
        "Result": "runner",
        "evaluate": "runner",
        "make_scorer": "scoring",
    },
)
