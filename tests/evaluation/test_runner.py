import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from styleflax import methods
from styleflax.data.pixels import to_float
from styleflax.evaluation.runner import evaluate, load_squares, mean_losses
from styleflax.methods.base import Variables

SIZE_PX = 32


@pytest.fixture(scope="module")
def folders(write_picture, tmp_path_factory):
    """Two contents, one in a folder below, and two styles; no file name twice."""
    folder = tmp_path_factory.mktemp("pictures")
    write_picture(folder / "content" / "a.png", seed=1)
    write_picture(folder / "content" / "below" / "b.png", height=32, width=48, seed=2)
    write_picture(folder / "style" / "s.png", seed=3)
    write_picture(folder / "style" / "t.png", seed=4)
    return folder / "content", folder / "style"


@pytest.fixture(scope="module")
def result(folders, model_path, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "results"
    return evaluate([str(model_path)], *folders, out, size_px=SIZE_PX), out


def test_every_pair_is_scored(result):
    pairs, _ = result
    assert [(pair.weights, pair.content, pair.style) for pair in pairs] == [
        ("untrained", content, style) for content in "ab" for style in "st"
    ]


def test_losses_are_those_of_the_method(result, folders, model_file):
    pairs, _ = result
    method = methods.build("adain", losses={"content": 1.0, "style": 1.0})
    half = jax.tree.map(
        lambda leaf: np.asarray(leaf, np.float16).astype(np.float32),
        (model_file.players, model_file.encoder_params),
    )
    variables, frozen = Variables(half[0], {}), {"encoder": half[1]}
    content, style = (
        jnp.asarray(load_squares(folder, SIZE_PX)[name])[None]
        for folder, name in zip(folders, "bt", strict=True)
    )
    batch = {"content": content, "style": style}
    loss = jax.jit(method.losses["model"])
    _, (metrics, _) = loss(
        variables.players["model"], variables, frozen, batch, jax.random.key(0)
    )
    np.testing.assert_allclose(pairs[-1].content_loss, metrics["content_loss"], 1e-4)
    np.testing.assert_allclose(pairs[-1].style_loss, metrics["style_loss"], 1e-4)


def test_losses_are_written_as_json(result):
    pairs, out = result
    written = json.loads((out / "losses.json").read_text("utf-8"))
    assert written == [pair._asdict() for pair in pairs]


def test_contact_sheet_has_a_captioned_cell_for_every_picture(result):
    _, out = result
    with Image.open(out / "untrained.png") as sheet:
        cell, caption, gap = 192, 18, 4
        assert sheet.size == (3 * (cell + gap) + gap, 3 * (cell + caption + gap) + gap)


def test_mean_losses_are_means_over_the_pairs_of_a_model(result):
    pairs, _ = result
    other = [pair._replace(weights="other", style_loss=2.0) for pair in pairs]
    means = mean_losses([*pairs, *other])
    assert means["untrained"] == pytest.approx(
        (
            np.mean([pair.content_loss for pair in pairs]),
            np.mean([pair.style_loss for pair in pairs]),
            4,
        )
    )
    assert means["other"][1:] == (2.0, 4)


def test_pictures_become_centre_crops(folders):
    square = load_squares(folders[0], SIZE_PX)["b"]
    with Image.open(folders[0] / "below" / "b.png") as image:
        np.testing.assert_array_equal(square, to_float(np.asarray(image))[:, 8:40])


def test_pictures_of_the_same_name_are_all_kept(write_picture, tmp_path):
    for name in ("x/p.png", "x/p.bmp", "y/p.png", "q.png"):
        write_picture(tmp_path / name)
    assert list(load_squares(tmp_path, 16)) == ["q", "x_p", "x_p-2", "y_p"]


def test_models_of_the_same_file_name_are_told_apart(
    model_path, write_picture, tmp_path
):
    for name in ("c/a.png", "s/b.png"):
        write_picture(tmp_path / name)
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        (tmp_path / run / "m.safetensors").write_bytes(model_path.read_bytes())
    weights = [str(tmp_path / run / "m.safetensors") for run in ("one", "two")]
    folders = tmp_path / "c", tmp_path / "s"
    pairs = evaluate(weights, *folders, tmp_path / "out", size_px=SIZE_PX)
    assert [pair.weights for pair in pairs] == ["one_m", "two_m"]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"losses.json", "one_m.png", "two_m.png"}


def test_folder_without_pictures_is_refused(folders, model_path, tmp_path):
    with pytest.raises(ValueError, match="holds no picture"):
        evaluate([str(model_path)], tmp_path, folders[1], tmp_path / "out")


def test_missing_folder_is_reported(folders, model_path, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        evaluate([str(model_path)], folders[0], tmp_path / "nothing", tmp_path / "out")


def test_damaged_picture_is_named(folders, model_path, tmp_path, write_picture):
    write_picture(tmp_path / "c" / "bad.png")
    data = (tmp_path / "c" / "bad.png").read_bytes()
    (tmp_path / "c" / "bad.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"bad\.png' is damaged"):
        evaluate([str(model_path)], tmp_path / "c", folders[1], tmp_path / "out")


def test_model_that_does_not_fit_is_refused_before_any_work(
    folders, model_file, tmp_path
):
    from styleflax.weights.store import save_model

    save_model(tmp_path / "empty.safetensors", model_file._replace(players={}))
    with pytest.raises(ValueError, match="18 missing"):
        evaluate([str(tmp_path / "empty.safetensors")], *folders, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [{"alpha": float("nan")}, {"size_px": 8}])
def test_numbers_out_of_range_are_refused(folders, model_path, tmp_path, options):
    with pytest.raises(ValueError, match="must be"):
        evaluate([str(model_path)], *folders, tmp_path / "out", **options)
