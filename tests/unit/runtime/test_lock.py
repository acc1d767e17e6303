"""Whether an engine lives, on this host and on others, with and without locks."""

import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest

from gradts_engine.errors import RunError
from gradts_engine.runtime import lock
from gradts_engine.runtime.lock import Owner, beat, hold, holder


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lock"


def written(path, owner: Owner, *, age: float = 0.0) -> Owner:
    """A lock file as an engine leaves it that is gone, or that is on a host whose locks are not seen here."""
    path.write_text(json.dumps(asdict(owner)))
    os.utime(path, (time.time() - age, time.time() - age))
    return owner


ELSEWHERE = Owner("far-away", 12, "345", "boot", 1e9)


def test_this_process_is_running_and_its_name_says_so():
    me = Owner.me()
    assert me.running()
    assert me.here
    assert str(me).startswith(f"process {os.getpid()} on {socket.gethostname()}, since ")


@pytest.mark.parametrize("change", [{"start": "1"}, {"boot": "another"}, {"pid": 2**22 + 1}])
def test_another_process_with_the_same_number_is_not_taken_for_it(change):
    assert not replace(Owner.me(), **change).running()


def test_a_process_that_ended_is_not_running():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = Owner("h", child.pid, lock._start(child.pid), lock._boot(), 0.0)
    assert owner.running()
    child.communicate()
    assert not owner.running()


def test_signs_of_life_tell_an_engine_on_another_host_that_works_from_one_that_is_dead(path):
    written(path, ELSEWHERE, age=lock.SILENCE - 10)
    assert holder(path) == str(ELSEWHERE)
    with pytest.raises(RunError, match=r"^run r is already being worked on: process 12 on far-away, since "), hold(path, "r"):
        pass
    written(path, ELSEWHERE, age=lock.SILENCE + 10)
    assert holder(path) == ""
    with hold(path, "r"):
        assert holder(path) == str(replace(Owner.me(), since=json.loads(path.read_text())["since"]))
    assert holder(path) == ""


def test_an_engine_on_this_host_that_is_gone_holds_nothing_however_lately_it_lived(path):
    written(path, replace(Owner.me(), pid=2**22 + 1))
    assert holder(path) == ""
    with hold(path, "r"):
        pass


def test_an_engine_that_hangs_is_told_from_one_that_is_busy(path):
    with hold(path, "r"):
        assert "no sign of life" not in holder(path)
        os.utime(path, (time.time() - 200, time.time() - 200))
        assert holder(path).endswith(", no sign of life for 200 s")
        beat(path)
        assert "no sign of life" not in holder(path)


def test_without_locks_the_process_table_says_who_lives(path, monkeypatch):
    """Some network file systems know no locks at all."""

    def unsupported(file, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    written(path, replace(Owner.me(), start="1"))
    assert holder(path) == ""
    with hold(path, "r"):
        assert holder(path).startswith(f"process {os.getpid()} on ")
        with pytest.raises(RunError, match="already being worked on"), hold(path, "r"):
            pass
    assert holder(path) == ""


def test_on_a_full_disk_nobody_works_but_who_makes_room(path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(RunError, match=r"cannot be written: No space left on device"), hold(path, "r"):
        pytest.fail("it is held")
    with hold(path, "r", named=False), pytest.raises(RunError, match="another process"), hold(path, "r"):
        pytest.fail("it is held twice")
