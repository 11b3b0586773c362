"""The app with narrow models."""

import contextlib

import jax
import own_styles
import pytest
from app_client import ADDRESS, Client
from starlette.testclient import TestClient

from styleflax.web.limits import Limits
from styleflax.web.offers import offer
from styleflax.web.server import App, create_app
from styleflax.weights.store import save_model


@pytest.fixture(scope="session")
def offered(model_path, sanet_path, tmp_path_factory):
    """Narrow models by name."""
    cin = tmp_path_factory.mktemp("model") / "cin.safetensors"
    save_model(cin, own_styles.make_file("cin"))
    paths = {"adain": model_path, "sanet": sanet_path, "cin": cin}
    return {name: offer(name, path) for name, path in paths.items()}


@pytest.fixture(scope="session")
def start(offered):
    """`with start(queue=1) as client`: an app with these limits, and its client."""

    @contextlib.contextmanager
    def start(page=None, hosts=(), num_devices=1, **limits):
        devices = jax.local_devices()[:num_devices]
        parts = App(offered, devices, page, hosts, Limits(**limits))
        with TestClient(create_app(parts), ADDRESS) as http:
            yield Client(http)

    return start


@pytest.fixture(scope="session")
def client(start):
    """A client of one app for many tests."""
    with start() as client:
        yield client
