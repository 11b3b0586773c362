"""AdaIN and SANet on the page give what the library gives."""

import numpy as np
import pytest

from styleflax import Stylizer, art
from styleflax.inference.contents import rounded

PHOTO = np.ascontiguousarray(art.paint("cutouts", 4, 101)[:75])
PAINTINGS = [np.ascontiguousarray(art.paint("mosaic", k, 80 + k)[:64]) for k in (1, 2)]


@pytest.fixture(scope="module", params=["adain", "sanet"])
def chosen(request, visit, model_paths):
    visit.page.evaluate("() => (document.querySelector('details').open = true)")
    visit.page.select_option("#model", request.param)
    for _ in range(600):
        if visit.run("(s) => s.manifest.method") == request.param:
            break
        visit.page.wait_for_timeout(50)
    visit.wait()
    visit.open("photo", PHOTO, "photo.png")
    visit.open("painting", PAINTINGS[0], f"{request.param}.png")
    return Stylizer.load(model_paths[request.param], tile_px=0)


@pytest.mark.parametrize("alpha", [100, 60])
def test_strength(visit, chosen, alpha):
    visit.slide("alpha", alpha)
    expected = rounded(chosen(PHOTO, PAINTINGS[0], alpha=alpha / 100).array)
    assert np.abs(visit.result().astype(int) - expected).max() <= 2
    assert expected.std() > 5


def test_mix_of_paintings_of_two_sizes(visit, chosen):
    visit.page.click("#add-painting")
    visit.wait()
    visit.open("painting", PAINTINGS[1], "second.png")
    visit.slide("alpha", 100)
    stylized = chosen(PHOTO, PAINTINGS, weights=[0.5, 0.5])
    assert np.abs(visit.result().astype(int) - rounded(stylized.array)).max() <= 2
    visit.page.locator(".slot .remove").last.click()
    visit.wait()


def test_style_files_are_those_of_the_library(visit, chosen, tmp_path):
    visit.slide("alpha", 100)
    expected = visit.result()
    by_page, by_library = tmp_path / "page.style", tmp_path / "library.style"
    by_page.write_bytes(visit.saved_style())
    made = chosen(PHOTO, by_page)  # which checks the digest and the model
    assert np.abs(rounded(made.array) - expected.astype(int)).max() <= 2
    part = np.zeros(PAINTINGS[0].shape[:2], np.uint8)
    part[5:40, 10:50] = 255
    chosen.save_style(PAINTINGS[0], by_library, mask=part)
    visit.open("painting", by_library.read_bytes(), "library.style")
    made = rounded(chosen(PHOTO, by_library).array)
    assert np.abs(visit.result().astype(int) - made).max() <= 2
    assert np.abs(made - expected.astype(int)).max() > 2  # of another part
    assert visit.message() == ""


def test_a_style_file_of_another_model_is_refused(visit, chosen, stylizer, tmp_path):
    stylizer.save_style(PAINTINGS[0], tmp_path / "lite.style")
    visit.open("painting", (tmp_path / "lite.style").read_bytes(), "lite.style")
    assert "belongs to another model" in visit.message()
    visit.page.click("#message-close")


HALVES = """async (values) => {
  const { fromHalves, toHalves } = await import("./float16.js");
  const halves = toHalves(Float32Array.from(values));
  return [Array.from(halves), Array.from(fromHalves(halves))];
}"""


def test_halves_are_numpy_s(visit):
    rng = np.random.default_rng(0)
    values = rng.normal(size=3000).astype("f4") * 10.0 ** rng.integers(-9, 5, 3000)
    exact = np.arange(300, dtype=np.float16).view(np.uint16) * 200
    values = np.float32([*values, 0, -0.0, 65504, 65519, 1e9, -1e9, 1 + 2**-11, 6e-8])
    values = np.concatenate([values, exact.view(np.float16).astype("f4")])
    values = values[np.isfinite(values)].astype("f4")
    halves = values.clip(-65504, 65504).astype(np.float16)
    bits, back = visit.page.evaluate(HALVES, values.tolist())
    np.testing.assert_array_equal(np.uint16(bits), halves.view(np.uint16))
    np.testing.assert_array_equal(np.float32(back), halves.astype("f4"))


def test_a_manifest_says_whether_features_are_retained_in_16_bits(visit):
    kept = visit.page.evaluate(
        """async () => {
        const { Network } = await import("./network.js");
        const manifest = { style: "features", levels: [{ name: "a", channels: 1 }],
          statistics: { style: { ddof: 0, eps: 0 } } };
        const map = { data: Float32Array.of(0.1, 2.3), dims: [1, 1, 1, 2] };
        return ["float16", "float32"].map((style_dtype) => [
          ...new Network({ ...manifest, style_dtype }).styleOf({ a: map }).features.a]);
        }"""
    )
    values = np.float32([0.1, 2.3])
    np.testing.assert_array_equal(kept, [values.astype("f2"), values])


def test_sanet_refuses_what_is_too_large_in_words(visit, chosen):
    if visit.run("(s) => s.manifest.method") != "sanet":
        return
    visit.open("photo", art.paint("mosaic", 5, 800), "large.png")
    visit.size("own")
    visit.page.click("#make")
    visit.page.locator("#message").wait_for()
    assert "up to 589,824 pixels" in visit.message()
    assert "Choose a smaller size" in visit.message()
