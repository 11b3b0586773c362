import io
import os
import pickle
import struct

import numpy as np
import pytest

from styleflax.weights.published.safe_pickle import (
    Constructor,
    load_array_tree,
    load_restricted,
)

TREE = {
    "conv": {
        "kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
        "bias": np.ones(3),
    },
    "fortran": np.asfortranarray(np.arange(6, dtype="<f4").reshape(2, 3)),
    "swapped": np.arange(3, dtype=">f4"),
    "empty": np.zeros((0, 4), np.float32),
}


class _Call:
    """Pickles as a call of any function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def _file(value, protocol=2):
    return io.BytesIO(pickle.dumps(value, protocol))


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_arrays_come_back_equal_from_every_protocol(protocol):
    if protocol < 3:
        # Without bytes in the protocol NumPy's arrays are spelled with codecs.encode.
        with pytest.raises(ValueError, match=r"_codecs\.encode"):
            load_array_tree(_file(TREE, protocol))
        return
    tree = load_array_tree(_file(TREE, protocol))
    np.testing.assert_array_equal(tree["conv"]["kernel"], TREE["conv"]["kernel"])
    for name in ("fortran", "swapped", "empty"):
        np.testing.assert_array_equal(tree[name], TREE[name])
        assert tree[name].shape == TREE[name].shape


def test_both_spellings_of_numpys_module_are_read():
    data = pickle.dumps(TREE, 3)
    old = data.replace(b"numpy._core", b"numpy.core")
    assert old != data.replace(b"numpy.core", b"numpy._core")
    for spelled in (old, old.replace(b"numpy.core", b"numpy._core")):
        tree = load_array_tree(io.BytesIO(spelled))
        np.testing.assert_array_equal(tree["fortran"], TREE["fortran"])


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("function", [os.system, eval, exec, compile, getattr, open])
def test_a_hostile_call_is_refused_and_never_runs(tmp_path, protocol, function):
    canary = tmp_path / "canary"
    argument = (
        f"touch {canary}" if function is os.system else f"open({str(canary)!r}, 'w')"
    )
    with pytest.raises(ValueError, match="not allowed"):
        load_array_tree(_file({"a": _Call(function, argument)}, protocol))
    assert not canary.exists()


def test_the_canary_of_these_tests_does_run_when_pickle_reads_it(tmp_path):
    canary = tmp_path / "canary"
    pickle.loads(pickle.dumps(_Call(os.system, f"touch {canary}")))
    assert canary.exists()


def test_numpys_own_loader_of_pickles_cannot_be_reached():
    data = b"cnumpy\nload\n(S'x.npy'\nNI01\ntR."
    with pytest.raises(ValueError, match=r"numpy\.load, which is not allowed"):
        load_array_tree(io.BytesIO(data))


def test_arrays_of_objects_are_refused():
    with pytest.raises(ValueError, match="type 'O8' are not allowed"):
        load_array_tree(_file({"a": np.array([{}, []], dtype=object)}, 3))


def test_a_shape_that_lies_about_the_bytes_is_refused():
    data = pickle.dumps({"a": np.zeros(5, np.float32)}, 3)
    lying = data.replace(b"K\x05\x85", b"K\x06\x85")
    assert lying != data
    with pytest.raises(ValueError, match=r"shape \(6,\) has 20 bytes"):
        load_array_tree(io.BytesIO(lying))


def test_a_constructor_cannot_be_written_to():
    # GLOBAL, a state dict, BUILD: what would set attributes of the function.
    data = b"cnumpy\ndtype\n}S'_function'\nNsb."
    with pytest.raises(ValueError, match="writes to a constructor"):
        load_array_tree(io.BytesIO(data))


def test_a_memo_slot_that_would_fill_the_memory_is_refused():
    data = b"\x80\x02}r" + struct.pack("<I", 2**31) + b"."
    with pytest.raises(ValueError, match="memo slot 2147483648"):
        load_array_tree(io.BytesIO(data))


def test_what_is_not_a_tree_of_arrays_is_refused():
    for value in ({"a": 1}, {"a": [np.ones(2)]}, [1], 7):
        with pytest.raises(ValueError, match="the pickle holds"):
            load_array_tree(_file(value, 3))


def test_every_truncation_is_a_value_error():
    data = pickle.dumps(TREE, 3)
    for end in range(len(data)):
        with pytest.raises(ValueError, match="can be read safely"):
            load_array_tree(io.BytesIO(data[:end]))


def test_pickles_in_a_row_are_read_one_after_the_other():
    file = io.BytesIO(pickle.dumps(7) + pickle.dumps({"a": 1}) + b"rest")
    assert load_restricted(file, {}) == 7
    assert load_restricted(file, {}) == {"a": 1}
    assert file.read() == b"rest"


def test_persistent_objects_need_a_loader():
    data = b"\x80\x02K\x05Q."
    assert load_restricted(io.BytesIO(data), {}, lambda pid: pid + 1) == 6
    with pytest.raises(ValueError, match="outside the pickle"):
        load_restricted(io.BytesIO(data), {})


def test_a_constructor_calls_its_function():
    assert Constructor(max)(1, 3) == 3
