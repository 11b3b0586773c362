"""The page in Chromium on one thread: seconds and the tab's memory, against its bars.

    make site
    python -m benchmarks.browser

Needs Debian's Chromium and playwright. Each time is the least of several runs, so that
what else the machine does counts less.
"""

import argparse
import contextlib
import functools
import http.server
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from styleflax.web.site import page_folder

BARS = {
    "lite, 256 px, s": 0.7,
    "lite, 512 px, s": 2.5,
    "strength change at 256 px, s": 0.35,
    "tab's memory at 2048 px, MB": 1500.0,
}
MEASURE = """async ([size, runs]) => {
  const { state } = await import("./state.js");
  const draw = async (seed) => {
    const canvas = new OffscreenCanvas(size, size);
    const context = canvas.getContext("2d");
    for (let i = 0; i < 400; i++) {
      context.fillStyle = `hsl(${(i * 47 * seed) % 360} 60% ${20 + (i * 31) % 60}%)`;
      const at = (k) => (((i + 1) * k * seed) % 97) / 97 * size;
      context.fillRect(at(13), at(29), size / 7, size / 9);
    }
    return canvas.convertToBlob();
  };
  const { engine } = state;
  const request = { size: null, paintings: ["bench"], weights: [1], alpha: 1,
    colorMatch: 1, photoColors: false, detail: 1, regions: null };
  const times = { all: [], strength: [] };
  for (let run = 0; run < runs; run++) {
    await engine.ask("photo", { blob: await draw(3 + run) });
    await engine.ask("painting", { id: "bench", blob: await draw(5 + run) });
    const timed = async (alpha) => {
      const begun = performance.now();
      await engine.ask("render", { ...request, alpha });
      return (performance.now() - begun) / 1000;
    };
    times.all.push(await timed(1));
    if (size > 512) continue;
    await timed(0.5);
    times.strength.push(await timed(0.7));
  }
  return times;
}"""


class _Handler(http.server.SimpleHTTPRequestHandler):
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def served_page(folder: Path) -> Iterator[tuple[Any, str]]:
    """Chromium, and the address at which it finds the page of a folder."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415

    handler = functools.partial(_Handler, directory=str(folder))
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        sync_playwright() as started,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = started.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-dev-shm-usage"],
        )
        yield browser, f"http://127.0.0.1:{server.server_port}/"
        browser.close()
        server.shutdown()


def measure(page: Any, size: int, runs: int) -> dict[str, list[float]]:
    """Seconds of two encodings and a decoding, and of a change of strength."""
    return page.evaluate(MEASURE, [size, runs])


def peak_megabytes(browser: Any) -> float:
    """The largest memory that any tab's process has had."""
    session = browser.new_browser_cdp_session()
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    peaks = []
    for process in found:
        status = Path(f"/proc/{process['id']}/status")
        if process["type"] == "renderer" and status.is_file():
            lines = dict(x.split(":", 1) for x in status.read_text().splitlines())
            peaks.append(int(lines["VmHWM"].split()[0]) / 1024)
    return max(peaks)


def run(folder: Path, runs: int, large: int) -> dict[str, float]:
    """The numbers that `BARS` limits.

    Args:
        folder: The folder of the page.
        runs: How often each is measured.
        large: Side in px of the picture whose memory is measured.
    """
    with served_page(folder) as (browser, address):
        page = browser.new_context(service_workers="block").new_page()
        page.goto(f"{address}?threads=1")
        page.locator("#status:has-text(' px, in')").wait_for(timeout=120_000)
        small, middle = measure(page, 256, runs), measure(page, 512, runs)
        print(f"{large} px: {measure(page, large, 1)['all'][0]:.1f} s", flush=True)
        numbers = (
            *(min(small["all"]), min(middle["all"]), min(small["strength"])),
            peak_megabytes(browser),
        )
    return dict(zip(BARS, numbers, strict=True))


def main() -> None:
    """Prints the numbers and their bars; exits with 1 if one is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--folder",
        type=Path,
        help="Folder of a page. Default: the page of this checkout.",
    )
    parser.add_argument(
        "--runs", type=int, default=5, help="Number of measurements of each value."
    )
    parser.add_argument(
        "--large", type=int, default=2048, help="Side of the large image in px."
    )
    given = parser.parse_args()
    numbers = run(given.folder or page_folder(), given.runs, given.large)
    for name, value in numbers.items():
        print(f"| {name} | {value:.2f} | at most {BARS[name]:g} |")
    sys.exit(any(value > BARS[name] for name, value in numbers.items()))


if __name__ == "__main__":
    main()
