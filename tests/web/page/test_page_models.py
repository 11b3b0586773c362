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


def test_sanet_refuses_what_is_too_large_in_words(visit, chosen):
    if visit.run("(s) => s.manifest.method") != "sanet":
        return
    visit.open("photo", art.paint("mosaic", 5, 800), "large.png")
    visit.size("own")
    visit.page.click("#make")
    visit.page.locator("#message").wait_for()
    assert "up to 589,824 pixels" in visit.message()
    assert "Choose a smaller size" in visit.message()
