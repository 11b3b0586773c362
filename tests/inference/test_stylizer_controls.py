import jax.numpy as jnp
import numpy as np
import pytest
from narrow_stylizer import make_narrow_stylizer
from PIL import Image

from styleflax.images.files import resize_short_side, to_float
from styleflax.ops.color import coral_recolor, rgb_to_lab

LUMA = np.array([0.2126, 0.7152, 0.0722])
LEFT = np.repeat(np.arange(32)[None] < 16, 32, axis=0)


@pytest.fixture(scope="module")
def single(narrow_stylizer, small_pictures):
    content, first, _ = small_pictures
    return narrow_stylizer(content, first).array


@pytest.fixture(scope="module")
def style_path(narrow_stylizer, small_pictures, tmp_path_factory):
    """A style file of the first painting."""
    path = tmp_path_factory.mktemp("styles") / "first.style"
    narrow_stylizer.save_style(small_pictures[1], path, painting="first.png")
    return path


def difference(a, b):
    return np.abs(a - b).mean()


def test_alpha_0_is_the_methods_own_reconstruction(
    narrow_stylizer, small_pictures, single
):
    content, *paintings = small_pictures
    first, second = (narrow_stylizer(content, p, alpha=0).array for p in paintings)
    np.testing.assert_allclose(first, second, atol=1e-5)
    own = narrow_stylizer(content, content).array
    np.testing.assert_allclose(first, own, atol=2e-3)
    assert difference(single, own) > 1e-3


def test_exaggeration_goes_on_where_alpha_ends(narrow_stylizer, small_pictures, single):
    content, first, _ = small_pictures
    near = narrow_stylizer(content, first, exaggerate=1.0001).array
    np.testing.assert_allclose(near, single, atol=2e-3)
    far = narrow_stylizer(content, first, exaggerate=2.0).array
    assert difference(far, single) > 1e-3
    half = narrow_stylizer(content, first, alpha=0.5, exaggerate=2.0).array
    np.testing.assert_allclose(half, single, atol=1e-5)
    with pytest.raises(ValueError, match=r"alpha must be in \[0, 1\], got 1.5"):
        narrow_stylizer(content, first, alpha=1.5)


def test_coral_gives_the_style_the_contents_colors_first(narrow_adain, small_pictures):
    content, first, _ = small_pictures
    made = narrow_adain(content, first, color="coral").array
    recolored = coral_recolor(
        *(jnp.asarray(to_float(x))[None] for x in (first, content))
    )
    expected = narrow_adain(content, np.asarray(recolored)[0]).array
    np.testing.assert_allclose(made, expected, atol=1e-5)
    assert difference(made, narrow_adain(content, first).array) > 1e-4


def test_coral_with_masks_takes_the_colors_of_each_place(narrow_adain, small_pictures):
    content, *paintings = small_pictures
    changed = content.copy()
    changed[:, 16:] = 255 - changed[:, 16:]
    seen = []
    styles, encode = narrow_adain._styles, narrow_adain._styles._encode

    def heard(*arguments):
        seen.append(np.asarray(arguments[2]["image"]))
        return encode(*arguments)

    styles._encode = heard
    try:
        for picture in (content, changed):
            narrow_adain(picture, paintings, masks=[LEFT, ~LEFT], color="coral")
    finally:
        styles._encode = encode
    np.testing.assert_allclose(seen[0], seen[2], atol=1e-5)
    assert difference(seen[1], seen[3]) > 0.01


def test_luminance_is_the_results_and_hues_are_the_contents(
    narrow_stylizer, small_pictures, single
):
    content, first, _ = small_pictures
    made = narrow_stylizer(content, first, color="luminance").array
    np.testing.assert_allclose(made @ LUMA, single @ LUMA, atol=1e-5)
    chroma, own = (x - (x @ LUMA)[..., None] for x in (made, to_float(content)))
    cosine = (chroma * own).sum(-1) / np.linalg.norm(own, axis=-1)
    np.testing.assert_allclose(cosine, np.linalg.norm(chroma, axis=-1), atol=1e-5)


def test_lab_has_the_contents_mean_and_deviation(narrow_stylizer, small_pictures):
    bright, first, _ = small_pictures
    content = 85 + bright // 3  # so pale that nothing leaves the gamut
    made = narrow_stylizer(content, first, color="lab").array
    labs = [
        np.asarray(rgb_to_lab(jnp.asarray(x)[None])).reshape(-1, 3)
        for x in (made, to_float(content))
    ]
    # Roughly, as what leaves the gamut is cut.
    np.testing.assert_allclose(*(x.mean(axis=0) for x in labs), atol=2.0)
    np.testing.assert_allclose(*(x.std(axis=0) for x in labs), rtol=0.1)


