"""What the app refuses: foreign pages, paths, pictures that are bombs, wrong forms."""

import io
import json
import struct
import tempfile
import zlib

import pytest
from app_client import png
from PIL import Image

PHOTO, _ = png(seed=1)
STYLE, _ = png(seed=2)
PICTURE = {"kind": "picture"}
CROSS = "http://evil.example"


def refused(answer, status, words):
    assert answer.status_code == status, answer.text
    (error,) = answer.json().values()
    assert words in error
    assert "\n" not in error
    return error


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8701",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "evil.example#127.0.0.1",
        "localhost:port",
        "",
    ],
)
def test_a_foreign_host_is_refused_as_after_dns_rebinding(client, host):
    for path in ("/api/info", "/", "/api/jobs/x/result"):
        answer = client.http.get(path, headers={"Host": host})
        refused(answer, 403, "the header Host must name this app")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8701", "[::1]:8701"])
def test_this_machines_own_names_are_served(client, host):
    answer = client.http.get("/api/info", headers={"Host": host})
    assert answer.status_code == 200


def test_a_name_that_is_allowed_is_served(start):
    with start(hosts=["art.example"]) as client:
        answer = client.http.get("/api/info", headers={"Host": "Art.example:443"})
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "origin",
    [CROSS, "null", "http://127.0.0.1:9999", "http://localhost:8701", "file://", "x"],
)
def test_a_foreign_origin_can_neither_send_nor_stop_nor_read(client, origin):
    headers = {"Origin": origin}
    answer = client.send(PICTURE, headers, content=PHOTO, style=STYLE)
    refused(answer, 403, "requests from pages of")
    refused(client.http.delete("/api/jobs/x", headers=headers), 403, "requests from")
    refused(client.http.get("/api/info", headers=headers), 403, "requests from pages")
    asked = {**headers, "Access-Control-Request-Method": "DELETE"}
    answer = client.http.options("/api/jobs/x", headers=asked)
    refused(answer, 403, "requests from pages of")
    assert "access-control-allow-origin" not in answer.headers


def test_the_pages_own_origin_is_served(client):
    headers = {"Origin": "http://127.0.0.1:8701", "Sec-Fetch-Site": "same-origin"}
    answer = client.send(PICTURE, headers, content=PHOTO, style=STYLE)
    assert answer.status_code == 202


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites_cannot_even_embed_what_the_api_answers(client, site):
    for path in ("/api/info", "/api/jobs/x/result"):
        answer = client.http.get(path, headers={"Sec-Fetch-Site": site})
        refused(answer, 403, "pages of other sites")


def test_answers_isolate_the_page_and_are_not_cached(client):
    headers = client.http.get("/api/info").headers
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-embedder-policy"] == "require-corp"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/....//secret.txt",
        "/%5c..%5csecret.txt",
        "/secret.txt%00.html",
        "//etc/passwd",
        "/link.txt",
        "/api/jobs/..%2f..%2fsecret.txt/result",
    ],
)
def test_nothing_outside_of_the_page_is_served(start, tmp_path, path):
    (tmp_path / "secret.txt").write_text("secret")
    page = tmp_path / "page"
    page.mkdir()
    (page / "index.html").write_text("<h1>page</h1>")
    (page / "site.json").write_text("{}")
    (page / "sw.js").write_text("")
    (page / "link.txt").symlink_to(tmp_path / "secret.txt")
    with start(page) as client:
        assert client.http.get("/").text == "<h1>page</h1>"
        answer = client.http.get(path)
        assert answer.status_code in {400, 404}
        assert answer.json()["error"]
        assert "secret" not in answer.text.replace(path, "")


