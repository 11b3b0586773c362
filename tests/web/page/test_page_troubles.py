"""What goes wrong on the page, and what a person who is quick does to it."""

import shutil

import numpy as np
from page_visit import Visit, as_png, fetch, serving

from styleflax import art

PHOTO = np.ascontiguousarray(art.paint("watercolor", 5, 340)[:300, :300])
NO_MEMORY = 'throw new RangeError("Array buffer allocation failed");'
RENDER = "export async function render(seen, look, watch) {"
CONTROLLED = """() => new Promise((done) => {
  const { serviceWorker } = navigator;
  if (serviceWorker.controller) done();
  serviceWorker.addEventListener("controllerchange", () => done());
})"""
DECODE = "export async function decodePicture(blob) {"


def replace(context, address, name, line, fault, spared=0):
    """Puts a fault after a line of the page's source, but for the first requests."""
    source = fetch(address, name)
    assert line in source
    answers = [source] * spared

    def answer(route):
        body = answers.pop() if answers else source.replace(line, line + fault)
        route.fulfill(body=body, content_type="text/javascript")

    context.route(f"**/{name}", answer)


def wait_for_message(visit, words):
    visit.page.locator(f"#message-text:has-text('{words}')").wait_for()


def test_after_memory_ran_out_a_smaller_size_is_painted(chromium, address):
    context = chromium.new_context(service_workers="block")
    fault = f"if (seen.height > 280) {NO_MEMORY}"
    replace(context, address, "render.js", RENDER, fault)
    visit = Visit(context, address)
    visit.slide("color-match", 40)
    visit.open("photo", PHOTO, "photo.png")
    assert "not enough memory while painting. Choose a smaller" in visit.message()
    wait_for_message(
        visit, "Memory ran out, and the work was stopped. Choose a smaller"
    )
    assert visit.page.inner_text("#status") == "The result could not be painted."
    visit.page.click("#message-close")
    visit.size(256)
    assert visit.page.inner_text("#status").startswith("256 ")
    assert visit.page.inner_text("#color-match-value") == "40 %"
    assert (visit.message(), visit.errors) == ("", [])
    context.close()


def test_after_memory_ran_out_for_a_photo_the_shown_picture_is_saved(chromium, address):
    context = chromium.new_context(service_workers="block")
    fault = f"if (blob.size > 2e5) {NO_MEMORY}"
    replace(context, address, "pictures.js", DECODE, fault)
    visit = Visit(context, address)
    visit.open("photo", PHOTO[:60, :80], "small.png")
    expected = visit.result()
    noise = np.random.default_rng(0).integers(0, 256, PHOTO.shape, np.uint8)
    visit.open("photo", noise, "large.png")
    assert "not enough memory while opening the photo" in visit.message()
    wait_for_message(
        visit, "Memory ran out, and the work was stopped. Choose a smaller"
    )
    np.testing.assert_array_equal(visit.result(), expected)
    context.close()


def test_a_picture_of_too_many_pixels_is_refused(chromium, address):
    context = chromium.new_context(service_workers="block")
    replace(context, address, "pictures.js", "MAX_PX = 100e6", " / 1e3")
    visit = Visit(context, address)
    visit.open("photo", np.zeros((320, 320, 3), np.uint8), "large.png")
    assert (
        "at most 100 million pixels, got 0 million. Make it smaller" in visit.message()
    )
    assert visit.run("(s) => s.photo.name") != "large.png"
    context.close()


def test_memory_that_runs_out_again_ends_in_words_not_in_a_circle(chromium, address):
    context = chromium.new_context(service_workers="block")
    fault = f"if (seen.height > 280) {NO_MEMORY}"
    replace(context, address, "render.js", RENDER, fault)
    replace(context, address, "pictures.js", DECODE, NO_MEMORY, spared=1)
    visit = Visit(context, address)
    visit.open("photo", PHOTO, "photo.png")
    wait_for_message(visit, "Close other tabs, and reload")
    visit.page.wait_for_timeout(500)
    assert sum(url.endswith("/worker.js") for url in visit.requests) <= 3
    assert "Close other tabs, and reload" in visit.message()
    context.close()


def test_a_painting_that_is_opened_while_the_model_loads_stays(chromium, address):
    context = chromium.new_context(service_workers="block")
    held = []

    def hold(route):
        held.append(route)

    context.route("**/encoder.onnx", hold)
    page = context.new_page()
    page.goto(address)
    page.locator("#photos button[aria-pressed=true]").wait_for()
    while not held:
        page.wait_for_timeout(20)
    file = {"name": "own.png", "mimeType": "image/png", "buffer": as_png(PHOTO)}
    page.set_input_files("#painting-file", file)
    held[0].continue_()
    page.locator("#status:has-text('px, in')").wait_for()
    page.wait_for_timeout(300)
    assert page.locator(".slot .name").all_inner_texts() == ["1. own.png"]
    context.close()


def test_quick_clicks_add_four_different_paintings_at_most(visit):
    visit.page.evaluate(
        "() => { const add = document.getElementById('add-painting');"
        "for (let i = 0; i < 6; i++) add.click(); }"
    )
    visit.wait()
    sources = visit.run("(s) => s.slots.all.map((slot) => slot.source)")
    assert len(sources) == len(set(sources)) == 4


def test_a_model_that_cannot_be_retained_for_later_works_now(chromium, site, tmp_path):
    full = shutil.copytree(site, tmp_path / "site")
    worker = full / "sw.js"
    fault = 'Cache.prototype.put = async () => { throw new Error("no room"); };\n'
    worker.write_text(fault + worker.read_text())
    context = chromium.new_context()
    with serving(full) as address:
        visit = Visit(context, address)
        visit.page.evaluate(CONTROLLED)
        visit.page.click("summary")
        visit.page.select_option("#model", "adain")
        visit.wait()
        assert visit.run("(s) => s.manifest.method") == "adain"
        assert visit.message() == ""
    context.close()


def test_a_file_that_cannot_be_loaded_is_named(chromium, address):
    context = chromium.new_context(service_workers="block")
    visit = Visit(context, address)
    context.route("**/photos/*", lambda route: route.abort())
    visit.page.click("#photos button >> nth=1")
    wait_for_message(visit, "could not be loaded")
    assert "online" in visit.message()
    context.close()
