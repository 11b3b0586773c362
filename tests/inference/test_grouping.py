import numpy as np

from styleflax.inference.contents import WAITING, group_by_shape


def pictures(widths):
    return [(i, np.zeros((16, width, 3), np.uint8)) for i, width in enumerate(widths)]


def test_one_at_a_time_pictures_come_in_order_and_at_once():
    drawn = []
    source = (drawn.append(named[0]) or named for named in pictures([16, 20, 16]))
    for i, group in enumerate(group_by_shape(source, 1)):
        assert [name for name, _ in group] == [i]
        assert drawn == list(range(i + 1))


def test_batches_are_of_one_shape_and_every_picture_comes_once():
    widths = [16, 20, 16, 20, 16, 24]
    groups = list(group_by_shape(pictures(widths), 2))
    assert [[name for name, _ in group] for group in groups] == [
        [0, 2],
        [1, 3],
        [4],
        [5],
    ]
    for group in groups:
        assert len({picture.shape for _, picture in group}) == 1


def test_no_more_pictures_wait_than_a_few_batches():
    drawn = []
    source = (drawn.append(named[0]) or named for named in pictures(range(16, 66)))
    done = 0
    for group in group_by_shape(source, 2):
        assert len(drawn) - done <= WAITING * 2 + 1
        done += len(group)
    assert done == 50
