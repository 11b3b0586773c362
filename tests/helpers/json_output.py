"""What commands print with --json, held to docs/json_schema.json."""

import importlib.util
import json
from pathlib import Path

import styleflax

SCHEMA_FILE = Path(styleflax.__file__).parents[1] / "docs" / "json_schema.json"
BY_LINE = {("stylize",): "stylize", ("video",): "video"}
WHOLE = {
    ("weights", "list"): "weights_list",
    ("style", "info"): "style_info",
    ("doctor",): "doctor",
}


def check(name, value):
    """Raises `jsonschema.ValidationError` if a value is not as its schema says."""
    import jsonschema

    schemas = json.loads(SCHEMA_FILE.read_text("utf-8"))
    schema = {"$ref": f"#/$defs/{name}", "$defs": schemas["$defs"]}
    jsonschema.Draft202012Validator(schema).validate(value)


def check_output(arguments, output):
    """The same for all that a command printed; commands without --json pass.

    So do all where jsonschema, of the extra `test`, is not installed.
    """
    is_installed = importlib.util.find_spec("jsonschema") is not None
    if "--json" not in arguments or not SCHEMA_FILE.is_file() or not is_installed:
        return
    for length in (1, 2):
        command = tuple(arguments[:length])
        if command in BY_LINE:
            for line in output.splitlines():
                check(BY_LINE[command], json.loads(line))
        elif command in WHOLE:
            check(WHOLE[command], json.loads(output))
