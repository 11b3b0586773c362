import os
from pathlib import Path

import jax
import pytest
import tiny_styles

from styleflax.inference.datasets.job import count_parts, open_job
from styleflax.inference.datasets.maker import Maker
from styleflax.inference.datasets.stylize import make_dataset_on_ray, make_parts

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def cluster(tmp_path):
    """A local cluster whose workers know the tiny model; one dies at its first part."""
    ray = pytest.importorskip("ray")
    helpers = str(Path(tiny_styles.__file__).parent)
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={
            "env_vars": {
                "PYTHONPATH": os.pathsep.join([helpers, *_package_path()]),
                "STOP_ONCE": str(tmp_path / "stopped"),
            },
            "worker_process_setup_hook": tiny_styles.install_to_stop_once,
        },
    )
    yield
    ray.shutdown()


def _package_path():
    import styleflax

    return [str(Path(styleflax.__file__).parents[1])]


def test_ray_makes_the_same_parts_though_a_worker_dies(
    tiny, cluster, settings, tmp_path
):
    job = open_job(settings)
    expected, folder = tmp_path / "expected", tmp_path / "parts"
    list(Maker(job, expected, jax.local_devices()[:1]).make(range(count_parts(job))))
    made = list(make_parts(settings, folder, range(count_parts(job)), num_workers=2))
    assert sorted(made) == list(range(count_parts(job)))
    assert (tmp_path / "stopped").exists()
    for path in expected.iterdir():
        assert (folder / path.name).read_bytes() == path.read_bytes()
    # And as the command does it, down to the finished data set.
    report = make_dataset_on_ray(settings, tmp_path / "out", 2, None)
    assert report["num_pictures"] == 7
    assert not (tmp_path / "out" / "parts").exists()
    assert make_dataset_on_ray(settings, tmp_path / "out", 2, None) == report
