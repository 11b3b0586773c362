import numpy as np
import pytest
from PIL import Image

from styleflax.inference.contents import Stylized
from styleflax.inference.stylizer import Stylizer

CELL = 32


class Painter:
    """Makes pictures of one color: the style's first pixel."""

    def __init__(self):
        self.calls, self.masks = [], []

    num_devices = 1

    def expect(self, num_sizes):
        pass

    def watch(self, announce, on_window, on_step):
        pass

    def check_plan(self, plan):
        pass

    def prepare_style(self, style, color, size, mask, *, refine=False):
        self.calls.append(("prepare", color, size))
        self.masks.append(mask)
        if isinstance(style, np.ndarray):
            return style[0, 0]
        return np.array([0, 0, 255], np.uint8)

    def read_styles(self, styles, plan, masks):
        pairs = zip(styles, masks, strict=True)
        return [self.prepare_style(x, plan.color, plan.style_size, m) for x, m in pairs]

    def run(self, plan, styles, contents):
        self.calls.append(plan)
        color = np.mean(styles, axis=0, dtype=np.float32) / np.float32(255)
        return Stylized(np.ones((len(contents), 40, 40, 3), np.float32) * color)


@pytest.fixture
def painter(monkeypatch):
    painter = Painter()
    monkeypatch.setattr(Stylizer, "load", lambda _: painter)
    return painter


@pytest.fixture
def flat(tmp_path):
    """`flat(name, color)` -> path of a picture of one color."""

    def draw(name, color):
        Image.new("RGB", (20, 20), color).save(tmp_path / name)
        return tmp_path / name

    return draw


def cell(page, row, column):
    """The color in the middle of a cell: 4 px between, 18 px of caption below."""
    y = 4 + row * (CELL + 22) + CELL // 2
    x = 4 + column * (CELL + 4) + CELL // 2
    return tuple(int(v) for v in page[y, x])


def test_contents_stand_at_the_left_and_styles_above(command, painter, flat, tmp_path):
    photos = [flat("a.png", "lime"), flat("b.png", "black")]
    styles = [flat("s.png", "red"), flat("t.png", "yellow")]
    page = tmp_path / "new" / "page.png"
    code, output, _ = command(
        "sheet", *photos, "--style", *styles, "-o", page,
        "--cell", CELL, "--alpha", 0.5, "--color", "lab", "--style-size", 64,
        "--exaggerate", 2, "--size", 48,
    )  # fmt: skip
    assert (code, output) == (0, f"{page}\n")
    page = np.asarray(Image.open(page))
    lime, black, red = (0, 255, 0), (0, 0, 0), (255, 0, 0)
    yellow, white = (255, 255, 0), (255, 255, 255)
    assert [cell(page, 0, i) for i in range(3)] == [white, red, yellow]
    assert [cell(page, 1, i) for i in range(3)] == [lime, red, yellow]
    assert [cell(page, 2, i) for i in range(3)] == [black, red, yellow]
    assert (page[4 + CELL : 4 + CELL + 18] == 0).any()  # captions
    prepared = [call for call in painter.calls if call[0] == "prepare"]
    assert prepared == [("prepare", "lab", 64)] * 2  # every style once
    assert len(painter.calls) == 6
    call = painter.calls[1]
    assert (call.strengths, call.size) == ((0.5 * 2.0,), 48)


def test_a_style_file_has_no_picture_of_its_own(command, painter, flat, tmp_path):
    (tmp_path / "s.style").touch()
    page = tmp_path / "page.png"
    photo, painting = flat("a.png", "lime"), flat("b.png", "red")
    styles = ("--style", tmp_path / "s.style", "--style", painting)
    command("sheet", photo, *styles, "-o", page, "--cell", CELL)
    page = np.asarray(Image.open(page))
    assert cell(page, 0, 1) == (255, 255, 255)
    assert cell(page, 0, 2) == (255, 0, 0)
    assert cell(page, 1, 1) == (0, 0, 255)


def test_masks_and_mixes_are_those_of_stylize(command, painter, flat, tmp_path):
    styles = "--style", flat("s.png", "red"), "--style", flat("t.png", "blue")
    mask, page = flat("m.png", "white"), tmp_path / "page.png"
    given = ("sheet", flat("a.png", "lime"), *styles, "--cell", CELL, "--overwrite")
    looks = "--mask", mask, "--feather", 2, "--style-mask", f"{mask}:2"
    assert command(*given, *looks, "-o", page)[0] == 0
    call = painter.calls[1]
    assert call.mask_set.feather_px == 2
    assert painter.masks[0] is None
    assert painter.masks[1].tolist() == np.full((20, 20), 255).tolist()
    assert command(*given, "--blend", "1,1", "-o", page)[0] == 0
    page = np.asarray(Image.open(page))
    # One column, above which there is no painting, only names.
    assert page.shape[1] == 4 + 2 * (CELL + 4)
    y = 4 + 22 + CELL // 2  # below a row of captions
    assert page[y, 4 + CELL + 4 + CELL // 2].tolist() == [128, 0, 128]


def test_a_bad_photo_leaves_its_row_empty(command, painter, flat, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    photos = [flat("a.png", "lime"), tmp_path / "bad.png", flat("b.png", "black")]
    page = tmp_path / "page.png"
    style = "--style", flat("s.png", "red")
    code, said, error = command("sheet", *photos, *style, "-o", page, "--cell", CELL)
    assert (code, said) == (1, f"{page}\n")
    assert "1 of 3 results failed" in error
    assert "bad.png" in error
    page = np.asarray(Image.open(page))
    red = (255, 0, 0)
    assert cell(page, 1, 1) == red
    # A row without pictures is as high as its caption.
    y = 4 + 2 * (CELL + 22) + 22 + CELL // 2
    assert tuple(page[y, 4 + CELL + 4 + CELL // 2]) == red


def test_where_every_picture_fails_there_is_no_page(command, painter, flat, tmp_path):
    for name in ("x.png", "y.png"):
        (tmp_path / name).write_bytes(b"no picture")
    page = tmp_path / "page.png"
    photos, style = (tmp_path / "x.png", tmp_path / "y.png"), flat("s.png", "red")
    code, said, error = command("sheet", *photos, "--style", style, "-o", page)
    assert (code, said) == (1, "")
    assert "2 of 2 results failed" in error
    assert not page.exists()


def test_pictures_above_the_limit_are_refused(refuses, painter, flat, tmp_path):
    files = flat("a.png", "lime"), "--style", flat("s.png", "red")
    given = ("sheet", *files, "-o", tmp_path / "page.png")
    assert "at most 1e-05 megapixels" in refuses(*given, "--max-megapixels", 1e-5)


def test_mistakes_are_told_before_a_model_is_loaded(
    refuses, painter, flat, tmp_path, monkeypatch
):
    monkeypatch.setattr(Stylizer, "load", None)
    photo, style = flat("a.png", "lime"), flat("s.png", "red")
    given = ("sheet", photo, "--style", style, "-o")
    page = tmp_path / "page.png"
    assert "suffix must be one of" in refuses(*given, tmp_path / "page.pdf")
    assert "--cell must be at least 16 px" in refuses(*given, page, "--cell", 3)
    assert "size must be at least 16 px" in refuses(*given, page, "--size", 3)
    assert "alpha must be in [0, 1]" in refuses(*given, page, "--alpha", 1.5)
    assert "exaggerate must be above 1" in refuses(*given, page, "--exaggerate", 1)
    page.touch()
    assert "--overwrite" in refuses(*given, page)
    assert page.stat().st_size == 0
