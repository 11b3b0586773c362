import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import styleflax

ROOT = Path(styleflax.__file__).parent
ROOMS = [
    ".".join(("styleflax", *path.parent.relative_to(ROOT).parts))
    for path in sorted(ROOT.rglob("__init__.py"))
    if "lazy_names" in path.read_text("utf-8") and path.parent != ROOT
]


def test_there_are_rooms():
    assert len(ROOMS) > 20


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_exports_its_public_names(room):
    module = importlib.import_module(room)
    for name in module.__all__:
        value = getattr(module, name)
        home = getattr(value, "__module__", room)
        # A thing of a room comes from there; type aliases come from typing.
        assert home.startswith((room, "typing", "collections.abc", "types"))
    assert set(module.__all__) <= set(dir(module))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        module.nothing  # noqa: B018


def test_rooms_import_nothing_until_a_name_is_asked_for():
    code = f"import sys, {', '.join(ROOMS)}; print('jax' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