@pytest.mark.parametrize("color", ["coral", "luminance", "lab"])
def test_colors_are_kept_with_masks_mixes_and_flat_pictures(
    narrow_stylizer, small_pictures, color
):
    content, *paintings = small_pictures
    for picture in (content, np.zeros((32, 32, 3), np.uint8)):
        made = narrow_stylizer(
            picture, paintings, masks=[LEFT, "rest"], color=color, exaggerate=3.0
        ).array
        assert made.shape == (32, 32, 3)
        assert np.isfinite(made).all()
        assert made.min() >= 0
        assert made.max() <= 1


def test_the_style_is_seen_at_the_size_asked_for(narrow_adain, small_pictures):
    content, first, _ = small_pictures
    made = narrow_adain(content, first, style_size=16).array
    small = np.asarray(resize_short_side(first, 16))
    np.testing.assert_array_equal(made, narrow_adain(content, small).array)


def test_the_result_returns_to_the_size_of_the_content(narrow_adain, small_pictures):
    content, first, _ = small_pictures
    large = np.asarray(Image.fromarray(content).resize((70, 65)))
    small = narrow_adain(large, first, size=32).array
    assert small.shape == (32, 34, 3)
    made = narrow_adain(large, first, size=32, restore_size=True).array
    assert made.shape == large.shape
    again = np.asarray(Image.fromarray(np.uint8(made * 255)).resize((34, 32)))
    assert difference(again / 255, small) < 0.02
    # What is kept was never resized.
    mask = np.repeat(np.arange(70)[None] < 35, 65, axis=0)
    made = narrow_adain(
        large, first, size=32, restore_size=True, masks=mask, color="lab"
    ).array
    np.testing.assert_array_equal(made[:, 35:], to_float(large)[:, 35:])


def test_a_style_file_is_its_painting_bit_for_bit(
    narrow_stylizer, small_pictures, single, style_path
):
    content, *paintings = small_pictures
    for path in (style_path, str(style_path)):
        made = narrow_stylizer(content, path).array
        np.testing.assert_array_equal(made, single)
    mixed = narrow_stylizer(content, [style_path, paintings[1]], weights=[1, 2]).array
    expected = narrow_stylizer(content, paintings, weights=[1, 2]).array
    np.testing.assert_array_equal(mixed, expected)


def test_what_needs_the_paintings_pixels_refuses_a_style_file(
    narrow_stylizer, small_pictures, style_path
):
    content, first, _ = small_pictures
    with pytest.raises(
        ValueError, match=r'color="coral" needs .*first\.style has none'
    ):
        narrow_stylizer(content, style_path, color="coral")
    with pytest.raises(ValueError, match=r"style_size needs .*first\.style has no"):
        narrow_stylizer(content, style_path, style_size=16)
    encoded = narrow_stylizer.encode_style(first)
    with pytest.raises(ValueError, match="an encoded style has none"):
        narrow_stylizer(content, encoded, color="coral")
    for color in ("luminance", "lab"):
        made, expected = (
            narrow_stylizer(content, style, color=color).array
            for style in (style_path, first)
        )
        np.testing.assert_array_equal(made, expected)


def test_a_style_file_of_another_model_is_refused_by_name(
    narrow_stylizer, small_pictures, style_path
):
    method = narrow_stylizer._styles._files.name[:-1]
    other = make_narrow_stylizer(method, seed=1)
    message = rf"first\.style belongs to the model '{method}0' .* not to '{method}1'"
    with pytest.raises(ValueError, match=message):
        other(small_pictures[0], style_path)


def test_a_prepared_style_is_the_style(narrow_stylizer, small_pictures, single):
    content, first, _ = small_pictures
    for color, size in (("style", None), ("coral", 16), ("lab", 16)):
        prepared = narrow_stylizer.prepare_style(first, color, size)
        # Seen at its size once, whatever that is.
        assert narrow_stylizer.prepare_style(prepared, color) is prepared
        np.testing.assert_array_equal(
            narrow_stylizer(content, prepared, color=color).array,
            narrow_stylizer(content, first, color=color, style_size=size).array,
        )
