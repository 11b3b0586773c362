import os
import zipfile
import zlib

import ml_dtypes
import numpy as np
import pytest

from styleflax.weights.published.torch_file import load_shapes, load_state_dict

RNG = np.random.default_rng(0)
STATE = {
    "features.0.weight": RNG.normal(size=(4, 3, 3, 3)).astype(np.float32),
    "features.0.bias": RNG.normal(size=4).astype(np.float32),
    "half": RNG.normal(size=(2, 2)).astype(np.float16),
    "double": RNG.normal(size=3),
    "num_batches": np.array(7, np.int64),
    "empty": np.zeros((0, 3), np.float32),
}


class _Call:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def test_both_layouts_come_back_equal(tmp_path, write_torch):
    write_torch(tmp_path / "a.pth", STATE)
    loaded = load_state_dict(tmp_path / "a.pth")
    assert list(loaded) == list(STATE)
    for name, expected in STATE.items():
        assert loaded[name].dtype == expected.dtype
        assert loaded[name].shape == expected.shape
        np.testing.assert_array_equal(loaded[name], expected)


def test_only_wanted_tensors_are_read(tmp_path, write_torch):
    write_torch(tmp_path / "a.pth", STATE)
    loaded = load_state_dict(tmp_path / "a.pth", lambda name: name == "half")
    assert list(loaded) == ["half"]
    np.testing.assert_array_equal(loaded["half"], STATE["half"])


def test_a_view_of_a_larger_storage_is_cut_out(tmp_path, write_torch, fake_tensor):
    whole = np.arange(20, dtype=np.float32)
    tensor = fake_tensor(whole, "0", stride=(2, 1), offset=3, numel=20)
    tensor.array = _Shaped(whole, (4, 2))
    write_torch(tmp_path / "a.pth", {"view": tensor})
    np.testing.assert_array_equal(
        load_state_dict(tmp_path / "a.pth")["view"], whole[3:11].reshape(4, 2)
    )


class _Shaped:
    """A whole storage that pretends to another shape."""

    def __init__(self, array, shape):
        self.dtype, self.size, self.tobytes = array.dtype, array.size, array.tobytes
        self.shape = shape


def test_a_tensor_in_another_order_comes_back_in_its_own(
    tmp_path, write_torch, fake_tensor
):
    kernel = RNG.normal(size=(4, 3, 3, 2)).astype(np.float32)
    channels_last = np.ascontiguousarray(kernel.transpose(0, 2, 3, 1))
    tensor = fake_tensor(channels_last, "0", stride=(18, 1, 6, 3))
    tensor.array = _Shaped(channels_last, kernel.shape)
    write_torch(tmp_path / "a.pth", {"kernel": tensor})
    loaded = load_state_dict(tmp_path / "a.pth")["kernel"]
    np.testing.assert_array_equal(loaded, kernel)
    assert loaded.flags.c_contiguous


def test_bfloat16_keeps_its_values(tmp_path, write_torch):
    values = RNG.normal(size=(3, 5)).astype(ml_dtypes.bfloat16)
    write_torch(tmp_path / "a.pth", {"w": values})
    loaded = load_state_dict(tmp_path / "a.pth")["w"].astype(np.float32)
    np.testing.assert_array_equal(loaded, values.astype(np.float32))


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict"])
def test_a_wrapped_state_dict_is_unwrapped(tmp_path, write_torch, key):
    write_torch(tmp_path / "a.pth", {"epoch": 3, key: {"w": STATE["half"]}})
    loaded = load_state_dict(tmp_path / "a.pth")
    assert list(loaded) == ["w"]
    np.testing.assert_array_equal(loaded["w"], STATE["half"])


def test_the_state_of_an_optimizer_is_refused(tmp_path, write_torch):
    write_torch(tmp_path / "a.pth", {"state": {}, "param_groups": []})
    with pytest.raises(ValueError, match="the state of an optimizer, no weights"):
        load_state_dict(tmp_path / "a.pth")


def test_shapes_are_known_without_reading_values(tmp_path, write_torch):
    write_torch(tmp_path / "a.pth", STATE)
    expected = {name: value.shape for name, value in STATE.items()}
    assert load_shapes(tmp_path / "a.pth") == expected