@pytest.mark.parametrize(
    "name", ["../../escaped.png", "/tmp/escaped.png", "a\x00b.png"]
)
def test_the_names_of_files_lead_nowhere(start, tmp_path, monkeypatch, name):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with start() as client:
        photo = name.replace("/tmp", str(tmp_path)), PHOTO[1]
        record, _ = client.make(PICTURE, content=photo, style=STYLE)
        (folder,) = tmp_path.iterdir()
        found = [path.name for path in folder.rglob("*") if path.is_file()]
        assert found == ["stylized.png"]
        client.http.delete(f"/api/jobs/{record['id']}")
        assert not [*folder.iterdir()]
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    "style", ["/etc/passwd", "../model.style", "painting.png", "adain", ""]
)
def test_a_style_that_is_a_text_must_be_a_models_own(client, style):
    options = {**PICTURE, "styles": [style]}
    answer = client.send(options, content=PHOTO)
    refused(answer, 400, "a style must be an image")
    answer = client.send({**options, "model": "cin"}, content=PHOTO)
    refused(answer, 400, "a style must be one of wave, starry, night")
    answer = client.send({**options, "kind": "gatys"}, content=PHOTO)
    refused(answer, 400, "a style must be an image")


@pytest.mark.parametrize("model", ["/etc/passwd", "https://evil.example/x", "hf://a/b"])
def test_a_model_must_be_one_of_those_offered(client, model):
    options = {**PICTURE, "model": model}
    answer = client.send(options, content=PHOTO, style=STYLE)
    refused(answer, 400, "model must be one of adain, sanet, cin")


WRONG = [
    ({"kind": "music"}, "options.kind: input should be"),
    ({}, "options.kind: field required"),
    ({**PICTURE, "sise": 3}, "options.sise: extra inputs are not permitted"),
    ({**PICTURE, "alpha": "1"}, "options.alpha: input should be a valid number"),
    ({**PICTURE, "size": 1.5}, "options.size: input should be a valid integer"),
    ({**PICTURE, "feather": 1e9}, "options.feather: input should be less than"),
    ({**PICTURE, "refine": 2001}, "refine and iterations must be at most 2000"),
    ({**PICTURE, "iterations": 9999}, "refine and iterations must be at most 2000"),
    ({**PICTURE, "preset": "x"}, "preset must be one of default"),
    ({**PICTURE, "styles": [1]}, "style has 1 files, but none with index 1"),
    ({**PICTURE, "regions": [{"mask": 0}]}, "mask has 0 files, but none with index 0"),
    ({**PICTURE, "regions": [{"mask": "/etc/x"}]}, "options.regions.0.mask"),
    ({**PICTURE, "regions": [{"mask": 0, "label": "]"}]}, "options.regions.0.label"),
    ({**PICTURE, "style_masks": [4]}, "the part style_mask has "),
    ({**PICTURE, "styles": [0, 0]}, "2 styles need shares, regions or keyframes"),
    ({**PICTURE, "styles": [0] * 9, "shares": [1] * 9}, "styles must be at most 8"),
]


@pytest.mark.parametrize(("options", "words"), WRONG, ids=lambda x: str(x)[:30])
def test_wrong_options_are_named(client, options, words):
    refused(client.send(options, content=PHOTO, style=STYLE), 400, words)


def test_options_must_be_json_of_finite_numbers(client):
    for text in ("{", '{"kind": "picture", "alpha": NaN}', "[]", "\x00", "[" * 9999):
        parts = [("options", (None, text)), ("content", PHOTO)]
        refused(client.http.post("/api/jobs", files=parts), 400, "options")


def test_the_form_must_be_one_of_known_parts(client):
    post = client.http.post
    options = "options", (None, json.dumps(PICTURE))
    known = "content", PHOTO
    refused(post("/api/jobs", content=b"x"), 415, "multipart/form-data")
    refused(
        post("/api/jobs", files=[known, options]), 400, "first part must be options"
    )
    refused(post("/api/jobs", files=[options]), 400, "the part content must be one")
    twice = [options, known, known]
    refused(post("/api/jobs", files=twice), 400, "part content must have at most 1")
    other = [options, ("weights", PHOTO)]
    refused(
        post("/api/jobs", files=other), 400, "parts must be options, content, style"
    )
    styles = [options, *[("style", STYLE)] * 9]
    refused(post("/api/jobs", files=styles), 400, "part style must have at most 8")
    empty = [options, ("content", ("photo.png", b""))]
    refused(post("/api/jobs", files=empty), 400, "a file of the part content is empty")
    long = [("options", (None, json.dumps({"model": "x" * 70_000})))]
    refused(post("/api/jobs", files=long), 413, "options must be at most")


