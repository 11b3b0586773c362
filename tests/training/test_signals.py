import os
import signal
import threading

import pytest

from styleflax.training.signals import stop_on_signals


def test_a_signal_sets_the_request_and_names_itself():
    with stop_on_signals() as stop:
        assert not stop
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop
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


def test_beside_the_main_thread_the_request_stays_false():
    requests = []

    def body():
        with stop_on_signals() as stop:
            requests.append(bool(stop))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert requests == [False]
