"""docs/json_schema.json; the fixture `command` holds all output of tests to it."""

import pytest
from json_output import BY_LINE, SCHEMA_FILE, WHOLE, check, check_output

jsonschema = pytest.importorskip("jsonschema")
if not SCHEMA_FILE.is_file():
    pytest.skip("needs a checkout", allow_module_level=True)

LINE = {
    "input": "a.png",
    "styles": ["s.png"],
    "output": "a_s.png",
    "size": [32, 32],
    "seconds": 0.1,
    "warnings": [],
    "error": None,
}


def test_a_result_and_a_failure_are_lines():
    check("stylize", LINE)
    check("stylize", {**LINE, "output": None, "size": None, "error": "is damaged"})


@pytest.mark.parametrize(
    "change", [{"size": [32]}, {"seconds": "0.1"}, {"more": 1}, {"styles": "s.png"}]
)
def test_another_line_is_refused(change):
    with pytest.raises(jsonschema.ValidationError):
        check("stylize", {**LINE, **change})


def test_output_of_commands_is_held_to_the_schema(command):
    code, output, _ = command("weights", "list", "--json")
    assert code == 0
    with pytest.raises(jsonschema.ValidationError):
        check_output(["weights", "list", "--json"], output.replace('"is_here"', '"x"'))


def test_the_page_names_every_schema():
    page = (SCHEMA_FILE.parent / "json.md").read_text("utf-8")
    for name in (*BY_LINE.values(), *WHOLE.values()):
        assert f"| `{name}` |" in page
