"""Floating-point operations of a program's convolutions and matrix products."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.extend import core


def count_flop(function: Callable, *arguments: Any) -> float:
    """Counts one call, from the traced program, as it is before any compiler.

    A multiplication and an addition count as two; everything else as nothing, such as
    sums and activations. Of the branches of a condition the cheapest counts: below
    strength 1, a network computes more than at strength 1, which benchmarks use.

    Args:
        function: May be compiled or mapped over devices; those are of one device then.
        arguments: Arrays or their shapes.
    """
    return _count(jax.make_jaxpr(function)(*arguments).jaxpr)


def _count(jaxpr: core.Jaxpr) -> float:
    total = 0.0
    for eqn in jaxpr.eqns:
        if eqn.primitive.name == "conv_general_dilated":
            kernel = eqn.invars[1].aval
            outputs = kernel.shape[eqn.params["dimension_numbers"].rhs_spec[0]]
            total += 2.0 * eqn.outvars[0].aval.size * kernel.size / outputs
        elif eqn.primitive.name == "dot_general":
            (contracted, _), _ = eqn.params["dimension_numbers"]
            shape = eqn.invars[0].aval.shape
            each = math.prod(shape[axis] for axis in contracted)
            total += 2.0 * eqn.outvars[0].aval.size * each
        else:
            inner = [_count(one) for one in _inner_programs(eqn.params.values())]
            if eqn.primitive.name == "cond":  # one of its branches runs
                total += min(inner, default=0.0)
            else:  # of a loop without a known end, one turn
                total += eqn.params.get("length", 1) * sum(inner)
    return total


def _inner_programs(values: Any) -> Iterator[core.Jaxpr]:
    for value in values:
        if isinstance(value, core.ClosedJaxpr):
            yield value.jaxpr
        elif isinstance(value, core.Jaxpr):
            yield value
        elif isinstance(value, tuple | list):
            yield from _inner_programs(value)
