"""What a person meets on the page: pictures, errors, no network, keys, phones."""

import urllib.parse

import numpy as np
import pytest
from page_visit import Visit, as_png, fetch
from PIL import Image

from styleflax import art

PHOTO = art.paint("watercolor", 5, 120)[:90]
LARGE = art.paint("mosaic", 5, 700)[:560]

DROP = """([selector, bytes, name]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
  const options = { dataTransfer: data, bubbles: true, cancelable: true };
  document.querySelector(selector).dispatchEvent(new DragEvent("drop", options));
}"""
PASTE = """([bytes, name]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
  const options = { clipboardData: data, bubbles: true };
  document.body.dispatchEvent(new ClipboardEvent("paste", options));
}"""


def wait_for(visit, code, wanted):
    for _ in range(600):
        if visit.run(code) == wanted:
            return visit.wait()
        visit.page.wait_for_timeout(50)
    raise AssertionError((visit.run(code), visit.message()))


def test_page_begins_with_a_picture_and_asks_no_other_host(visit, address):
    assert "px, in" in visit.page.inner_text("#status")
    hosts = {urllib.parse.urlsplit(url).netloc for url in visit.requests}
    assert hosts == {urllib.parse.urlsplit(address).netloc}
    assert not any("webgpu" in url or "asyncify" in url for url in visit.requests)


def test_samples_and_gallery(visit):
    visit.page.click("#photos button >> nth=1")
    wait_for(visit, "(s) => s.photo.name", "A cat")
    visit.page.click("#paintings button[title='Flow strokes']")
    wait_for(visit, "(s) => s.slots.current.name", "Flow strokes")
    pressed = visit.page.locator("#paintings button[aria-pressed=true]")
    assert pressed.count() == 1
    before = visit.run("(s) => s.slots.current.source")
    visit.page.click("#surprise")
    visit.page.wait_for_timeout(500)
    visit.wait()
    assert visit.run("(s) => s.slots.current.source") != before


def test_dropped_and_pasted_pictures(visit):
    data = list(as_png(PHOTO))
    visit.page.evaluate(DROP, ["#painting-card", data, "dropped.png"])
    wait_for(visit, "(s) => s.slots.current.name", "dropped.png")
    visit.page.evaluate(DROP, ["#stage", data, "photo.png"])
    wait_for(visit, "(s) => s.photo.name", "photo.png")
    visit.page.click("#photo-title")
    visit.page.evaluate(PASTE, [data, "pasted.png"])
    wait_for(visit, "(s) => s.photo.name", "pasted.png")
    visit.page.click("#painting-title")
    visit.page.evaluate(PASTE, [data, "pasted painting.png"])
    wait_for(visit, "(s) => s.slots.current.name", "pasted painting.png")


def test_camera(visit):
    visit.page.click("#camera")
    visit.page.wait_for_timeout(1500)  # until the drawn camera has a picture
    visit.page.click("#camera-take")
    wait_for(visit, "(s) => s.photo.name", "camera.png")
    assert not visit.page.locator("#camera-dialog").is_visible()


def test_up_to_four_paintings(visit):
    while visit.page.locator("#add-painting").count():
        count = visit.run("(s) => s.slots.all.length")
        visit.page.click("#add-painting")
        wait_for(visit, "(s) => s.slots.all.length", count + 1)
    assert visit.run("(s) => s.slots.all.length") == 4
    while visit.page.locator(".slot .remove").count():
        visit.page.locator(".slot .remove").first.click()
        visit.wait()
    assert visit.run("(s) => s.slots.all.length") == 1
    assert visit.message() == ""


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"no picture", "cannot be opened as an image"),
        (as_png(LARGE)[:2000], "damaged, too large for this browser, or of a format"),
        (as_png(PHOTO[:9, :9]), "must have at least 16"),
    ],
)
@pytest.mark.parametrize("which", ["photo", "painting"])
def test_broken_files_are_refused_in_words(visit, which, data, words):
    before = visit.run("(s) => [s.photo.name, s.slots.current.name]")
    visit.open(which, data, "broken.png")
    assert words in visit.message()
    assert visit.run("(s) => [s.photo.name, s.slots.current.name]") == before
    visit.page.click("#message-close")
    visit.slide("alpha", 90)
    assert visit.message() == ""


