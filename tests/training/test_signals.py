import os
import signal
import threading

import jax
import pytest

from styleflax.distributed import StopRequest, stop_on_signals
from styleflax.training import loop
from styleflax.training.loop import Stop


def test_a_signal_sets_the_request_and_names_itself():
    with stop_on_signals() as stop:
        assert stop.name == ""
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.name == "SIGTERM"


def test_a_second_ctrl_c_interrupts():
    # A shell's background job, which a CI may be, ignores Ctrl-C from its start.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _interrupt_twice()
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupt_twice():
    with stop_on_signals() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.name == "SIGINT"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_handlers_are_put_back():
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    with stop_on_signals():
        os.kill(os.getpid(), signal.SIGTERM)
    assert [signal.getsignal(number) for number in numbers] == before


def test_beside_the_main_thread_the_request_stays_empty():
    requests = []

    def body():
        with stop_on_signals() as stop:
            requests.append(stop.name)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert requests == [""]


def test_a_process_alone_stops_as_it_is_asked():
    request = StopRequest()
    stop = Stop(request, jax.devices())
    assert not stop.after_step()
    request.name = "SIGTERM"
    assert stop
    assert stop.after_step()
    assert stop.name == "SIGTERM"


class Accelerator:
    platform = "gpu"


def test_behind_an_accelerator_the_answer_is_that_of_some_steps_before(monkeypatch):
    asked = []
    answers = iter([False, True] + [False] * 9)  # another process, after two steps
    monkeypatch.setattr(loop.jax, "process_count", lambda: 2)
    monkeypatch.setattr(
        loop, "make_any", lambda _: lambda own: asked.append(own) or next(answers)
    )
    request = StopRequest()
    stop = Stop(request, [Accelerator()])
    request.name = "SIGINT"
    lag = loop._LAG_STEPS
    assert [stop.after_step() for _ in range(lag + 2)] == [False] * (lag + 1) + [True]
    assert stop
    assert asked == [True] * (lag + 2)


def test_a_stop_that_others_asked_for_has_no_name(monkeypatch):
    monkeypatch.setattr(loop.jax, "process_count", lambda: 2)
    monkeypatch.setattr(loop, "make_any", lambda _: lambda own: True)
    stop = Stop(StopRequest(), jax.devices())
    assert not stop
    assert stop.after_step()
    assert stop.name == "a signal to another process"


@pytest.mark.parametrize(
    ("own", "others", "name", "told"),
    [
        ("", ["", "SIGINT"], "SIGINT", "SIGINT to process 1"),
        ("", ["", "SIGTERM"], "SIGTERM", "SIGTERM to process 1"),
        ("SIGTERM", ["SIGTERM", "SIGINT"], "SIGINT", "SIGINT"),
        ("SIGINT", ["SIGINT"], "SIGINT", "SIGINT"),
        ("SIGTERM", ["SIGTERM"], "SIGTERM", "SIGTERM"),
    ],
)
def test_ctrl_c_in_one_process_is_ctrl_c_in_all(monkeypatch, own, others, name, told):
    monkeypatch.setattr(loop, "exchange", lambda _: others)
    request = StopRequest()
    request.name = own
    stop = Stop(request, jax.devices())
    stop.settle()
    assert (request.name, stop.name) == (name, told)
