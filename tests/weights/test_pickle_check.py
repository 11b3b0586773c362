import io
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from styleflax.weights.published.safe_pickle import (
    MAX_NESTED_SIZE,
    check_instructions,
    load_restricted,
)


def doubled(times):
    """The pickle of {t: None}, where t is a tuple of one tuple twice, and so on."""
    nested = ("a",)
    for _ in range(times):
        nested = (nested, nested)
    inner = pickle.dumps(nested, 2)[2:-1]
    return io.BytesIO(b"\x80\x02}" + inner + b"Ns.")


@pytest.mark.parametrize("times", [12, 60, 500])
def test_a_tuple_that_takes_years_to_hash_is_refused(times):
    with pytest.raises(ValueError, match=f"nests more than {MAX_NESTED_SIZE} items"):
        load_restricted(doubled(times), {})


def test_a_tuple_too_deep_for_the_stack_of_the_processor_is_refused():
    file = io.BytesIO(b"\x80\x02})" + b"\x85" * 1_000_000 + b"Ns.")
    with pytest.raises(ValueError, match=f"nests more than {MAX_NESTED_SIZE} items"):
        load_restricted(file, {})


def test_a_tuple_of_few_tuples_is_allowed():
    assert len(load_restricted(doubled(3), {})) == 1


@pytest.mark.parametrize("protocol", range(6))
def test_every_honest_pickle_passes_and_is_left_behind(protocol):
    value = {
        "state": OrderedDict((str(i), (i, (1, 2), [i])) for i in range(3000)),
        "list": list(range(3000)),
        "array": np.arange(12.0).reshape(3, 4),
        "set": {1, 2, frozenset({3})},
        "twice": [(same := (1, 2, 3)), same, b"bytes", 1.5, None, True, 2**70],
    }
    file = io.BytesIO(pickle.dumps(value, protocol) + b"rest")
    check_instructions(file)
    assert file.read() == b"rest"


@pytest.mark.parametrize("data", [b"", b".", b"0.", b"\x85.", b"t.", b"h\x07.", b"2."])
def test_a_pickle_that_takes_from_an_empty_stack_is_refused(data):
    with pytest.raises(ValueError, match="not a pickle that can be read safely"):
        load_restricted(io.BytesIO(data), {})