def test_large_pictures_are_previewed_then_made_and_can_be_cancelled(visit):
    large = np.asarray(Image.fromarray(LARGE).resize((1400, 1120)))
    visit.open("photo", large, "large.png")
    visit.size("own")
    assert visit.page.inner_text("#status").startswith("Preview")
    visit.page.click("#make")
    visit.page.locator("#progress").wait_for(state="visible")
    visit.page.click("#cancel")
    visit.page.locator("#status:has-text('Stopped.')").wait_for()
    assert visit.page.locator("#progress").is_hidden()
    assert visit.page.locator("#make").is_visible()
    assert visit.message() == ""
    visit.size(256)
    assert visit.page.inner_text("#status").startswith("320 ")


def test_a_large_picture_that_is_made_is_not_offered_again(visit):
    make, usual = visit.page.locator("#make"), visit.run("(s) => s.manifest.live_px")
    visit.run("(s) => { s.manifest.live_px = 5000; }")
    visit.open("photo", PHOTO, "photo.png")
    assert make.is_visible()
    assert visit.result().shape == PHOTO.shape
    assert make.is_hidden()
    visit.slide("alpha", 75)
    assert make.is_visible()
    visit.run("(s, usual) => { s.manifest.live_px = usual; }", usual)


def test_before_and_after(visit):
    visit.slide("compare", 50)
    assert visit.page.locator("#divider").is_visible()
    box = visit.page.locator("#stage").bounding_box()
    visit.page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 50)
    assert abs(float(visit.page.input_value("#compare")) - 25) < 2
    visit.slide("compare", 0)


def test_style_files_are_those_of_the_library(visit, stylizer, tmp_path):
    painting = np.ascontiguousarray(art.paint("cutouts", 3, 90)[:70])
    visit.open("photo", PHOTO, "photo.png")
    visit.open("painting", painting, "Bäume.png")
    visit.slide("alpha", 100)
    expected = visit.result()
    by_page, by_library = tmp_path / "page.style", tmp_path / "library.style"
    by_page.write_bytes(visit.saved_style())
    made = stylizer(PHOTO, by_page)  # which checks the digest and the model
    assert np.abs(np.rint(made.array * 255) - expected).max() <= 2
    stylizer.save_style(painting, by_library)
    visit.open("painting", by_library.read_bytes(), "library.style")
    assert visit.message() == ""
    assert np.abs(visit.result().astype(int) - expected).max() <= 1
    damaged = bytearray(by_library.read_bytes())
    damaged[-5] ^= 1
    visit.open("painting", bytes(damaged), "damaged.style")
    assert "damaged" in visit.message()


def test_everything_has_a_name_and_can_be_reached_by_keys(visit):
    nameless = visit.page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, canvas")]
        .filter((e) => !(e.ariaLabel || e.textContent.trim() || e.labels?.length
          || e.querySelector("img[alt]")?.alt)).map((e) => e.outerHTML)"""
    )
    assert nameless == []
    visit.page.evaluate("() => document.activeElement.blur()")
    reached = set()
    for _ in range(60):
        visit.page.keyboard.press("Tab")
        reached.add(visit.page.evaluate("() => document.activeElement.id"))
    outlined = visit.page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, a, summary")]
        .filter((e) => getComputedStyle(e).outlineStyle === "solid")
        .map((e) => e === document.activeElement)"""
    )
    assert outlined == [True]  # the choice among samples looks otherwise
    wanted = {"compare", "download", "photo-file", "camera", "painting-file", "alpha"}
    assert wanted | {"surprise", "size", "regions-on", "licenses-open"} <= reached


