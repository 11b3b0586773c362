"""Makes the pictures of docs/browser.md: the page in Chromium, light and dark.

make site
python -m tools.make_browser
"""

import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

from benchmarks.browser import served_page
from styleflax.web.site import page_folder

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SHOTS = {
    "browser_light": (1400, 860, "light", 1000),
    "browser_dark": (390, 800, "dark", 390),
}
"""By file: width and height of the window, color scheme, width of the picture."""


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
    with served_page(page_folder()) as (browser, address):
        for name in SHOTS:
            shoot(browser, address, name)


if __name__ == "__main__":
    main()
