"""What a compiled program for a GPU runs: `benchmarks/compiled_cuda.py`."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

TEXT = """
HloModule jit_f, is_scheduled=true

%border (p.1: bf16[1,8,8,4]) -> bf16[1,10,8,4] {
  %p.1 = bf16[1,8,8,4]{3,2,1,0} parameter(0)
  %s.1 = bf16[1,1,8,4]{3,2,1,0} slice(%p.1), slice={[0:1], [1:2], [0:8], [0:4]}
  ROOT %c.1 = bf16[1,10,8,4]{3,2,1,0} concatenate(%s.1, %p.1, %s.1), dimensions={1}
}

%product (p.2: f32[4,4], p.3: bf16[4,4]) -> f32[4,4] {
  %p.2 = f32[4,4]{1,0} parameter(0)
  %p.3 = bf16[4,4]{1,0} parameter(1)
  %narrow.1 = bf16[4,4]{1,0} convert(%p.2)
  ROOT %dot.1 = f32[4,4]{1,0} dot(%narrow.1, %p.3), lhs_contracting_dims={1}
}

%turn (p.4: f32[2,8,8,4]) -> f32[2,4,8,8] {
  %p.4 = f32[2,8,8,4]{3,2,1,0} parameter(0)
  ROOT %t.1 = f32[2,4,8,8]{3,2,1,0} transpose(%p.4), dimensions={0,3,1,2}
}

%again (p.5: (f32[2,8,8,4])) -> (f32[2,8,8,4]) {
  %p.5 = (f32[2,8,8,4]{3,2,1,0}) parameter(0)
  %g.5 = f32[2,8,8,4]{3,2,1,0} get-tuple-element(%p.5), index=0
  %turned.1 = f32[2,4,8,8]{3,2,1,0} fusion(%g.5), kind=kInput, calls=%turn
  ROOT %tuple.5 = (f32[2,8,8,4]{3,2,1,0}) tuple(%g.5)
}

%more (p.6: (f32[2,8,8,4])) -> pred[] {
  %p.6 = (f32[2,8,8,4]{3,2,1,0}) parameter(0)
  ROOT %no = pred[] constant(false)
}

ENTRY %main.1 (x.1: bf16[1,8,8,4], k.1: bf16[4,3,3,4]) -> bf16[1,8,8,4] {
  %x.1 = bf16[1,8,8,4]{3,2,1,0} parameter(0), metadata={op_name="x"}
  %k.1 = bf16[4,3,3,4]{3,2,1,0} parameter(1), metadata={op_name="k"}
  %wide = bf16[1,10,8,4]{3,2,1,0} fusion(%x.1), kind=kInput, calls=%border
  %conv.1 = (bf16[1,8,8,4]{3,2,1,0}, u8[0]{0}) custom-call(%wide, %k.1), """ + (
    """dim_labels=b01f_o01i->b01f, custom_call_target="__cudnn$convForward"
  %by = f32[4,4]{1,0} fusion(%m.1, %m.2), kind=kCustom, calls=%product
  %loop.1 = (f32[2,8,8,4]{3,2,1,0}) while(%state), condition=%more, body=%again
  ROOT %out = bf16[1,8,8,4]{3,2,1,0} get-tuple-element(%conv.1), index=0
}
"""
)


@pytest.fixture
def benchmark(monkeypatch):
    """The script as a module, without what it tells JAX when it is run."""
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    path = BENCHMARKS / "compiled_cuda.py"
    spec = importlib.util.spec_from_file_location("compiled_cuda", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_kernels_of_fusions_and_loops_are_counted(benchmark):
    found = benchmark.count_kernels(TEXT)
    assert found.convolutions == {"bf16 b01f_o01i->b01f": 1}
    assert found.products == {"bf16": 1}
    assert found.turned == 2 * 8 * 8 * 4 * 4
    assert found.padding == 10 * 8 * 4 * 2
    convolved, product = 8 * 8 * 4 * 2, 4 * 4 * 4
    parts = (found.padding, convolved, product, found.turned)
    assert found.written == sum(parts)
