"""The page served by the app, with this computer's models behind it."""

import contextlib
import threading
import urllib.parse

import jax
import numpy as np
import own_styles
import pytest
import uvicorn
from page_visit import Visit, as_png
from tiny_clips import flat_frames, read_clip, write_clip

from styleflax import Stylizer, art
from styleflax.images.files import to_u8
from styleflax.inference.contents import rounded
from styleflax.inference.gatys import optimize_picture, pictures, presets, refine
from styleflax.web.limits import Limits
from styleflax.web.offers import offer
from styleflax.web.options import Options
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
def parts(site, model_path, model_paths, tmp_path_factory):
    cin = tmp_path_factory.mktemp("model") / "cin.safetensors"
    save_model(cin, own_styles.make_file("cin"))
    paths = {"lite": model_path, "cin": cin, "sanet": model_paths["sanet"]}
    offered = {name: offer(name, path) for name, path in paths.items()}
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
    opened = "document.querySelectorAll('.group').forEach((e) => (e.open = true))"
    visit.page.evaluate(opened)
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
    computer.choose("colors", "luminance")
    expected = made(stylizer(PHOTO, PAINTING, alpha=0.4, color="luminance"))
    np.testing.assert_array_equal(computer.result(), expected)
    computer.choose("colors", "style")
    computer.slide("color-match", 100)
    computer.slide("alpha", 100)


def test_controls_that_only_this_computer_has(computer, stylizer):
    computer.choose("colors", "lab")
    change(computer, "computer-exaggerate", "1.5")
    expected = made(stylizer(PHOTO, PAINTING, color="lab", exaggerate=1.5))
    np.testing.assert_array_equal(computer.result(), expected)
    computer.choose("colors", "style")
    change(computer, "computer-exaggerate", "")


def as_file(array, name="mask.png"):
    return {"name": name, "mimeType": "image/png", "buffer": as_png(array)}


def choose_files(visit, control, files):
    visit.page.set_input_files(f"#{control}", files)
    visit.wait()


def test_the_part_of_a_painting_that_counts(computer, stylizer):
    part = np.zeros(PAINTING.shape[:2], np.uint8)
    part[10:50, 20:70] = 255
    choose_files(computer, "computer-part-1", as_file(part))
    expected = made(stylizer(PHOTO, PAINTING, style_masks=[part]))
    np.testing.assert_array_equal(computer.result(), expected)
    choose_files(computer, "computer-part-1", [])


def test_regions_of_mask_files_and_labels(computer, stylizer):
    left = np.where(np.arange(96)[None] < 40, 255, 0) * np.ones((80, 1))
    left = left.astype(np.uint8)
    change(computer, "computer-regions", "files")
    assert "Choose the mask files first" in computer.message()
    choose_files(computer, "computer-masks", as_file(left))
    change(computer, "computer-elsewhere", "photo")
    expected = made(stylizer(PHOTO, PAINTING, masks=[left]))
    np.testing.assert_array_equal(computer.result(), expected)
    choose_files(computer, "computer-masks", as_file(left // 255 * 3))
    change(computer, "computer-labels", "3")
    change(computer, "computer-regions", "labels")
    np.testing.assert_array_equal(computer.result(), expected)
    change(computer, "computer-feather", "6")
    expected = made(stylizer(PHOTO, PAINTING, masks=[left], feather=6))
    np.testing.assert_array_equal(computer.result(), expected)
    change(computer, "computer-feather", "0")
    change(computer, "computer-elsewhere", "mix")
    change(computer, "computer-regions", "")


def test_the_result_as_another_file(computer):
    change(computer, "computer-format", "jpg")
    with computer.page.expect_download() as saved:
        computer.page.click("#download:has-text('Download JPG')")
    assert saved.value.suggested_filename.endswith(".jpg")
    assert saved.value.path().read_bytes()[:3] == b"\xff\xd8\xff"
    change(computer, "computer-format", "png")


@pytest.fixture
def narrow_gatys(monkeypatch, make_model_file):
    """Optimization that sees through a network of a few channels."""
    encoder = make_model_file("sanet").encoder_params
    for module in (pictures, refine):
        monkeypatch.setattr(module, "load_gatys_encoder", lambda *_: encoder)


def test_optimization_by_a_preset(computer, narrow_gatys):
    change(computer, "computer-iterations", "2")
    change(computer, "computer-preset", "neural-style")
    change(computer, "computer-style_weight", "5")
    change(computer, "computer-kind", "gatys")
    preset = presets.PRESETS["neural-style"]
    objective = preset.objective._replace(style_weight=5.0)
    settings = preset._replace(objective=objective, iterations=(2,))
    expected = optimize_picture(PHOTO, PAINTING, settings).picture.array
    assert np.abs(computer.result() - rounded(expected).astype(int)).max() <= 1
    assert computer.message() == ""
    change(computer, "computer-kind", "picture")
    change(computer, "computer-style_weight", "")


def test_refinement_follows_the_network(computer, stylizer, narrow_gatys):
    change(computer, "computer-refine", "2")
    expected = made(stylizer(PHOTO, PAINTING, refine=2))
    assert np.abs(computer.result() - expected.astype(int)).max() <= 1
    assert np.abs(expected - made(stylizer(PHOTO, PAINTING)).astype(int)).max() > 1
    change(computer, "computer-refine", "")


def test_style_files_of_sanet(computer, parts, tmp_path):
    sanet = Stylizer.load(parts.offered["sanet"].path)
    sanet.save_style(PAINTING, tmp_path / "sanet.style")
    change(computer, "computer-model", "sanet")
    computer.open("painting", (tmp_path / "sanet.style").read_bytes(), "sanet.style")
    expected = made(sanet(PHOTO, PAINTING))
    np.testing.assert_array_equal(computer.result(), expected)
    assert computer.message() == ""
    computer.open("painting", PAINTING)
    change(computer, "computer-model", "lite")


def test_every_control_of_the_api_is_on_the_page(computer):
    in_look = {"alpha", "color", "color_match", "size"}
    of_paintings = {"shares", "style_masks"}
    found = "(name) => Boolean(document.getElementById(`computer-${name}`))"
    known = set(Options.model_fields)
    in_card = {name for name in known if computer.page.evaluate(found, name)}
    assert known == in_card | in_look | of_paintings


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


def test_keyframes_of_a_video(computer, tmp_path):
    page, keys = computer.page, "#computer-keyframes"
    page.click("#add-painting")
    page.locator(".slot").nth(1).wait_for()
    computer.wait()
    page.fill(keys, "0: 1")
    page.set_input_files("#computer-video", clip_of(tmp_path, 4))
    page.locator("#message:has-text('one per style, got 1')").wait_for()
    page.fill(keys, "soon: 1 0")
    page.set_input_files("#computer-video", clip_of(tmp_path, 4))
    page.locator("#message:has-text('A keyframe must be seconds, a colon')").wait_for()
    page.fill(keys, "0: 1 0\n0.1: 0 1")
    page.uncheck("#computer-sound")
    with page.expect_download() as saved:
        page.set_input_files("#computer-video", clip_of(tmp_path, 4))
    saved.value.save_as(tmp_path / "out.mp4")
    frames = np.asarray(read_clip(tmp_path / "out.mp4")[0], int)
    assert np.abs(frames[3] - frames[0]).max() > 20
    page.fill(keys, "")
    page.click(".slot .remove >> nth=1")
    computer.wait()


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
    assert "styleflax serve is no longer running" in visit.message()
    visit.page.uncheck("#remote")
    visit.wait()
    assert visit.message() == ""
    context.close()
