"""Text that names a function with all that it holds."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from styleflax.compile_cache.jit import (
    Unknown,
    describe,
    environment_digest,
    source_files,
)

FUNCTIONS = ("init", "encode_style", "encode_content", "moments", "transfer", "decode")


def outer(held, default=1):
    def inner(x, more=default):
        return x, held, more

    return inner


# In a process of its own, where no function is wrapped to check its types and nothing
# else has been imported.
SCRIPT = """
import json, sys
import styleflax.inference.stylizer
from styleflax import methods
from styleflax.compile_cache.jit import describe
from styleflax.config import Arithmetic

def text(name, ddof):
    method = methods.build(name, arithmetic=Arithmetic(ddof=ddof))
    return describe([getattr(method, part) for part in json.loads(sys.argv[1])])

print(json.dumps({n: [text(n, ddof) for ddof in (0, 0, 1)] for n in methods.METHODS}))
ours = [m for n, m in sys.modules.items() if n.split(".")[0] == "styleflax"]
print(json.dumps([m.__file__ for m in ours]))
"""


@pytest.fixture(scope="module")
def described():
    """Descriptions of all methods' functions, and the imported modules, as JSON."""
    command = [sys.executable, "-c", SCRIPT, json.dumps(FUNCTIONS)]
    output = subprocess.run(command, check=True, capture_output=True, text=True)
    return output.stdout.splitlines()


def test_what_methods_run_can_be_described_and_tells_them_apart(described):
    texts = json.loads(described[0])
    assert all(one == same for one, same, _ in texts.values())
    assert "0x" not in described[0]
    for name in ("adain", "sanet"):
        assert texts[name][0] != texts[name][2]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (outer(1), outer(2)),
        (outer(1), outer(1, 2)),
        (outer(1), outer("1")),
        (partial(outer, 1), partial(outer, held=1)),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ((1, 2), [1, 2]),
        (np.dtype("float32"), np.dtype("float16")),
        (np.float32, np.float16),
        (("a, b",), ("a", "b")),
    ],
)
def test_what_differs_is_described_differently(one, other):
    assert describe(one) != describe(other)


def test_order_of_a_set_does_not_matter():
    assert describe(frozenset("abc")) == describe(frozenset("cba"))


@pytest.mark.parametrize(
    "value",
    [np.ones(2), object(), outer(np.ones(2)), partial(outer, object()), "x".join],
)
def test_what_may_hold_more_is_refused(value):
    with pytest.raises(Unknown):
        describe(value)


def test_flags_change_the_environment_and_caches_do_not(monkeypatch):
    import jax

    before = environment_digest()
    assert environment_digest() == before
    monkeypatch.setenv("XLA_FLAGS", "--something")
    assert environment_digest() != before
    monkeypatch.undo()
    with jax.default_matmul_precision("highest"):
        assert environment_digest() != before
    folder = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", "elsewhere")
    try:
        assert environment_digest() == before
    finally:
        jax.config.update("jax_compilation_cache_dir", folder)


def test_all_that_stylizing_imports_is_in_the_digest(described):
    imported = {Path(name).resolve() for name in json.loads(described[1])}
    # Pictures are decoded before, and written after, what is compiled.
    rooms = {"images", "datasets", "art"}
    reading = {path for path in imported if rooms & set(path.parts)}
    assert len(imported - reading) > 50
    assert imported - reading <= {path.resolve() for path in source_files()}
