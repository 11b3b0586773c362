"""Makes the pictures of docs/browser.md: the page in Chromium, light and dark.

make site
python tools/make_browser.py
"""

import functools
import http.server
import io
import shutil
import threading
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from styleflax.web.site import page_folder

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SHOTS = {
    "browser_light": (1400, 860, "light", 1000),
    "browser_dark": (390, 800, "dark", 390),
}
"""By file: width and height of the window, color scheme, width of the picture."""


class _Handler(http.server.SimpleHTTPRequestHandler):
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, *_: object) -> None:
        pass


def shoot(browser: Browser, address: str, name: str) -> None:
    """Saves the page as it looks when its first picture is there."""
    width, height, scheme, shown = SHOTS[name]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]
        service_workers="block",
    )
    page = context.new_page()
    page.goto(address)
    page.locator("#status:has-text(' px, in')").wait_for(timeout=300_000)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture = picture.resize((shown, round(shown * height / width)))
    picture.save(IMAGES / f"{name}.jpg", quality=80, optimize=True)
    context.close()


def main() -> None:
    """Writes all of them."""
    IMAGES.mkdir(exist_ok=True)
    handler = functools.partial(_Handler, directory=str(page_folder()))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-dev-shm-usage"],
        )
        for name in SHOTS:
            shoot(browser, f"http://127.0.0.1:{server.server_port}/", name)
        browser.close()
    server.shutdown()


if __name__ == "__main__":
    main()
