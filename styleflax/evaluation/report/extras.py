"""What the report needs beyond the library's own dependencies."""

import importlib.util

PACKAGES = ("jinja2", "matplotlib")


def check_extras() -> None:
    """Checks that a report can be drawn; call it before hours of measuring.

    Raises:
        ImportError: If a package of the extra "eval" is not installed.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f"the report needs {' and '.join(missing)}: "
            'run `pip install "styleflax[eval]"`'
        )
