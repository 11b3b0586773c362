"""The page served by the app, with this computer's models behind it."""

import contextlib
import threading
import urllib.parse

import jax
import numpy as np
import own_styles
import pytest
import uvicorn
from page_visit import Visit
from tiny_clips import flat_frames, read_clip, write_clip

from styleflax import Stylizer, art
from styleflax.images.pixels import to_u8
from styleflax.web.limits import Limits
from styleflax.web.offers import offer
from styleflax.web.server import App, create_app, listen
from styleflax.weights.store import save_model

PHOTO, PAINTING, OTHER = (
    art.paint(name, 3, 96) for name in ("watercolor", "mosaic", "woodcut")
)
PHOTO = PHOTO[:80]


@contextlib.contextmanager
def running(parts):
    """The address of an app in a thread of its own."""
    listening = listen("127.0.0.1", 0)
    config = uvicorn.Config(create_app(parts), lifespan="on", log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def parts(site, model_path, tmp_path_factory):
    cin = tmp_path_factory.mktemp("model") / "cin.safetensors"
    save_model(cin, own_styles.make_file("cin"))
    offered = {"lite": offer("lite", model_path), "cin": offer("cin", cin)}
    return App(offered, jax.local_devices()[:1], site, limits=Limits())


@pytest.fixture(scope="module")
def served(parts):
    with running(parts) as url:
        yield url


@pytest.fixture(scope="module")
def computer(chromium, served):
    """A tab at the served page, its pictures made by this computer."""
    context = chromium.new_context(
        viewport={"width": 1300, "height": 900}, service_workers="block"
    )
    visit = Visit(context, served)
    visit.page.click("summary")
    visit.page.check("#remote")
    visit.open("photo", PHOTO)
    visit.open("painting", PAINTING)
    visit.size("own")
    yield visit
    sent = [url for url in visit.requests if not url.startswith("blob:")]
    hosts = {urllib.parse.urlsplit(url).netloc for url in sent}
    errors = visit.errors
    context.close()
    assert hosts == {urllib.parse.urlsplit(served).netloc}
    assert errors == []


def change(visit, control, value):
    """Fills a field of the card, or chooses one of a list."""
    field = visit.page.locator(f"#{control}")
    if field.evaluate("(e) => e.localName") == "select":
        field.select_option(value)
    else:
        field.fill(value)
        field.dispatch_event("change")
    visit.wait()


def made(stylized):
    return to_u8(stylized.array)


def test_a_static_page_offers_no_computer(visit):
    assert visit.page.locator("#remote-row").is_hidden()
    assert visit.page.locator("#computer").count() == 0


def test_the_served_page_is_isolated_so_that_threads_work(computer):
    assert computer.page.evaluate("self.crossOriginIsolated")


def test_pictures_are_those_of_the_library(computer, stylizer):
    assert "the machine that serves this page" in computer.page.inner_text(
        "#engine-hint"
    )
    expected = made(stylizer(PHOTO, PAINTING))
    np.testing.assert_array_equal(computer.result(), expected)
    computer.slide("alpha", 40)
    expected = made(stylizer(PHOTO, PAINTING, alpha=0.4))
    np.testing.assert_array_equal(computer.result(), expected)
    computer.slide("color-match", 0)
    expected = made(stylizer(PHOTO, PAINTING, alpha=0.4, color_match=0.0))
    np.testing.assert_array_equal(computer.result(), expected)
    computer.choose("colors", "photo")
    expected = made(stylizer(PHOTO, PAINTING, alpha=0.4, color="luminance"))
    np.testing.assert_array_equal(computer.result(), expected)
    computer.choose("colors", "style")
    computer.slide("color-match", 100)
    computer.slide("alpha", 100)


def test_controls_that_only_this_computer_has(computer, stylizer):
    change(computer, "computer-color", "lab")
    change(computer, "computer-exaggerate", "1.5")
    expected = made(stylizer(PHOTO, PAINTING, color="lab", exaggerate=1.5))
    np.testing.assert_array_equal(computer.result(), expected)
    change(computer, "computer-color", "")
    change(computer, "computer-exaggerate", "")


def test_a_model_with_styles_of_its_own(computer, parts):
    change(computer, "computer-model", "cin")
    change(computer, "computer-styles", "starry")
    cin = Stylizer.load(parts.offered["cin"].path)
    np.testing.assert_array_equal(computer.result(), made(cin(PHOTO, "starry")))
    change(computer, "computer-model", "lite")


def test_what_fails_is_said_in_words(computer):
    change(computer, "computer-level_balance", "0.5")
    assert "no control 'level_balance'" in computer.message()
    change(computer, "computer-level_balance", "")
    assert computer.message() == ""


def test_paintings_are_mixed_and_put_into_regions(computer, stylizer):
    page = computer.page
    page.click("#add-painting")
    page.locator(".slot").nth(1).wait_for()
    computer.wait()
    computer.open("painting", OTHER)
    expected = made(stylizer(PHOTO, [PAINTING, OTHER], weights=[0.5, 0.5]))
    np.testing.assert_array_equal(computer.result(), expected)
    computer.run(
        "(s) => { const { labels, width } = s.brush;"
        "labels.forEach((_, p) => { labels[p] = p % width < 30 ? 2 : 0; });"
        "s.brush.key = 'half' }"
    )
    page.check("#regions-on")
    computer.slide("feather", 0)
    left = np.repeat(np.arange(96)[None] < 30, 80, axis=0)
    looks = {"masks": [left, "rest"], "region_styles": [1, [0.5, 0.5]]}
    expected = made(stylizer(PHOTO, [PAINTING, OTHER], **looks))
    np.testing.assert_array_equal(computer.result(), expected)
    page.uncheck("#regions-on")
    computer.wait()
    page.click(".slot .remove >> nth=1")
    computer.wait()


def clip_of(folder, count):
    path = folder / "clip.mp4"
    write_clip(path, flat_frames([(k % 200, 90, 60) for k in range(count)]))
    return {"name": "clip.mp4", "mimeType": "video/mp4", "buffer": path.read_bytes()}


def told(page, words):
    """Waits until of the video this is said, or nothing for an empty text."""
    for _ in range(1200):
        said = page.inner_text("#computer-video-status")
        if words in said and bool(words) == bool(said):
            return
        page.wait_for_timeout(50)
    raise AssertionError(said)


def test_a_video_is_stylized_with_progress_and_saved(computer, tmp_path):
    page = computer.page
    page.fill("#computer-video-size", "48")
    computer.wait()
    with page.expect_download() as saved:
        page.set_input_files("#computer-video", clip_of(tmp_path, 4))
    saved.value.save_as(tmp_path / "out.mp4")
    frames, _, _ = read_clip(tmp_path / "out.mp4")
    assert np.shape(frames) == (4, 48, 64, 3)
    told(page, "Saved, 4 frames of 64")


def test_a_video_is_canceled(computer, tmp_path):
    page = computer.page
    page.set_input_files("#computer-video", clip_of(tmp_path, 3000))
    told(page, "of 3000")
    page.click("#computer-video-cancel")
    told(page, "")
    assert computer.message() == ""
    computer.slide("alpha", 90)  # the queue serves the next one
    assert "px, in" in page.inner_text("#status")


def test_an_app_that_has_ended_is_named_and_the_browser_goes_on(chromium, parts):
    context = chromium.new_context(service_workers="block")
    with running(parts) as url:
        visit = Visit(context, url)
        visit.page.click("summary")
        visit.page.check("#remote")
        visit.wait()
    visit.slide("alpha", 70)
    assert "styleflax serve has ended" in visit.message()
    visit.page.uncheck("#remote")
    visit.wait()
    assert visit.message() == ""
    context.close()
