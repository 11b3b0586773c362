"""`benchmarks/compiler_options.py` at sizes of a trial."""

import re

import pytest

METHODS = [f"train step, {name}" for name in ("adain", "sanet", "lite")]


@pytest.mark.parametrize(
    ("sections", "last"),
    [
        (("moments",), []),
        pytest.param(
            *(("layers", "moments", "attention", "train"), METHODS),
            marks=pytest.mark.slow,  # thirty programs, each compiled in five ways
        ),
    ],
)
def test_all_choices_of_fusions_stand_in_one_table(run_bare, sections, last):
    done = run_bare(
        "compiler_options.py", "--tiny", "--repeats", "1", "--only", *sections
    )
    assert done.returncode == 0, done.stderr
    (head,) = [line for line in done.stdout.splitlines() if "jaxlib" in line]
    names = [cell.strip() for cell in re.split("[┃]", head)[2:-1]]
    assert names == ["all", "reduce, dot", "reduce", "dot", "none"]
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in done.stdout.splitlines()
        if line.startswith("│")
    ]
    assert rows
    programs = [row[0] for row in rows]
    assert programs[len(programs) - len(last) :] == last
    assert ("attention, chunked, 16 tokens" in programs) == ("attention" in sections)
    for row in rows:
        milliseconds, ratios = zip(*(cell.split(", ") for cell in row[1:]), strict=True)
        assert ratios[0] == "1.00x"
        for time, ratio in zip(milliseconds, ratios, strict=True):
            # Times are printed to 0.01 ms, ratios to 0.01.
            first, own = float(milliseconds[0]), float(time)
            least = (first - 0.005) / (own + 0.005) - 0.005
            most = (first + 0.005) / max(own - 0.005, 1e-9) + 0.005
            assert least <= float(ratio[:-1]) <= most
