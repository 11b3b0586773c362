"""Jobs of the app give what the library gives."""

import io

import jax
import numpy as np
import pytest
from app_client import encoded, png
from PIL import Image

from styleflax.images.read import read_picture
from styleflax.inference.gatys import Settings, optimize_picture, pictures, presets
from styleflax.inference.stylizer import Stylizer
from styleflax.web import work

PHOTO, PHOTO_U8 = png(40, 32, seed=1)
ONE, ONE_U8 = png(seed=2)
TWO, TWO_U8 = png(24, 36, seed=3)
LEFT_U8 = np.repeat(np.where(np.arange(32) < 16, 255, 0)[None], 40, 0).astype(np.uint8)
LEFT = encoded(Image.fromarray(LEFT_U8))
LABELS = encoded(Image.fromarray(np.where(LEFT_U8 > 0, 3, 7).astype(np.uint8)))


@pytest.fixture(scope="module")
def adain(model_path):
    return Stylizer.load(model_path)


def rounded(stylized):
    return np.asarray(stylized.to_pillow())


CONTROLS = [
    {},
    {"alpha": 0.4, "detail": 1.0},
    {"exaggerate": 1.5},
    {"color": "coral"},
    {"color": "lab"},
    {"color_match": 1.0},
    {"size": 24, "restore_size": True},
    {"style_size": 20},
]


@pytest.mark.parametrize("controls", CONTROLS, ids=str)
def test_a_picture_is_what_the_stylizer_makes(client, adain, controls):
    found = client.picture({"kind": "picture", **controls}, content=PHOTO, style=ONE)
    np.testing.assert_array_equal(found, rounded(adain(PHOTO_U8, ONE_U8, **controls)))


def test_styles_are_mixed_by_their_shares(client, adain):
    options = {"kind": "picture", "shares": [0.3, 0.7], "styles": [1, 0]}
    found = client.picture(options, content=PHOTO, style=[ONE, TWO])
    expected = adain(PHOTO_U8, [TWO_U8, ONE_U8], weights=[0.3, 0.7])
    np.testing.assert_array_equal(found, rounded(expected))


def test_regions_get_their_styles_and_strengths(client, adain):
    regions = [{"mask": 0, "style": 1, "alpha": 0.5}, {"mask": "rest", "style": 0}]
    options = {"kind": "picture", "regions": regions, "feather": 2.0}
    found = client.picture(options, content=PHOTO, style=[ONE, TWO], mask=LEFT)
    masks = {"masks": [LEFT_U8, "rest"], "feather": 2.0, "region_styles": [1, 0]}
    looks = {**masks, "region_alphas": [0.5, 1.0]}
    expected = adain(PHOTO_U8, [ONE_U8, TWO_U8], **looks)
    np.testing.assert_array_equal(found, rounded(expected))


def test_a_label_of_a_label_map_is_a_mask(client, adain):
    options = {"kind": "picture", "regions": [{"mask": 0, "label": 3}]}
    found = client.picture(options, content=PHOTO, style=ONE, mask=LABELS)
    expected = adain(PHOTO_U8, ONE_U8, masks=[LEFT_U8])
    np.testing.assert_array_equal(found, rounded(expected))


def test_a_part_of_a_painting_counts(client, adain):
    options = {"kind": "picture", "style_masks": [0]}
    found = client.picture(options, content=PHOTO, style=ONE, style_mask=LEFT)
    expected = adain(PHOTO_U8, ONE_U8, style_masks=[LEFT_U8])
    np.testing.assert_array_equal(found, rounded(expected))


def test_windows_can_be_chosen(client, model_path):
    photo, photo_u8 = png(160, 200, seed=4)
    options = {"kind": "picture", "tile": 136}
    found = client.picture(options, content=photo, style=ONE)
    expected = Stylizer.load(model_path, tile_px=136)(photo_u8, ONE_U8)
    np.testing.assert_array_equal(found, rounded(expected))


def test_a_control_of_one_method_reaches_its_model(client, sanet_path):
    options = {"kind": "picture", "model": "sanet", "level_balance": 0.2}
    found = client.picture(options, content=PHOTO, style=ONE)
    expected = Stylizer.load(sanet_path)(PHOTO_U8, ONE_U8, level_balance=0.2)
    np.testing.assert_array_equal(found, rounded(expected))


def test_a_models_own_style_is_asked_for_by_its_name(client, offered):
    options = {"kind": "picture", "model": "cin", "styles": ["starry"]}
    found = client.picture(options, content=PHOTO)
    expected = Stylizer.load(offered["cin"].path)(PHOTO_U8, "starry")
    np.testing.assert_array_equal(found, rounded(expected))


def test_a_style_file_stands_for_a_painting(client, adain, tmp_path):
    # The name of the model that the file belongs to counts by its digest alone.
    adain.save_style(ONE_U8, tmp_path / "one.style")
    style = "one.style", (tmp_path / "one.style").read_bytes()
    found = client.picture({"kind": "picture"}, content=PHOTO, style=style)
    np.testing.assert_array_equal(found, rounded(adain(PHOTO_U8, ONE_U8)))