def test_licenses_are_shown(visit):
    visit.page.click("#licenses-open")
    visit.page.locator("#licenses-text pre").wait_for()
    text = visit.page.inner_text("#licenses-text")
    for words in ("Apache License", "Microsoft Corporation", "CC0", "Soumith Chintala"):
        assert words in text
    visit.page.click("#licenses form button")
    assert not visit.page.locator("#licenses").is_visible()


def test_memory_that_ran_out_is_told_with_what_to_do(visit):
    words = visit.page.evaluate(
        """async () => (await import("./errors.js")).inWords(
        new RangeError("Array buffer allocation failed"), "painting")"""
    )
    assert "not enough memory" in words
    assert "smaller size" in words


def test_messages_are_in_view_wherever_the_page_is_scrolled_to(visit):
    visit.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    visit.open("photo", b"no picture", "broken.png")
    box, height = visit.page.locator("#message").bounding_box(), 900
    visit.page.click("#message-close")
    assert 0 <= box["y"] < height - box["height"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_small_screen(chromium, address, scheme):
    context = chromium.new_context(
        viewport={"width": 300, "height": 600},
        color_scheme=scheme,
        service_workers="block",
    )
    visit = Visit(context, address)
    widths = visit.page.evaluate(
        "() => [document.documentElement.scrollWidth, innerWidth]"
    )
    assert widths[0] <= widths[1]
    assert visit.errors == []
    context.close()


def test_without_a_network_after_the_first_visit(chromium, address):
    context = chromium.new_context()
    visit = Visit(context, address)
    visit.page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    context.set_offline(True)
    visit.page.reload()
    visit.wait()
    assert "px, in" in visit.page.inner_text("#status")
    assert visit.page.evaluate(
        "() => crossOriginIsolated"
    )  # so that it may have threads
    assert visit.message() == ""
    assert visit.errors == []
    context.close()


def test_missing_webgpu_is_told_and_the_processor_goes_on(visit):
    visit.page.click("summary")
    visit.page.click("#gpu")
    visit.page.locator("#message").wait_for(state="visible")
    assert "no WebGPU here. The processor goes on" in visit.message()
    assert not visit.page.is_checked("#gpu")
    visit.slide("alpha", 80)
    assert visit.message() == ""


FAKE = """
import * as real from "./ort.wasm.min.mjs";
export * from "./ort.wasm.min.mjs";
export const env = real.env;
export const InferenceSession = {
  async create(bytes) {
    const session = await real.InferenceSession.create(bytes);
    const run = session.run.bind(session);
    session.run = async (feeds) => {
      const outputs = await run(feeds);
      for (const value of Object.values(outputs)) FAULT;
      return outputs;
    };
    return session;
  },
};
"""


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("value.data[7] += 0.5", "results differ from the processor"),
        ("value.data.fill(NaN)", "results differ from the processor"),
        ("throw new Error('device lost')", "device lost"),
        ("value.data[7] += 0", ""),
    ],
)
def test_faked_graphics_card(chromium, address, fault, words):
    context = chromium.new_context(service_workers="block")

    def adapter(route):
        adapter = "Object.defineProperty(navigator, 'gpu', { value: { "
        adapter += "requestAdapter: async () => ({}) } });\n"
        route.fulfill(
            body=adapter + fetch(address, "worker.js"), content_type="text/javascript"
        )

    context.route("**/worker.js", adapter)
    fake = FAKE.replace("FAULT", fault)
    context.route(
        "**/ort.webgpu.min.mjs",
        lambda route: route.fulfill(body=fake, content_type="text/javascript"),
    )
    visit = Visit(context, address)
    visit.page.click("summary")
    visit.page.click("#gpu")
    if words:
        visit.page.locator("#message").wait_for(state="visible")
        assert words in visit.message()
        assert not visit.page.is_checked("#gpu")
    else:
        visit.page.locator("#engine-hint:has-text('graphics card')").wait_for()
    visit.slide("alpha", 70)
    assert "px, in" in visit.page.inner_text("#status")
    context.close()
