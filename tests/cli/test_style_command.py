import json

import numpy_adain
import pytest
from narrow_stylizer import make_narrow_stylizer

from styleflax.inference.stylizer import Stylizer


@pytest.fixture(scope="module")
def stylizer(shared_programs):
    return make_narrow_stylizer("adain")


@pytest.fixture(autouse=True)
def loaded(monkeypatch, stylizer):
    """Names of the models that were loaded; all are the narrow one."""
    names = []

    def load(weights, **_):
        names.append(weights)
        return stylizer

    monkeypatch.setattr(Stylizer, "load", load)
    return names


def test_a_style_is_saved_and_described(command, pictures, tmp_path, loaded):
    painting, path = pictures / "painting.png", tmp_path / "p.style"
    code, output, _ = command(
        "style", "save", painting, "-o", path, "--weights", "small"
    )
    assert (code, output, loaded) == (0, f"{path}\n", ["small"])
    code, output, _ = command("style", "info", path, "--json")
    found = json.loads(output)
    assert code == 0
    assert found["painting"] == "painting.png"
    assert (found["method"], found["model"]) == ("adain", "adain0")
    assert found["model_sha256"] == make_narrow_stylizer("adain")._styles._files.digest
    channels = 512 * numpy_adain.WIDTH
    assert found["arrays"] == {
        "mean": f"float32 1x{channels:.0f}",
        "palette/covariance": "float32 1x3x3",
        "palette/mean": "float32 1x3",
        "std": f"float32 1x{channels:.0f}",
    }
    assert found["bytes"] == path.stat().st_size
    code, output, _ = command("style", "info", path)
    assert f"mean (float32 1x{channels:.0f})" in output


def test_a_style_file_is_not_overwritten_unasked(command, refuses, pictures, tmp_path):
    painting, path = pictures / "painting.png", tmp_path / "p.style"
    path.write_bytes(b"old")
    assert "--overwrite" in refuses("style", "save", painting, "-o", path)
    assert path.read_bytes() == b"old"
    assert command("style", "save", painting, "-o", path, "--overwrite")[0] == 0
    assert command("style", "info", path)[0] == 0


def test_mistakes_are_told_before_a_model_is_loaded(
    refuses, pictures, tmp_path, loaded
):
    painting, path = pictures / "painting.png", tmp_path / "p.style"
    save = ("style", "save")
    assert "-o must end in .style" in refuses(*save, painting, "-o", "p.png")
    assert "there is no image" in refuses(*save, tmp_path / "none.png", "-o", path)
    assert "a style file already" in refuses(*save, path, "-o", path)
    message = refuses(*save, painting, "-o", path, "--style-size", 3)
    assert "--style-size must be at least 16 px, got 3" in message
    assert "there is no style file" in refuses("style", "info", path)
    path.write_bytes(b"nonsense")
    assert "not a complete style file" in refuses("style", "info", path)
    assert not loaded


def test_a_style_file_may_be_of_a_part_of_a_painting(
    command, refuses, pictures, tmp_path, write_picture
):
    painting, path = pictures / "painting.png", tmp_path / "p.style"
    mask = tmp_path / "mask.png"
    write_picture(mask, seed=9)
    save = ("style", "save", painting, "--overwrite", "-o", path)
    assert command(*save)[0] == 0
    whole = path.read_bytes()
    assert command(*save, "--style-mask", mask)[0] == 0
    assert path.read_bytes() != whole
    assert "there is no image" in refuses(*save, "--style-mask", "missing.png")
    assert "at most 1e-05 megapixels" in refuses(*save, "--max-megapixels", 1e-5)
