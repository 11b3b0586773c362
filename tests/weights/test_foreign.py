"""What people give as weights and is none: each is named, with the next step."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from styleflax.weights.published.convert import describe_file
from styleflax.weights.published.mapping import read_part
from styleflax.weights.store import load_model


def zipped(**entries):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), data)
    return file.getvalue()


def picture():
    file = io.BytesIO()
    Image.new("RGB", (20, 20)).save(file, "PNG")
    return file.getvalue()


def arrays():
    file = io.BytesIO()
    np.savez(file, a=np.zeros(3))
    return file.getvalue()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
FILES = {
    "lfs.pth": (LFS, "a Git LFS pointer", "git lfs pull"),
    "page.pth": (b"<!DOCTYPE html><html><title>Sign in", "a web page", "download the"),
    "empty.pth": (b"", "an empty file", "download it again"),
    "decoder.t7": (b"\4\0\0\0\1\0\0\0\3\0\0\0V 1\r\0\0\0nn", "Torch 7", "PyTorch"),
    "table.t7": (b"\3\0\0\0\1\0\0\0\2\0\0\0", "a Torch 7 file (Lua)", "PyTorch"),
    "ascii.t7": (b"4\n1\n3\nV 1\n13\nnn.Sequential\n", "Torch 7", "PyTorch"),
    "a.tar.gz": (b"\x1f\x8b\x08\0", "an archive", "unpack it"),
    "a.zip": (zipped(readme_dot_txt=b"x"), "an archive", "unpack it"),
    "script.pt": (
        zipped(m__data_dot_pkl=b"x", m__constants_dot_pkl=b"x"),
        "a TorchScript program",
        "torch.save(torch.jit.load(FILE).state_dict()",
    ),
    "painting.png": (picture(), "a picture, not weights", "--style"),
    "arrays.npz": (arrays(), "a file of NumPy arrays", "PyTorch or Keras"),
}


@pytest.mark.parametrize("read", [load_model, read_part, describe_file])
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_weights_is_named_with_the_next_step(tmp_path, name, read):
    data, kind, step = FILES[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match="is a") as error:
        read(tmp_path / name)
    text = str(error.value)
    assert kind in text
    assert step in text
    assert str(tmp_path / name) in text
    assert "\n" not in text


def test_published_weights_are_to_be_converted_first(
    tmp_path, write_zip, write_legacy, make_state
):
    path = tmp_path / "decoder.pth"
    for write in (write_zip, write_legacy):
        write(path, make_state("decoder"))
        with pytest.raises(ValueError, match="is a PyTorch file, not a model") as error:
            load_model(path)
        assert f"`styleflax weights convert {path} -o model" in str(error.value)
        assert read_part(path).role == "decoder"
    (tmp_path / "w.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(ValueError, match=r"is a Keras file \(HDF5\).*weights convert"):
        load_model(tmp_path / "w.h5")


def test_safetensors_of_others_say_how_to_go_on(tmp_path):
    import safetensors.numpy

    path = tmp_path / "x.safetensors"
    safetensors.numpy.save_file({"a": np.zeros(3, np.float32)}, path)
    with pytest.raises(ValueError, match="not a model of styleflax; published weights"):
        load_model(path)