def test_metadata_and_transparency_are_kept_if_asked_for(client):
    exif = Image.Exif()
    exif[0x013B] = "Ada"
    clear = Image.fromarray(np.dstack([PHOTO_U8, LEFT_U8]), "RGBA")
    photo = encoded(clear, exif=exif)
    for metadata, artist in (("keep", "Ada"), ("strip", None)):
        options = {"kind": "picture", "metadata": metadata}
        _, answer = client.make(options, content=photo, style=ONE)
        picture = Image.open(io.BytesIO(answer.content))
        assert picture.getexif().get(0x013B) == artist
        np.testing.assert_array_equal(np.asarray(picture)[..., 3], LEFT_U8)


@pytest.mark.parametrize("name", ["jpg", "webp", "tif", "bmp"])
def test_other_formats_are_written(client, name):
    options = {"kind": "picture", "format": name}
    record, answer = client.make(options, content=PHOTO, style=ONE)
    assert Image.open(io.BytesIO(answer.content)).size == (32, 40)
    assert record["result"]["bytes"] == len(answer.content)
    assert answer.headers["content-type"] == record["result"]["media_type"]
    assert f'"stylized.{name}"' in answer.headers["content-disposition"]


@pytest.fixture
def narrow_gatys(monkeypatch, make_model_file):
    """Optimization that sees through a network of a few channels."""
    encoder = make_model_file("sanet").encoder_params
    monkeypatch.setattr(pictures, "load_gatys_encoder", lambda *_: encoder)


def test_a_picture_by_optimization(client, narrow_gatys):
    options = {"kind": "gatys", "iterations": 3, "style_weight": 5.0}
    found = client.picture(options, content=PHOTO, style=ONE)
    objective = presets.PRESETS["default"].objective._replace(style_weight=5.0)
    settings = Settings(objective, iterations=(3,))
    expected = optimize_picture(PHOTO_U8, ONE_U8, settings)
    np.testing.assert_array_equal(found, rounded(expected.picture))


def test_a_failure_is_told_in_words(client):
    options = {"kind": "picture", "level_balance": 0.5}
    record = client.wait(client.send(options, content=PHOTO, style=ONE).json()["id"])
    assert record["state"] == "failed"
    assert "no control 'level_balance'" in record["error"]
    answer = client.http.get(f"/api/jobs/{record['id']}/result")
    assert answer.status_code == 409


def test_notes_and_errors_name_no_folder_of_the_machine(client):
    cut = PHOTO[0], PHOTO[1][: len(PHOTO[1]) // 2]
    record = client.wait(
        client.send({"kind": "picture"}, content=cut, style=ONE).json()["id"]
    )
    assert record["error"].startswith("'content_0.png' is damaged")


def test_info_describes_the_models(client):
    info = client.http.get("/api/info").json()
    by_name = {model["name"]: model for model in info["models"]}
    assert by_name["cin"]["styles"] == ["wave", "starry", "night"]
    assert "level_balance" in by_name["sanet"]["controls"]
    assert info["devices"] == [{"platform": "cpu", "kind": "cpu"}]
    assert info["limits"]["queue"] == 8


def test_every_device_has_a_worker_of_its_own(start, adain):
    with start(num_devices=2) as client:
        sent = [
            client.send({"kind": "picture"}, content=PHOTO, style=ONE).json()["id"]
            for _ in range(4)
        ]
        records = [client.wait(job_id) for job_id in sent]
        assert len(jax.local_devices()) >= 2
        assert {record["state"] for record in records} == {"done"}
        for record in records:
            answer = client.http.get(record["result"]["url"])
            found = read_picture(answer.content).rgb_u8
            np.testing.assert_array_equal(found, rounded(adain(PHOTO_U8, ONE_U8)))


def test_what_was_compiled_for_many_sizes_goes(start, adain, monkeypatch):
    monkeypatch.setattr(work, "_MOST_SHAPES", 1)
    cleared = []
    monkeypatch.setattr(jax, "clear_caches", lambda: cleared.append(True))
    with start() as client:
        for photo in (PHOTO, PHOTO, TWO, PHOTO):
            found = client.picture({"kind": "picture"}, content=photo, style=ONE)
    np.testing.assert_array_equal(found, rounded(adain(PHOTO_U8, ONE_U8)))
    assert len(cleared) == 1


def test_the_page_is_told_where_the_api_is(start, tmp_path):
    (tmp_path / "index.html").write_text("page")
    (tmp_path / "run.mjs").write_text("1")
    (tmp_path / "run.wasm").write_bytes(b"")
    (tmp_path / "site.json").write_text('{"models": []}')
    (tmp_path / "sw.js").write_text('const VERSION = "12ab";')
    with start(tmp_path) as client:
        assert client.http.get("/").text == "page"
        found = client.http.get("/site.json").json()
        assert found == {"models": [], "api": "api/"}
        # So that a browser does not take the cached page of a static host for this.
        assert client.http.get("/sw.js").text == 'const VERSION = "12ab-app";'
        for name, kind in (("mjs", "text/javascript"), ("wasm", "application/wasm")):
            answer = client.http.get(f"/run.{name}")
            assert answer.headers["content-type"].partition(";")[0] == kind
