import hashlib

import pytest

from styleflax.files import file_sha256, locked_file, write_file, written_whole


def write_half(path):
    with written_whole(path, sync=True) as temporary:
        temporary.write_text("half")
        raise KeyError


@pytest.mark.parametrize("sync", [False, True])
def test_a_file_is_written_whole_over_an_older_one(tmp_path, sync):
    write_file(tmp_path / "a.json", "old", sync=sync)
    write_file(tmp_path / "a.json", b"\xffnew", sync=sync)
    assert (tmp_path / "a.json").read_bytes() == b"\xffnew"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    write_file(tmp_path / "a.json", "old")
    with pytest.raises(UnicodeEncodeError):
        write_file(tmp_path / "a.json", "new \udc80")
    with pytest.raises(KeyError):
        write_half(tmp_path / "a.json")
    assert (tmp_path / "a.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_file_can_be_made_in_another_folder(tmp_path):
    (tmp_path / "parts").mkdir()
    with written_whole(tmp_path / "a", folder=tmp_path / "parts") as temporary:
        assert temporary.parent == tmp_path / "parts"
        temporary.write_text("text")
    assert (tmp_path / "a").read_text() == "text"


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "a"
    with written_whole(path) as one, written_whole(path) as other:
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"


def test_a_long_name_has_room_for_its_temporary_name(tmp_path):
    write_file(tmp_path / ("n" * 240), "text")
    assert (tmp_path / ("n" * 240)).read_text() == "text"


def test_a_lock_that_is_held_refuses_in_given_words(tmp_path):
    path, refusal = tmp_path / ".lock", "somebody writes here"
    with (
        locked_file(path, refusal),
        pytest.raises(ValueError, match=refusal),
        locked_file(path, refusal),
    ):
        pass
    with locked_file(path, refusal):
        pass


def test_the_digest_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