def test_a_storage_shorter_than_its_zip_entry_claims_is_refused(tmp_path, write_zip):
    path = tmp_path / "a.pth"
    write_zip(path, {"w": np.arange(6, dtype=np.float32)})
    whole = path.read_bytes()
    # The directory's own sizes: compressed, then uncompressed.
    at = whole.rindex(b"PK\x01\x02")
    damaged = bytearray(whole)
    damaged[at + 20 : at + 24] = (20).to_bytes(4, "little")
    checksum = zlib.crc32(np.arange(5, dtype=np.float32).tobytes())
    damaged[at + 16 : at + 20] = checksum.to_bytes(4, "little")
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match="not a PyTorch state dict"):
        load_state_dict(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stride": (1, 4)}, "reaches past its storage"),
        ({"offset": 1}, "reaches past its storage"),
        ({"offset": -1}, "without a proper storage and shape"),
        ({"numel": 11}, "reaches past its storage"),
        ({"numel": 13}, "has another size"),
        ({"numel": -1}, "without a proper key and size"),
        ({"numel": 10**15}, "has another size"),
    ],
)
def test_a_tensor_out_of_bounds_is_refused(
    tmp_path, write_torch, fake_tensor, change, message
):
    array = np.zeros((3, 4), np.float32)
    write_torch(tmp_path / "a.pth", {"w": fake_tensor(array, "0", **change)})
    with pytest.raises(ValueError, match=message):
        load_state_dict(tmp_path / "a.pth")


def test_tensors_that_share_a_storage_cannot_fill_the_memory(
    tmp_path, write_torch, fake_tensor
):
    shared = fake_tensor(np.zeros(10_000, np.float32), "0")
    write_torch(tmp_path / "a.pth", {"original": shared})
    views = {str(i): fake_tensor(shared.array, "0") for i in range(100)}
    write_torch(tmp_path / "b.pth", views)
    assert list(load_state_dict(tmp_path / "a.pth")) == ["original"]
    with pytest.raises(ValueError, match="larger than the file"):
        load_state_dict(tmp_path / "b.pth")


@pytest.mark.parametrize("function", [os.system, eval, exec])
def test_a_hostile_file_is_refused_and_its_code_never_runs(
    tmp_path, write_torch, function
):
    canary = tmp_path / "canary"
    command = (
        f"touch {canary}" if function is os.system else f"open({str(canary)!r}, 'w')"
    )
    write_torch(tmp_path / "a.pth", {"w": _Call(function, command)})
    with pytest.raises(ValueError, match="which is not allowed"):
        load_state_dict(tmp_path / "a.pth")
    assert not canary.exists()


def test_a_state_dict_with_anything_but_tensors_is_refused(tmp_path, write_torch):
    write_torch(tmp_path / "a.pth", {"epoch": 3})
    with pytest.raises(ValueError, match="'epoch' in its state dict is not a tensor"):
        load_state_dict(tmp_path / "a.pth")


def test_every_truncation_is_refused(tmp_path, write_torch):
    path = tmp_path / "a.pth"
    write_torch(path, STATE)
    whole = path.read_bytes()
    # Every byte of the legacy file counts; a zip archive ends with its directory.
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match="not a PyTorch state dict"):
            load_state_dict(path)


def test_random_damage_raises_nothing_but_value_errors(tmp_path, write_torch):
    path = tmp_path / "a.pth"
    write_torch(path, {"w": STATE["half"], "b": STATE["double"]})
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    num_refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            load_state_dict(path)
        except ValueError:
            num_refused += 1
    assert num_refused > 100


def test_a_legacy_file_of_another_kind_is_refused(tmp_path, write_legacy):
    path = tmp_path / "a.pth"
    write_legacy(path, STATE, magic=1)
    with pytest.raises(ValueError, match="magic number"):
        load_state_dict(path)
    write_legacy(path, STATE, little_endian=False)
    with pytest.raises(ValueError, match="byte order"):
        load_state_dict(path)


def test_a_zip_of_another_kind_is_refused(tmp_path, write_zip):
    path = tmp_path / "a.pth"
    write_zip(path, STATE, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="compressed"):
        load_state_dict(path)
    write_zip(path, STATE, byteorder=b"big")
    with pytest.raises(ValueError, match="big-endian"):
        load_state_dict(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("photo.txt", b"")
    with pytest.raises(ValueError, match=r"no single data\.pkl"):
        load_state_dict(path)


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_state_dict(tmp_path / "none.pth")
