import threading

import pytest

from gradts_engine.errors import Cancelled, Interrupted, Terminated
from gradts_engine.runtime.control import Control


def test_nothing_was_asked():
    Control().check()


def test_the_first_to_ask_is_heard_by_everybody():
    control = Control()
    control.stop(Cancelled, "cancelled")
    control.stop(Terminated, "terminated")
    for _ in range(2):
        with pytest.raises(Cancelled, match=r"^cancelled$"):
            control.check()


def test_a_worker_holds_until_it_may_go_on():
    control = Control()
    control.paused = True
    told = []
    worker = threading.Thread(target=control.check, args=[lambda: told.append("holds")])
    worker.start()
    worker.join(0.3)
    assert worker.is_alive()
    assert told == ["holds"]
    control.paused = False
    worker.join(5)
    assert not worker.is_alive()


def test_a_worker_that_holds_can_be_stopped():
    control = Control()
    control.paused = True
    threading.Timer(0.2, control.stop).start()
    with pytest.raises(Interrupted, match=r"^interrupted$"):
        control.check()
