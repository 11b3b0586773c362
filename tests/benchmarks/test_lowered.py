"""What is lowered for a GPU, as far as a CPU can show it: `benchmarks/lowered.py`."""

import sys
from pathlib import Path

import jax.numpy as jnp
import pytest
from jax import lax

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from lowered import METHODS, count, lower, programs

WIDTH = 1 / 16


def test_types_layouts_and_bytes_are_counted():
    image, kernel = jnp.ones((2, 8, 8, 3), jnp.bfloat16), jnp.ones((3, 3, 3, 5))

    def function(image, kernel):
        wide = lax.concatenate([image, image[:, :1]], 1)
        layout = ("NHWC", "HWIO", "NHWC")
        y = lax.conv_general_dilated(
            *(wide, kernel.astype(jnp.bfloat16), (1, 1), "VALID"),
            dimension_numbers=layout,
        )
        flat = kernel.reshape(27, 5)
        return y.transpose(0, 3, 1, 2), flat.T @ flat

    found = count(lower(function, image, kernel))
    assert found.convolutions == {"bf16": 1}
    assert list(found.layouts) == ["[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]"]
    assert found.products == {"f32": 1}
    assert found.flop == {"f32": 2 * 27 * 5 * 5}
    assert found.transposes == {"2x7x6x5xbf16 -> 2x5x7x6xbf16": 2 * 7 * 6 * 5 * 2}
    assert found.padding == 2 * 9 * 8 * 3 * 2


@pytest.mark.parametrize("name", METHODS)
def test_where_bfloat16_is_asked_for_no_convolution_is_of_float32(name):
    """Nor is a map turned from NHWC to NCHW or back."""
    for program, text in programs(name, "bfloat16", 64, 2, WIDTH):
        found = count(text)
        assert set(found.convolutions) == {"bf16"}, program
        # Of a kernel's gradient batch and channels change places, as XLA has it.
        inputs = {layout.partition("x")[0] for layout in found.layouts}
        assert inputs <= {"[b, 0, 1, f]", "[f, 0, 1, b]"}
        for change in found.transposes:
            before, after = (one.split("x")[:-1] for one in change.split(" -> "))
            is_map = len(before) == 4
            assert not (is_map and sorted(before) == sorted(after)), (program, change)
