from styleflax.config import Phase
from styleflax.training.phases import phase_starts, remaining_phases

PHASES = (Phase(steps=3), Phase(steps=5), Phase(steps=2))


def test_phases_follow_one_another():
    assert phase_starts(PHASES) == (0, 3, 8, 10)


def test_the_step_decides_which_phases_remain():
    def remaining(step):
        return [(i, start, end) for i, start, end, _ in remaining_phases(PHASES, step)]

    assert remaining(0) == [(0, 0, 3), (1, 3, 8), (2, 8, 10)]
    assert remaining(2) == remaining(0)
    assert remaining(3) == [(1, 3, 8), (2, 8, 10)]
    assert remaining(9) == [(2, 8, 10)]
    assert remaining(10) == []
