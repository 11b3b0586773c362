import numpy as np
import pytest

from styleflax.inference.stylizer import Stylizer


@pytest.fixture(scope="module", params=["adain", "sanet"])
def stylizer(request, model_path, sanet_path):
    return Stylizer.load({"adain": model_path, "sanet": sanet_path}[request.param])


@pytest.fixture(scope="module")
def adain(model_path):
    return Stylizer.load(model_path)


@pytest.fixture(scope="module")
def sanet(sanet_path):
    return Stylizer.load(sanet_path)


@pytest.fixture(scope="module")
def pictures(write_picture, tmp_path_factory):
    """A photograph and two paintings of other sizes, uint8."""
    folder = tmp_path_factory.mktemp("pictures")
    sides = ((32, 32), (32, 48), (24, 32))
    return [
        write_picture(folder / f"{seed}.png", *side, seed=seed)
        for seed, side in enumerate(sides)
    ]


def test_all_weight_on_one_style_is_that_style_alone(stylizer, pictures):
    photo, *paintings = pictures
    alone = stylizer(photo, paintings[0]).array
    both = stylizer(photo, paintings, weights=[1.0, 0.0]).array
    np.testing.assert_allclose(both, alone, atol=1e-4)
    other = stylizer(photo, paintings, weights=[0.0, 1.0]).array
    assert np.abs(other - alone).max() > 0.01


def test_weights_are_shares_and_equal_by_default(adain, pictures):
    photo, *paintings = pictures
    equal = adain(photo, tuple(paintings)).array
    scaled = adain(photo, paintings, weights=[3, 3]).array
    np.testing.assert_allclose(scaled, equal, atol=1e-6)
    for tiny_or_huge in (5e-324, 1e308):
        extreme = adain(photo, paintings, weights=[tiny_or_huge, tiny_or_huge]).array
        np.testing.assert_allclose(extreme, equal, atol=1e-6)
    turned = adain(photo, paintings[::-1], weights=np.array([0.3, 0.1])).array
    np.testing.assert_allclose(
        turned, adain(photo, paintings, weights=[1, 3]).array, atol=1e-5
    )
    assert np.abs(turned - equal).max() > 1e-3


def test_one_style_in_a_list_is_that_style(adain, pictures):
    photo, painting, _ = pictures
    listed = adain(photo, [painting], weights=[0.2]).array
    np.testing.assert_array_equal(listed, adain(photo, painting).array)


def test_encoded_styles_and_pictures_mix(adain, pictures):
    photo, *paintings = pictures
    encoded = [adain.encode_style(paintings[0]), paintings[1]]
    np.testing.assert_array_equal(
        adain(photo, encoded).array, adain(photo, paintings).array
    )


def test_one_program_serves_all_weights_and_balances(sanet, pictures):
    photo, painting, _ = pictures
    sanet(photo, painting, level_balance=0.5)
    number = sanet._renderer.programs.run._cache_size()
    sanet(255 - photo, painting, level_balance=0.9, alpha=0.2, weights=[7])
    assert sanet._renderer.programs.run._cache_size() == number


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], "one per style, got 1 for 2 styles"),
        ([1.0, 1.0, 1.0], "one per style, got 3 for 2 styles"),
        ([], "one per style, got 0 for 2 styles"),
        ([1.0, -0.5], r"finite, at least 0 and not all 0, got \[1.0, -0.5\]"),
        ([0.0, 0.0], "finite, at least 0 and not all 0"),
        ([float("nan"), 1.0], "finite, at least 0 and not all 0"),
        ([float("inf"), 1.0], "finite, at least 0 and not all 0"),
    ],
)
def test_weights_that_do_not_fit_are_refused(adain, pictures, weights, message):
    photo, *paintings = pictures
    with pytest.raises(ValueError, match=f"weights must be {message}"):
        adain(photo, paintings, weights=weights)


def test_a_list_of_no_styles_is_refused(adain, pictures):
    with pytest.raises(ValueError, match="at least one style, got none"):
        adain(pictures[0], [])


def test_the_levels_of_sanet_are_balanced(sanet, pictures):
    photo, painting, _ = pictures
    plain = sanet(photo, painting).array
    none = sanet(photo, painting, level_balance=None).array
    np.testing.assert_array_equal(none, plain)
    middle, fine, coarse = (
        sanet(photo, painting, level_balance=x).array for x in (0.5, 0, 1)
    )
    np.testing.assert_allclose(middle, plain, atol=1e-5)
    assert np.abs(fine - coarse).max() > 0.01


@pytest.mark.parametrize("balance", [-0.1, 1.5, float("nan")])
def test_a_balance_outside_the_unit_range_is_refused(sanet, pictures, balance):
    message = rf"level_balance must be in \[0, 1\], got {balance}"
    with pytest.raises(ValueError, match=message):
        sanet(pictures[0], pictures[1], level_balance=balance)


def test_a_control_of_another_method_is_refused_by_its_name(adain, pictures):
    with pytest.raises(ValueError, match="no control 'level_balance'; sanet has it"):
        adain(pictures[0], pictures[1], level_balance=0.5)
    with pytest.raises(ValueError, match="no control 'sharpness'; no method has it"):
        adain(pictures[0], pictures[1], sharpness=0.5)


def test_sanet_at_alpha_0_gives_the_content_in_its_own_style(sanet, pictures):
    photo, painting, _ = pictures
    none = sanet(photo, painting, alpha=0).array
    own = sanet(photo, photo).array
    # A style is kept in float16, a content is not.
    assert np.abs(none - own).mean() < 1e-3
    assert np.abs(sanet(photo, painting).array - own).mean() > 0.02


def test_sanet_keeps_odd_sizes_and_styles_in_float16(sanet, pictures):
    content = pictures[0][:17, :19]
    assert sanet(content, pictures[1]).array.shape == (17, 19, 3)
    style = sanet.encode_style(pictures[1])
    own = [leaf for name, leaf in style.items() if name != "palette"]
    assert {str(leaf.dtype) for leaf in own} == {"float16"}
