import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from styleflax.evaluation import report
from styleflax.evaluation.report import formatting as extras
from styleflax.evaluation.report import write_report
from styleflax.evaluation.report.formatting import ABSENT
from styleflax.evaluation.report.write import flatten

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Reader(HTMLParser):
    """Checks that tags close in order, and keeps what a test asks for."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.links, self.ids = [], [], [], []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in {"src", "href", "xlink:href"}]
        self.ids += [v for k, v in attrs if k == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def text(out):
    return (out / "report.html").read_text("utf-8")


@pytest.fixture(scope="module")
def page(text):
    reader = Reader()
    reader.feed(text)
    reader.close()
    return reader


def test_tags_are_balanced_and_no_id_stands_twice(page):
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))


def test_page_refers_to_nothing_outside_of_it(page, text):
    assert page.links
    assert all(link.startswith(("#", "data:image/jpeg;base64,")) for link in page.links)
    assert {link[1:] for link in page.links if link[0] == "#"} <= set(page.ids)
    assert set(re.findall(r"url\(#([^)]*)\)", text)) <= set(page.ids)
    assert "http" not in text
    assert "@import" not in text
    assert not {"script", "link", "iframe", "object"} & set(page.tags)


def test_names_are_escaped_wherever_they_stand(page, text):
    assert "<script" not in text
    assert "<script>alert(1)</script>" in page.text  # in a caption
    assert "lite <script>$x$" in page.text
    assert "<b>&" in page.text  # in the settings


def test_absent_values_are_dashes_and_never_nan(page):
    words = page.text.split()
    assert ABSENT in words
    assert not {"nan", "NaN", "inf", "-inf", "None"} & set(words)


def test_both_color_schemes_are_there_and_plots_take_the_texts_color(text):
    assert "@media (prefers-color-scheme: dark)" in text
    assert "color-scheme: light dark" in text
    assert text.count("<svg") == 2
    assert "currentColor" in text
    assert "#000000" not in text


def test_plots_show_each_strength_and_name(text):
    plot = text[text.index("<svg") : text.index("</svg>")]
    assert "lite &lt;script&gt;$x$" in plot
    assert ">0.5<" in plot
    assert "content (baseline)" in plot


def test_contact_sheet_and_extremes_show_the_pictures(page):
    sheets = [link for link in page.links if link.startswith("data:")]
    pictures = [
        Image.open(io.BytesIO(base64.b64decode(link.partition(",")[2])))
        for link in sheets
    ]
    assert len(pictures) == 1 + 2 + 2  # of four pairs, the best two and worst two
    assert pictures[0].width == 3 * 148 + 4
    triple = np.asarray(pictures[1])
    middle = triple[triple.shape[0] // 2]
    found = [middle[4 + 80 + i * 164].mean() for i in range(3)]
    np.testing.assert_allclose(found, [127.5, 127.5, 0], atol=3)


def test_what_is_missing_is_explained(page):
    assert "ArtFID is missing" in page.text
    assert "values of another network" not in page.text
    assert "fewer than 5,000 images are biased" in page.text
    assert "MS-SSIM is missing" not in page.text
    assert "No images were written of adain at 0.5" in page.text


def test_every_metric_is_explained(page):
    assert "Hellinger" not in page.text  # there is no Lab distance
    assert "perceptual distance from the content" in page.text


def test_page_is_the_same_for_the_same_numbers(make_rows, tmp_path, text):
    texts = []
    for _ in range(2):
        path = write_report(tmp_path, make_rows("a", 1.0, 0.5)[:1], {}, {})
        texts.append(re.sub(r"Written .* by", "", path.read_text("utf-8")))
    assert texts[0] == texts[1]
    assert [path.name for path in tmp_path.iterdir() if path.name[0] == "."] == []


def test_pictures_of_the_baselines_stand_in_for_the_inputs(make_rows, tmp_path):
    Image.new("RGB", (16, 16), "red").save(tmp_path / "p.png")
    rows = make_rows("a", 1.0, 0.5)[:1] + make_rows("content", None, 1.0)[:1]
    rows = [row._replace(picture="p.png") for row in rows]
    gallery = report.Gallery(tmp_path, rows)
    assert gallery.input("content", rows[0].content, 8).shape == (8, 8, 3)
    assert gallery.input("style", rows[0].style, 8) is None


def test_a_picture_that_is_gone_leaves_a_gap(make_rows, tmp_path):
    rows = [row._replace(picture="no.png") for row in make_rows("a", 1.0, 0.5)[:1]]
    assert write_report(tmp_path, rows, {}, {}).exists()


def test_no_rows_are_a_mistake(tmp_path):
    with pytest.raises(ValueError, match="rows must have at least one"):
        write_report(tmp_path, [], {}, {})


def test_without_the_extra_the_numbers_are_still_written(
    make_rows, tmp_path, monkeypatch
):
    monkeypatch.setattr(extras, "PACKAGES", ("jinja2", "no_such_package"))
    with pytest.raises(ImportError, match=r'no_such_package: .*"styleflax\[eval\]"'):
        write_report(tmp_path, make_rows("a", 1.0, 0.5)[:1], {}, {})
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"results.json", "pairs.csv", "identity.csv", "results.md"}


def test_settings_are_flattened():
    settings = {"a": {"b": 1, "c": [1, 2]}, "d": [{"e": None}], "f": True}
    assert list(flatten(settings)) == [
        ("a.b", "1"),
        ("a.c", "1, 2"),
        ("d.0.e", "none"),
        ("f", "yes"),
    ]
