import pickle

import pytest

from styleflax.datasets.manifest import (
    Subset,
    file_name,
    name_rule,
    split_digest,
    split_sources,
)
from styleflax.datasets.pipeline import Concatenated, FilePictures


class Named:
    """Pictures in memory."""

    def __init__(self, pictures):
        self._names, self._bytes = list(pictures), list(pictures.values())

    def __len__(self):
        return len(self._bytes)

    def __getitem__(self, index):
        return self._bytes[index]

    def name(self, index):
        return self._names[index]


def numbered(prefix, count):
    return Named(
        {f"{prefix}_{i:03d}.jpg": f"{prefix}{i}".encode() for i in range(count)}
    )


def names(subsets):
    return [{s.name(i) for i in range(len(s))} for s in subsets]


def test_sides_are_disjoint_and_hold_everything():
    sources = numbered("content", 300), numbered("style", 200)
    train, held_out = split_sources(sources, 0.1)
    for source, left, right in zip(sources, names(train), names(held_out), strict=True):
        assert not left & right
        assert len(left) + len(right) == len(source)
    assert 15 < len(held_out[0]) < 50
    assert 8 < len(held_out[1]) < 40


def test_subsets_give_the_bytes_of_their_names():
    (train,), (held_out,) = split_sources([numbered("p", 50)], 0.3)
    for subset in (train, pickle.loads(pickle.dumps(held_out))):
        for i in range(len(subset)):
            number = int(subset.name(i)[2:5])
            assert subset[i] == f"p{number}".encode()
        with pytest.raises(IndexError):
            subset[len(subset)]


def test_the_side_follows_from_the_name_alone():
    few, many = numbered("a", 60), numbered("a", 120)
    by_few = names(split_sources([few], 0.2)[1])[0]
    by_many = names(split_sources([many], 0.2)[1])[0]
    assert by_few == {name for name in by_many if int(name[2:5]) < 60}
    moved = Named({f"folder/{few.name(i)}": few[i] for i in range(60)})
    assert {file_name(n) for n in names(split_sources([moved], 0.2)[1])[0]} == by_few


def test_a_larger_share_keeps_what_a_smaller_one_holds_out():
    source = numbered("a", 200)
    small = names(split_sources([source], 0.1)[1])[0]
    assert small < names(split_sources([source], 0.3)[1])[0]


def test_another_salt_holds_out_other_pictures():
    source = numbered("a", 200)
    plain = names(split_sources([source], 0.2)[1])
    assert plain != names(split_sources([source], 0.2, salt="b")[1])
    assert plain == names(split_sources([source], 0.2)[1])


def test_pictures_of_the_same_bytes_fall_on_the_same_side():
    pictures = {f"a_{i:03d}.jpg": b"%d" % (i % 40) for i in range(120)}
    others = {f"b_{i:03d}.jpg": b"%d" % i for i in range(40)}
    train, held_out = split_sources([Named(pictures), Named(others)], 0.3)
    sides = [
        {subset[i] for subset in side for i in range(len(subset))}
        for side in (train, held_out)
    ]
    assert not sides[0] & sides[1]
    assert len(sides[0] | sides[1]) == 40


def test_a_picture_is_not_held_out_when_its_twin_may_not_be():
    pictures = {f"old_{i}.jpg": b"%d" % i for i in range(30)}
    pictures |= {f"new_{i}.jpg": b"%d" % i for i in range(60)}
    held_out = split_sources([Named(pictures)], 0.5, names="new_")[1][0]
    found = {held_out.name(i) for i in range(len(held_out))}
    assert found
    assert all(int(name[4:-4]) >= 30 for name in found)


def test_only_names_of_the_rule_are_held_out():
    sources = numbered("content", 100), numbered("style", 100)
    rule = "content_[40-],style_[10-59]"
    content, style = names(split_sources(sources, 0.5, names=rule)[1])
    assert min(content) >= "content_040"
    assert "style_010" <= min(style) <= max(style) <= "style_059.jpg"


@pytest.mark.parametrize(
    ("rule", "name", "holds"),
    [
        ("", "anything", True),
        ("a_", "a_x.jpg", True),
        ("a_", "b_x.jpg", False),
        ("a_[5-7]", "a_0005.jpg", True),
        ("a_[5-7]", "a_8.jpg", False),
        ("a_[-7]", "a_0.jpg", True),
        ("a_[5-]", "a_b.jpg", False),
        ("[5-]", "12.png", True),
        ("b, a_[5-]", "a_99.jpg", True),
    ],
)
def test_rules_of_names(rule, name, holds):
    assert name_rule(rule)(name) is holds


@pytest.mark.parametrize("rule", ["a,", "a_[5]", "a_[x-]", "a]"])
def test_a_rule_that_reads_otherwise_is_refused(rule):
    with pytest.raises(ValueError, match="the rule for names must be as in"):
        name_rule(rule)


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan")])
def test_an_impossible_share_is_refused(share):
    with pytest.raises(ValueError, match="share must be above 0 and below 1"):
        split_sources([numbered("a", 9)], share)


def test_a_side_without_pictures_is_refused():
    with pytest.raises(ValueError, match=r"leaves no picture of .* for validation"):
        split_sources([numbered("a", 20)], 0.5, names="b_")
    with pytest.raises(ValueError, match=r"leaves no picture of .* for training"):
        split_sources([numbered("a", 2)], 0.99)


def test_files_are_named_as_on_disk(tmp_path):
    for name in ("b.png", "a.png"):
        (tmp_path / name).write_bytes(name.encode())
    source = FilePictures(sorted(tmp_path.iterdir()))
    both = Concatenated([source, numbered("c", 1)])
    assert [both.name(i) for i in range(3)] == ["a.png", "b.png", "c_000.jpg"]


def test_the_digest_tells_pictures_apart_but_not_their_order():
    source = numbered("a", 5)
    assert split_digest([Subset(source, [0, 2])]) == split_digest(
        [Subset(source, [2, 0])]
    )
    assert split_digest([Subset(source, [0, 2])]) != split_digest([Subset(source, [0])])