def test_a_form_with_odd_headers_is_refused(client):
    def post(body, boundary="B"):
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return client.http.post("/api/jobs", content=body, headers=kind)

    start = b'--B\r\nContent-Disposition: form-data; name="options"\r\n'
    refused(post(start + b"\r\n{}"), 400, "incomplete")
    refused(post(start + b"X: " + b"y" * 9000 + b"\r\n\r\n{}"), 400, "cannot be read")
    many = b"".join(b"X-%d: y\r\n" % i for i in range(99))
    refused(post(start + many + b"\r\n{}"), 400, "cannot be read")
    refused(post(b"no form at all"), 400, "cannot be read")
    refused(post(start, "B" * 500), 415, "with a boundary")


def test_a_body_over_the_limit_is_refused_by_its_length_and_by_its_bytes(start):
    with start(max_body_bytes=20_000) as client:
        photo = "photo.png", PHOTO[1] + bytes(30_000)
        answer = client.send(PICTURE, content=photo, style=STYLE)
        refused(answer, 413, "at most 0.02 MB")
        # Without a length, as a stream.
        start_of_form = (
            b'--B\r\nContent-Disposition: form-data; name="options"\r\n\r\n'
            b'{"kind": "picture"}\r\n--B\r\nContent-Disposition: form-data; '
            b'name="content"; filename="a"\r\n\r\n'
        )

        def body():
            yield start_of_form
            for _ in range(100):
                yield bytes(1000)

        kind = {"Content-Type": "multipart/form-data; boundary=B"}
        answer = client.http.post("/api/jobs", content=body(), headers=kind)
        refused(answer, 413, "at most 0.02 MB")


def bomb(width, height):
    """A PNG that says that it is large; a few bytes."""

    def chunk(kind, data):
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    return "bomb.png", b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def test_picture_bombs_are_refused_before_they_wait(client):
    large = bomb(60_000, 60_000)
    for files in (
        {"content": large, "style": STYLE},
        {"content": PHOTO, "style": large},
        {"content": PHOTO, "style": STYLE, "mask": large},
        {"content": PHOTO, "style": STYLE, "style_mask": large},
    ):
        refused(client.send(PICTURE, **files), 413, "has 60000x60000 pixels, more than")


@pytest.mark.parametrize("name", ["size", "style_size"])
def test_a_size_that_makes_a_picture_too_large_is_refused(client, name):
    options = {**PICTURE, name: 100_000}
    answer = client.send(options, content=PHOTO, style=STYLE)
    refused(answer, 413, "at a short side of 100000 px, more than the limit of 200")


def gif():
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "GIF")
    return "tiny.gif", file.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (("photo.png", b"<html>no picture</html>"), "is not an image"),
        (("photo.png", b"%!PS-Adobe-3.0 EPSF-3.0\n"), "is not an image"),
        (("photo.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "not an image"),
        (("photo.png", PHOTO[1][:20]), "content_0.png"),
        (gif(), "at least 16x16 pixels, got 8x8"),
    ],
)
def test_what_is_no_picture_is_refused(client, content, words):
    answer = client.send(PICTURE, content=content, style=STYLE)
    error = refused(answer, 415, words)
    assert "/" not in error.partition(":")[0].replace("16x16", "")


def test_unknown_addresses_and_methods_answer_in_words(client):
    refused(client.http.get("/api/nothing"), 404, "Not Found")
    refused(client.http.put("/api/info"), 405, "Method Not Allowed")
    refused(client.http.get("/api/jobs/unknown"), 404, "no such job")
    refused(client.http.get("/"), 404, "make site")
    assert client.http.get("/docs").status_code == 404
