import pickle
import subprocess
import sys

import pytest

from styleflax.datasets import sources
from styleflax.datasets.sources import open_dataset, open_source
from styleflax.images import listing as samples
from styleflax.images.files import decode_image_u8


def all_pictures(source):
    return sorted(source[i] for i in range(len(source)))


ALLOWED = r"coco_images|PATH|nothing after|at least 1|numbers"


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "imagenet",
        "image_folder",
        "image_folder:",
        "sample_photos:3",
        "coco_images",
        "coco_images:test1999",
        "sample_photos+nonsense",
        "wikiart:x",
        "procedural_art:size=3",
        "procedural_art:seed=-1",
        "procedural_art:num_pictures=0",
    ],
)
def test_bad_specs_are_refused_with_what_is_allowed(spec, tmp_path):
    with pytest.raises(ValueError, match=ALLOWED):
        open_source(spec, tmp_path)


def test_unknown_options_are_refused(tmp_path):
    with pytest.raises(ValueError, match="color"):
        open_dataset("sample_photos", tmp_path, color=True)
    with pytest.raises(ValueError, match="imagenet"):
        open_dataset("imagenet", tmp_path)


def test_specs_joined_by_plus_are_concatenated(photo_folder, tmp_path):
    plus = photo_folder.rename(tmp_path / "a+b")
    whole = open_source(f"image_folder:{plus}+sample_photos", tmp_path / "data")
    folder = open_source(f"image_folder:{plus}", tmp_path / "data")
    photos = open_source("sample_photos", tmp_path / "data")
    assert len(whole) == len(folder) + len(photos)
    for i in range(len(whole)):
        expected = folder[i] if i < len(folder) else photos[i - len(folder)]
        assert whole[i] == expected
    assert repr(whole) == f"{folder!r} + {photos!r}"
    with pytest.raises(IndexError):
        whole[len(whole)]


def test_sources_can_be_pickled(photo_folder, tmp_path):
    source = open_source(f"image_folder:{photo_folder}+sample_photos", tmp_path)
    copy = pickle.loads(pickle.dumps(source))
    assert repr(copy) == repr(source)
    assert all(copy[i] == source[i] for i in range(len(source)))


def test_sample_photos_leave_one_out(tmp_path, caplog):
    source = open_source("sample_photos", tmp_path)
    assert len(source) == 5
    assert not caplog.records
    held_out = samples.held_out_photo().read_bytes()
    assert decode_image_u8(held_out).shape == (400, 600, 3)
    assert held_out not in all_pictures(source)


def test_procedural_art_is_deterministic_and_seeded(tmp_path):
    spec = "procedural_art:num_pictures=3,size_px=32,seed={}"
    a = open_source(spec.format(1), tmp_path / "a")
    b = open_source(spec.format(1), tmp_path / "b")
    c = open_source(spec.format(2), tmp_path / "a")
    assert [a[i] for i in range(3)] == [b[i] for i in range(3)]
    assert not set(all_pictures(a)) & set(all_pictures(c))
    assert decode_image_u8(a[0]).shape == (32, 32, 3)


OPEN = """
import sys
from styleflax.datasets.sources import open_dataset
print(len(open_dataset("image_folder", sys.argv[1], path=sys.argv[2])))
"""


@pytest.mark.slow  # two processes, which import all that data sets need
def test_processes_that_prepare_at_the_same_time_all_succeed(photo_folder, tmp_path):
    command = [sys.executable, "-c", OPEN, tmp_path, photo_folder]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    assert [process.communicate()[0] for process in processes] == ["12\n"] * 2
    assert len(list(tmp_path.glob("image_folder/*/1.0.0"))) == 1
    assert not list(tmp_path.glob("image_folder/*/*incomplete*"))


def test_a_platform_without_array_record_is_told_so(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "array_record.python.array_record_module", None)
    with pytest.raises(ImportError, match="training needs array_record"):
        sources.open_source("sample_photos", tmp_path)


def run(code, tmp_path):
    return subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
    )


def test_reading_pictures_imports_neither_tfds_nor_grain(tmp_path):
    run(
        "import sys; import styleflax.images.files, styleflax.images.listing, "
        "styleflax.datasets.sources, styleflax.datasets.pipeline\n"
        "heavy = {'tensorflow', 'tensorflow_datasets', 'grain', 'skimage', 'jax'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)",
        tmp_path,
    )


def test_tensorflow_is_never_imported_and_nothing_is_printed(tmp_path):
    result = run(
        "import sys\n"
        "from styleflax.datasets.sources import open_source\n"
        "from styleflax.datasets.pipeline import make_pair_stream\n"
        "source = open_source('sample_photos', sys.argv[1])\n"
        "stream = make_pair_stream(source, source, crop_px=16, batch_size=2, seed=0,"
        " resize_px=16, flip=True)\n"
        "next(stream.iterate(3))\n"
        "assert 'tensorflow' not in sys.modules",
        tmp_path,
    )
    assert result.stdout == ""
    assert result.stderr == ""
