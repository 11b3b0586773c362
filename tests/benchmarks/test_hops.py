import numpy as np

from benchmarks.hops import Place, Trace
from styleflax.files import short_stem
from styleflax.images.files import to_u8


def test_files_count_once_in_the_order_of_entry():
    trace = Trace()
    with trace.watching():
        short_stem("a", 9)
        to_u8(np.zeros((1, 1, 3), np.float32))
        short_stem("b", 9)
    assert [*trace.parts[0]] == ["files.py", "images/files.py"]


def test_parts_begin_where_their_place_is_entered():
    trace = Trace(Place("images/files.py", "to_u8"))
    with trace.watching():
        short_stem("a", 9)
        to_u8(np.zeros((1, 1, 3), np.float32))
    assert [[*part] for part in trace.parts] == [["files.py"], ["images/files.py"]]


def test_imports_do_not_count():
    trace = Trace()
    source = "from styleflax.files import short_stem\nshort_stem('a', 9)\n"
    with trace.watching():
        exec(compile(source, "imported.py", "exec"))
    assert not trace.parts[0]
