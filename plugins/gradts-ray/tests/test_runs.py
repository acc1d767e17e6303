"""Whole runs by Ray on one node: the bytes of threads, and a driver that is killed. Each is a process of its own."""

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from runs import artifacts, check_once, command, happened, places, run

from gradts_engine.testing import toy_run

pytestmark = pytest.mark.torture  # a Ray takes seconds to start, and minutes on a busy machine


def test_a_run_whose_driver_was_killed_goes_on_and_leaves_no_process(tmp_path: Path) -> None:
    """Twice, at what is being computed then: nothing that was finished is computed again, and the bytes are those of threads."""
    toy_run(tmp_path)
    threads, store = tmp_path / "threads", tmp_path / "killed"
    run(command(tmp_path, threads))
    assert places(threads) == {"cpu"}
    on_ray = command(tmp_path, store, "--executor", "ray")
    finished: set[str] = set()
    children: list[psutil.Process] = []
    for stage in ("score", "trial"):
        engine = subprocess.Popen(
            on_ray, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        assert engine.stdout
        for line in engine.stdout:
            if line.startswith(stage):
                break
        children += psutil.Process(engine.pid).children(recursive=True)
        engine.send_signal(signal.SIGKILL)
        engine.wait()
        before, finished = finished, {name for name in artifacts(store) if not name.startswith("artifacts/work/")}
        assert before <= finished
    assert finished
    run(on_ray)
    assert artifacts(store) == artifacts(threads)
    assert len(places(store)) == 1
    assert " on " in places(store).pop()
    check_once(happened(store))
    _, alive = psutil.wait_procs(children, timeout=240)  # Ray's agents end two minutes after their node
    assert not alive, [p.cmdline()[:3] for p in alive if p.is_running()]
