import json
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from small_model import make_model

from styleflax.weights.store import (
    EncoderSpec,
    load_model,
    model_digest,
    packaged_models,
    save_model,
)


def test_float32_comes_back_bit_for_bit(tmp_path):
    model = make_model()
    save_model(tmp_path / "m.safetensors", model, np.float32)
    loaded = load_model(tmp_path / "m.safetensors")
    assert loaded._replace(
        encoder_params={}, players={}, state={}, arithmetic={}
    ) == model._replace(encoder_params={}, players={}, state={}, arithmetic={})
    assert loaded.arithmetic == {**model.arithmetic, "layers": ["relu1_1", "relu1_2"]}
    jax.tree.map(np.testing.assert_array_equal, loaded[2:5], model[2:5])
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(loaded[2:5]))


def test_float16_is_the_default_and_rounds_once(tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(path, make_model())
    loaded = load_model(path)
    jax.tree.map(
        lambda got, x: np.testing.assert_array_equal(got, np.float16(x)),
        loaded[2:5],
        make_model()[2:5],
    )
    again = tmp_path / "again.safetensors"
    save_model(again, loaded)
    assert again.read_bytes() == path.read_bytes()


def test_jax_arrays_are_saved_too(tmp_path):
    params = jax.tree.map(jnp.asarray, make_model().encoder_params)
    params["conv1_1"]["bias"] = params["conv1_1"]["bias"].astype(jnp.bfloat16)
    save_model(tmp_path / "a.safetensors", make_model(encoder_params=params))
    save_model(tmp_path / "b.safetensors", make_model())
    first, second = (tmp_path / f"{n}.safetensors" for n in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_the_digest_of_a_loaded_model_is_the_one_that_was_saved(tmp_path):
    digest = save_model(tmp_path / "m.safetensors", make_model())
    assert model_digest(load_model(tmp_path / "m.safetensors")) == digest
    assert len(digest) == 64


def test_the_digest_sees_every_part():
    base = model_digest(make_model())
    others = [
        make_model(method="sanet"),
        make_model(encoder=EncoderSpec("vgg19", "torchvision")),
        make_model(arithmetic={"ddof": 0}),
        make_model(provenance={}),
        make_model(state={"norm": {"mean": np.array([0, 1, 3.0])}}),
        make_model(players={"model": {}}),
    ]
    assert len({base, *map(model_digest, others)}) == len(others) + 1


def test_numbers_as_keys_do_not_disturb_the_digest(tmp_path):
    model = make_model(provenance={"losses": {9: 1.0, 10: 2.0}})
    digest = save_model(tmp_path / "m.safetensors", model)
    assert model_digest(load_model(tmp_path / "m.safetensors")) == digest


DEFAULTS = {"color_match": 0.5, "detail": 1.0}


def test_defaults_and_palettes_come_back_and_are_no_part_of_the_digest(tmp_path):
    palettes = {"wave": {"mean": [[0.1, 0.2, 0.3]]}}
    path = tmp_path / "m.safetensors"
    digest = save_model(path, make_model(defaults=DEFAULTS, palettes=palettes))
    assert load_model(path).defaults == DEFAULTS
    assert load_model(path).palettes == palettes
    # So that style files of the same values stay those of the model.
    assert digest == save_model(path, make_model())
    assert load_model(path).defaults == {}


@pytest.mark.parametrize("defaults", [{"alpha": 1.0}, {"detail": 1.5}])
def test_defaults_of_other_names_or_values_are_refused(tmp_path, defaults):
    with pytest.raises(ValueError, match=r"defaults must be of color_match, detail"):
        save_model(tmp_path / "m.safetensors", make_model(defaults=defaults))


def test_packaged_models_have_defaults_that_their_files_lack():
    for name, path in packaged_models().items():
        model = load_model(path)
        assert model.defaults == {"color_match": 1.0, "detail": 1.0}, name
        assert (
            model_digest(model)
            == json.loads(safetensors.safe_open(path, "numpy").metadata()["styleflax"])[
                "sha256"
            ]
        )


def test_every_flipped_bit_is_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(path, make_model(defaults=DEFAULTS))
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    everywhere = rng.integers(len(whole), size=200)
    header = rng.integers(len(whole) - 8 * 120, size=200)
    for position in (*everywhere, *header, *range(16)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"m\.safetensors") as caught:
            load_model(path)
        assert "\n" not in str(caught.value)


def test_every_truncation_is_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(path, make_model())
    whole = path.read_bytes()
    for end in range(1, len(whole), 11):  # empty files have their own message
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match="not a whole safetensors file"):
            load_model(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_not_saved(tmp_path, value):
    state = {"norm": {"mean": np.array([1, value])}}
    with pytest.raises(ValueError, match="not finite are not saved: state/norm/mean"):
        save_model(tmp_path / "m.safetensors", make_model(state=state), np.float32)
    assert list(tmp_path.iterdir()) == []


def test_what_float16_cannot_hold_is_refused_by_name(tmp_path):
    model = make_model(state={"big": np.array([65520.0])})
    with pytest.raises(ValueError, match=r"too large for float16.*: state/big"):
        save_model(tmp_path / "m.safetensors", model)
    save_model(tmp_path / "m.safetensors", model, np.float32)
    assert load_model(tmp_path / "m.safetensors").state["big"] == 65520.0


def test_other_types_and_what_is_not_json_are_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    with pytest.raises(ValueError, match="dtype must be float16 or float32, got int8"):
        save_model(path, make_model(), np.int8)
    for bad in ({"x": np.ones(2)}, {"x": float("nan")}):
        with pytest.raises(ValueError, match="is not JSON"):
            save_model(path, make_model(arithmetic=bad))
    assert not path.exists()


def _write(path, tensors, header):
    metadata = None if header is None else {"styleflax": header}
    path.write_bytes(safetensors.numpy.save(tensors, metadata))


def _header(path):
    with safetensors.safe_open(str(path), framework="numpy") as file:
        return json.loads(file.metadata()["styleflax"])


def test_files_of_others_and_of_the_future_are_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    _write(path, {"x": np.ones(2)}, None)
    with pytest.raises(ValueError, match="not a model of styleflax"):
        load_model(path)
    _write(path, {"x": np.ones(2)}, '{"version": 99}')
    with pytest.raises(ValueError, match=r"format version 99.*upgrade"):
        load_model(path)
    for header in ("no json", "[]", "{}", '{"version": 1}'):
        _write(path, {"x": np.ones(2)}, header)
        with pytest.raises(ValueError, match=r"metadata of .* are damaged"):
            load_model(path)
    path.write_bytes(b"PK not this")
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        load_model(path)
    with pytest.raises(FileNotFoundError, match="no model file"):
        load_model(tmp_path / "none.safetensors")


def test_a_file_with_a_true_digest_of_values_that_are_not_finite_is_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(path, make_model())
    header, tensors = _header(path), safetensors.numpy.load_file(path)
    tensors["state/norm/mean"][1] = np.nan
    state = {"norm": {"mean": tensors["state/norm/mean"]}}
    header["sha256"] = model_digest(load_model(path)._replace(state=state))
    _write(path, tensors, json.dumps(header))
    with pytest.raises(ValueError, match="not finite: state/norm/mean"):
        load_model(path)


def test_an_old_file_survives_a_save_that_fails(tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    save_model(path, make_model())
    old = path.read_bytes()

    def fail(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"cannot write the model file .*No space left"):
        save_model(path, make_model(method="sanet"))
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_an_unwritable_place_is_named(tmp_path):
    with pytest.raises(OSError, match=r"cannot write the model file .*none"):
        save_model(tmp_path / "none" / "m.safetensors", make_model())


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "[" * 200_000,
        lambda text: text.replace('"version": 1', '"version": 1e999'),
        lambda text: text.replace('"method": "adain"', '"method": ["adain"]'),
        lambda text: text.replace('"vgg16"', "[]"),
        lambda text: text.replace('"provenance": {', '"provenance": 3, "x": {'),
    ],
)
def test_metadata_of_another_kind_are_damage(tmp_path, change):
    path = tmp_path / "m.safetensors"
    save_model(path, make_model())
    text, tensors = json.dumps(_header(path)), safetensors.numpy.load_file(path)
    assert change(text) != text
    _write(path, tensors, change(text))
    with pytest.raises(ValueError, match=r"metadata of .* are damaged"):
        load_model(path)


@pytest.mark.parametrize("name", ["encoder", "encoder/conv1_1", "players", "state"])
def test_a_value_in_place_of_a_tree_is_damage(tmp_path, name):
    path = tmp_path / "m.safetensors"
    save_model(path, make_model())
    header, tensors = _header(path), safetensors.numpy.load_file(path)
    kept = {key: x for key, x in tensors.items() if not key.startswith(name)}
    _write(path, kept | {name: np.ones(2, np.float16)}, json.dumps(header))
    with pytest.raises(ValueError, match="damaged"):
        load_model(path)


def test_other_types_than_are_written_are_refused(tmp_path):
    path = tmp_path / "m.safetensors"
    save_model(path, make_model())
    header, tensors = _header(path), safetensors.numpy.load_file(path)
    # Equal values, so that the digest is the recorded one.
    tensors["state/norm/mean"] = tensors["state/norm/mean"].astype(np.int32)
    _write(path, tensors, json.dumps(header))
    with pytest.raises(ValueError, match="other types than float16 or 32: state/norm"):
        load_model(path)
