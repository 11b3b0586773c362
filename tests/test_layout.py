"""How long files and functions may be, and that no import goes in a circle."""

import ast
from pathlib import Path

import pytest

import styleflax

ROOT = Path(styleflax.__file__).parents[1]
FOLDERS = ("styleflax", "configs", "benchmarks", "docs", "tests")
MOST_OF_A_FILE, MOST_OF_A_FUNCTION = 400, 60
FILES = [p for folder in FOLDERS for p in sorted((ROOT / folder).rglob("*.py"))]
# Files that tell one idea whole, which their docstrings name; a ceiling for each, which
# may only come down.
FILE_CEILINGS = {
    "styleflax/config/options.py": 405,
    "styleflax/config/parts.py": 453,
    "styleflax/datasets/pipeline.py": 462,
}
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


def nested_functions(node):
    """The outermost functions inside of a node."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FUNCTIONS):
            yield child
        else:
            yield from nested_functions(child)


def own_lines(function):
    """The length of a function without the functions that it holds."""

    def length(node):
        return node.end_lineno - node.lineno + 1

    return length(function) - sum(map(length, nested_functions(function)))


def too_long(name, text):
    """What of a file is longer than it may be."""
    lines = len(text.splitlines())
    if lines > FILE_CEILINGS.get(str(name), MOST_OF_A_FILE):
        yield f"{name}: {lines} lines"
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, FUNCTIONS):
            continue
        if own_lines(node) > MOST_OF_A_FUNCTION:
            yield f"{name}:{node.lineno}: {node.name} has {own_lines(node)} lines"


def test_no_file_and_no_function_is_too_long():
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("needs a checkout")
    assert len(FILES) > 100
    found = [
        line
        for path in (*FILES, ROOT / "train.py", ROOT / "eval.py")
        for line in too_long(path.relative_to(ROOT), path.read_text("utf-8"))
    ]
    assert not found, "\n".join(found)


def test_a_function_of_61_lines_is_too_long():
    body = "    pass\n" * 59
    assert not list(too_long("a.py", f"def f():\n{body}"))
    (told,) = too_long("a.py", f"x = 1\ndef f():\n{body}    pass\n")
    assert told == "a.py:2: f has 61 lines"
    assert list(too_long("a.py", "x = 1\n" * 401)) == ["a.py: 401 lines"]


def test_a_long_file_has_a_ceiling_of_its_own_that_it_needs():
    for name, ceiling in FILE_CEILINGS.items():
        assert list(too_long(name, "x = 1\n" * (ceiling + 1)))
        lines = len((ROOT / name).read_text("utf-8").splitlines())
        assert MOST_OF_A_FILE < lines > ceiling - 10, f"{name}: lower it to {lines}"
    assert len(FILE_CEILINGS) <= 6
    assert max(FILE_CEILINGS.values()) <= 520


def test_docstrings_are_counted():
    body = '    """One.\n\n    Two.\n    """\n' + "    pass\n" * 55
    assert not list(too_long("a.py", f"def f():\n{body}"))
    (told,) = too_long("a.py", f"def f():\n{body}    pass\n")
    assert told == "a.py:1: f has 61 lines"


def test_nested_functions_are_counted_alone():
    inner = "    def g():\n" + "        pass\n" * 59
    assert not list(too_long("a.py", f"def f():\n{inner}    return g\n"))
    (told,) = too_long("a.py", f"def f():\n{inner}        pass\n    return g\n")
    assert told == "a.py:2: g has 61 lines"


def module_name(path, package):
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_at_once(tree, names):
    """The modules of `names` that importing a module imports; not what functions do."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in names else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.If | ast.Try) and "TYPE_CHECKING" not in ast.unparse(
            node
        ):
            yield from imported_at_once(node, names)


def import_graph(package):
    """What every module of a package imports of it, as {name: names}."""
    trees = {
        module_name(path, package): ast.parse(path.read_text("utf-8"))
        for path in package.rglob("*.py")
    }
    return {
        name: {found for found in imported_at_once(tree, trees) if found in trees}
        for name, tree in trees.items()
    }


def find_circle(graph):
    """Modules that import one another in a circle; () if there are none."""
    finished, path = set(), []

    def visit(name):
        if name in path:
            return (*path[path.index(name) :], name)
        if name in finished:
            return ()
        path.append(name)
        circle = next(filter(None, map(visit, sorted(graph[name]))), ())
        path.pop()
        finished.add(name)
        return circle

    return next(filter(None, map(visit, sorted(graph))), ())


def test_no_import_goes_in_a_circle():
    graph = import_graph(Path(styleflax.__file__).parent)
    assert len(graph) > 100
    assert not find_circle(graph), " -> ".join(find_circle(graph))


def test_a_circle_inside_a_room_is_found(tmp_path):
    for name, text in (
        ("__init__", ""),
        ("a", "from house.room import b\n"),
        ("b", "from house.room.c import f\n"),
        ("c", "if True:\n    import house.room.a\n"),
    ):
        (tmp_path / "house" / "room").mkdir(parents=True, exist_ok=True)
        (tmp_path / "house" / "room" / f"{name}.py").write_text(text)
    graph = import_graph(tmp_path / "house")
    names = [f"house.room.{name}" for name in "abca"]
    assert find_circle(graph) == (*names,)
    (tmp_path / "house" / "room" / "c.py").write_text(
        "def f():\n    import house.room.a\n"
    )
    assert not find_circle(import_graph(tmp_path / "house"))
