"""Values that are made on a thread of their own."""

import time
from threading import Event

from gradts_tui.shelf import Shelf


def test_a_shelf_is_busy_until_it_has_told():
    asked, telling, told = Event(), Event(), Event()
    shelf = Shelf(lambda: (telling.set(), told.wait(30)))
    assert shelf.get("a", lambda: asked.wait(30)) is None
    asked.set()
    assert telling.wait(30)
    assert shelf.get("a", lambda: False) is True
    assert shelf.busy
    told.set()
    shelf.close()
    assert until_idle(shelf)


def until_idle(shelf) -> bool:
    deadline = time.monotonic() + 30
    while shelf.busy and time.monotonic() < deadline:
        time.sleep(0.01)
    return not shelf.busy
