from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from styleflax.inference.tiles.windows import FeatureCache

BYTES = 100 * (4 + 2)


@pytest.fixture
def computed():
    """Indices in the order in which they were computed."""
    return []


def keep(computed, limit_bytes):
    def compute(index):
        computed.append(index)
        values = np.arange(100) + index
        return {"a": values.astype("f4"), "b": values.astype(ml_dtypes.bfloat16)}

    return FeatureCache(compute, limit_bytes)


@pytest.mark.parametrize("windows_in_memory", [0, 1, 3])
def test_features_are_computed_once_in_memory_or_not(computed, windows_in_memory):
    with keep(computed, windows_in_memory * BYTES) as kept:
        for _ in range(2):
            for index in range(3):
                features = kept[index]
                assert features["a"].dtype == np.float32
                assert features["b"].dtype == ml_dtypes.bfloat16
                for feature in features.values():
                    np.testing.assert_array_equal(
                        feature.astype(float), np.arange(100) + index
                    )
    assert computed == [0, 1, 2]


def test_files_are_gone_afterwards(computed, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with keep(computed, 0) as kept:
        assert kept[7]["a"][0] == 7
        assert len(list(tmp_path.rglob("*.npz"))) == 1
    assert not list(tmp_path.iterdir())


def test_where_files_find_no_room_features_are_computed_again(
    computed, tmp_path, monkeypatch
):
    def full(path, **arrays):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(np, "savez", full)
    with keep(computed, BYTES) as kept:
        assert [kept[i]["a"][0] for i in (0, 1, 0, 1)] == [0, 1, 0, 1]
        assert not list(tmp_path.rglob("*.npz"))
    assert computed == [0, 1, 1]
