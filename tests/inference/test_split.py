import inspect
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from styleflax.config import SANetOptions
from styleflax.methods.sanet import make_sanet
from styleflax.models.sanet import SANet
from styleflax.parallel import RowSplit, devices_for

CHILD = Path(__file__).parents[1] / "helpers" / "split_rows.py"


def split_in_a_child(*arguments):
    """What `tests/helpers/split_rows.py` reports of 8 virtual devices."""
    output = subprocess.run(
        [sys.executable, CHILD, *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(output.stdout.splitlines()[-1])


def test_adain_of_a_split_picture_is_the_wholes_and_gathers_nothing():
    # 519 rows: 65 of relu4_1 on 8 devices, so that no level divides evenly.
    report = split_in_a_child("adain", 519, 24)
    assert report["shape"] == [1, 519, 24, 3]
    assert report["deviation"] < 1e-5
    kinds = Counter(kind for kind, _, _ in report["collectives"])
    assert kinds.keys() == {"collective-permute", "all-reduce"}
    assert kinds["all-reduce"] <= 3  # statistics alone


@pytest.mark.slow  # a process more; the one above has the rows
def test_colors_and_detail_of_a_split_picture_are_the_wholes():
    report = split_in_a_child("adain", 519, 24, "matched")
    assert report["shape"] == [1, 519, 24, 3]
    assert report["deviation"] < 1e-5
    kinds = {kind for kind, _, _ in report["collectives"]}
    assert kinds == {"collective-permute", "all-reduce"}


@pytest.mark.slow
def test_sanet_gathers_only_a_content_that_attends_to_itself():
    report = split_in_a_child("sanet", 512, 24)
    assert report["deviation"] < 1e-5
    gathered = [c for c in report["collectives"] if c[0] == "all-gather"]
    # Below strength 1 the content is also attended to: its keys and values.
    assert all(in_branch for _, _, in_branch in gathered)
    assert len(gathered) <= 4


@pytest.mark.parametrize(
    ("height", "available", "used"),
    [(10_000, 8, 8), (10_000, 7, 4), (511, 8, 4), (127, 8, 1), (300, 3, 2), (64, 1, 1)],
)
def test_parts_have_64_rows_or_more_and_divide_eight(height, available, used):
    assert len(devices_for(height, [None] * available)) == used


@pytest.mark.parametrize("height", [128, 131])
def test_rows_stay_where_they_are_and_no_added_row_is_seen(height):
    def function(factor, image):
        return factor * image + image.sum()

    image = np.ones((1, height, 5, 3), np.float32)
    split = RowSplit(function, jax.devices()[:2])
    expected = function(2.0, image)
    np.testing.assert_array_equal(split(2.0, image), expected)
    (sharding,) = jax.tree.leaves(split.compile(2.0, image).output_shardings)
    assert sharding.spec == PartitionSpec(None, "rows")


def test_a_stylizer_may_split_its_pictures(model_path, monkeypatch):
    from styleflax.inference import render as split
    from styleflax.inference.stylizer import Stylizer

    used = []

    def two_parts(height, devices):
        used.append(height)
        return devices[:2]

    monkeypatch.setattr(split, "devices_for", two_parts)
    rng = np.random.default_rng(0)
    contents, style = np.float32(rng.uniform(0, 1, (2, 2, 17, 16, 3)))
    whole = Stylizer.load(model_path)
    parts = Stylizer.load(model_path, split_rows=True)
    encoded = whole.encode_style(style[0])
    expected = whole(contents, encoded).array
    got = parts(contents, encoded).array
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, atol=1e-4)
    assert used == [17]


def test_attention_on_parts_is_never_in_blocks():
    # Blocks follow one another, each with the rows of all devices in it.
    dense, chunked = (
        SANetOptions(native=True),
        SANetOptions(native=True, path="chunked"),
    )
    assert path_of(make_sanet(options=dense)) == "dense"
    assert path_of(make_sanet(options=chunked)) == "chunked"


def path_of(method):
    """The path of the network that a method's transfer holds, perhaps indirectly."""
    found, functions = set(), [method.transfer]
    while functions:
        for cell in inspect.unwrap(functions.pop()).__closure__ or ():
            if isinstance(cell.cell_contents, SANet):
                found.add(cell.cell_contents.path)
            elif inspect.isfunction(cell.cell_contents):
                functions.append(cell.cell_contents)
    (path,) = found
    return path
