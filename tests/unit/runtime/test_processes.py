"""Workers in processes of their own: what they share, and what becomes of a task whose process is killed, or whose engine is."""

import json
import os
import queue
import signal
import subprocess
import sys
import time
from contextlib import closing

import psutil
import pytest
import torch

from gradts_engine.contracts import Setup
from gradts_engine.errors import WorkerLost
from gradts_engine.runtime.executors import native_formats, threads
from gradts_engine.runtime.processes import shares
from gradts_engine.testing.puppet import PUPPET, WAIT

GIB = 2**30


@pytest.fixture
def workers():
    """The processes that this test has started and that are alive."""
    before = set(psutil.Process().children())
    return lambda: [p for p in psutil.Process().children() if p not in before and p.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize(
    ("cores", "memory", "workers", "gpus", "expected"),
    [
        (1, 64, None, 0, (1, 1)),
        (2, 7, None, 0, (1, 2)),
        (2, 8, None, 0, (2, 1)),
        (4, 16, None, 0, (2, 2)),
        (7, 64, None, 0, (2, 3)),
        (8, 64, None, 0, (2, 4)),
        (64, 256, None, 0, (16, 4)),
        (64, 9, None, 0, (2, 32)),
        (64, 1, None, 0, (1, 64)),
        (4, 8, 2, 0, (2, 2)),
        (5, 8, 2, 0, (2, 2)),
        (2, 8, 4, 0, (4, 1)),
        (64, 256, None, 1, (1, 64)),
        (64, 256, None, 8, (1, 8)),
        (16, 256, 4, 1, (4, 4)),
        (16, 256, 2, 4, (2, 2)),
        (2, 256, 2, 4, (2, 1)),
    ],
)
def test_how_many_workers_there_are_by_itself(monkeypatch, cores, memory, workers, gpus, expected):
    monkeypatch.setattr(torch, "get_num_threads", lambda: cores)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"total": memory * GIB}))
    assert shares(workers, gpus) == expected


def test_a_task_whose_process_is_killed_is_lost_and_another_process_takes_its_place(workers):
    heard: queue.Queue[str] = queue.Queue()
    setup = Setup(("cpu",), PUPPET, "", heard.put, workers=2)
    with closing(threads(setup)) as executor:
        task = executor.submit(json.dumps([["say", "begun"], ["sleep", WAIT]]))
        heard.get(timeout=WAIT)
        (process,) = workers()
        process.kill()
        with pytest.raises(WorkerLost, match=f"its process ended with signal {signal.SIGKILL.value}"):
            task.result(WAIT)
        for process in workers():  # also one that has nothing to do
            process.kill()
        assert json.loads(executor.submit(json.dumps([["echo", 2]])).result(WAIT))["answers"] == [2]
    assert workers() == []


@pytest.mark.parametrize("meant", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_that_all_processes_of_a_run_get_is_for_the_engine(workers, meant):
    """As where a service is stopped, or a job's time is up: a worker ends once its checkpoint is kept."""
    heard: queue.Queue[str] = queue.Queue()
    with closing(threads(Setup(("cpu",), PUPPET, "", heard.put, workers=2))) as executor:
        task = executor.submit(json.dumps([["say", "begun"], ["sleep", 0.5], ["echo", 1]]))
        heard.get(timeout=WAIT)
        (process,) = workers()
        process.send_signal(meant)
        assert json.loads(task.result(WAIT))["answers"] == [1]


ENGINE = f"""
import json, sys
from gradts_engine.contracts import Setup
from gradts_engine.runtime.executors import native_formats, threads
executor = threads(Setup(("cpu",), {PUPPET!r}, "", lambda record: print(record, flush=True), workers=2))
executor.submit(json.dumps([["say", "begun"], ["sleep", 60]])).result()
"""


def test_a_worker_goes_with_its_engine():
    """Also where the engine is killed: nobody would know what goes on computing."""
    with subprocess.Popen([sys.executable, "-c", ENGINE], stdout=subprocess.PIPE) as engine:
        engine.stdout.readline()
        (worker,) = psutil.Process(engine.pid).children()
        engine.kill()
        until = time.monotonic() + WAIT
        while worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < until, "the worker outlives its engine"
            time.sleep(0.02)


def test_each_gpu_has_as_many_workers_as_were_asked_for(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    with closing(threads(Setup(("auto",), PUPPET, "", lambda record: None, workers=2))) as executor:
        assert [device.name for device in executor.devices] == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]


def test_processes_that_are_to_prepare_are_there_before_their_first_task(workers):
    with closing(threads(Setup(("cpu",), PUPPET, "", lambda record: None, workers=2))) as executor:
        assert workers() == []
        executor.order("prepare")
        executor.order("save")
        ready = {process.pid for process in workers()}
        assert len(ready) == 2
        answers = json.loads(executor.submit(json.dumps([["process"], ["order"]])).result(WAIT))["answers"]
        assert answers[0] in ready
        assert answers[1] == "save"
    assert workers() == [], "a process that had no task goes, too"


PREPARED = """
import sys
from gradts_engine.runtime.worker import make
worker = make('{"config": "tasks.toml", "text": "", "store": "store"}')
assert "transformers" not in sys.modules
worker.order("prepare")
assert "transformers.modeling_utils" in sys.modules
"""


def test_a_worker_that_is_to_prepare_imports_what_jobs_need():
    subprocess.run([sys.executable, "-c", PREPARED], check=True, timeout=120)


BROKEN = """
import sys
from gradts_engine.runtime.worker import make
sys.modules["transformers"] = None  # as where it is not installed
make('{"config": "tasks.toml", "text": "", "store": "store"}').order("prepare")
"""


def test_what_a_worker_cannot_import_is_for_its_first_job_to_say():
    subprocess.run([sys.executable, "-c", BROKEN], check=True, timeout=120)


MANY = """
import json, sys
from gradts_engine.runtime.worker import make
make('{"config": "tasks.toml", "text": "", "store": "store"}')
import torch
for repeat in range(2):
    for length in range(100, 1600):
        torch.ones(length, 8, dtype=torch.bfloat16) @ torch.ones(8, 8, dtype=torch.bfloat16)
"""


@pytest.mark.skipif("bf16" not in native_formats("cpu"), reason="oneDNN multiplies no bf16 on this processor")
@pytest.mark.parametrize(("set_by_user", "made"), [({}, 1500), ({"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "100"}, 3000)])
def test_a_worker_keeps_the_kernels_of_all_lengths_unless_the_user_says_otherwise(set_by_user, made):
    environment = os.environ | {"ONEDNN_VERBOSE": "2"} | set_by_user
    said = subprocess.run([sys.executable, "-c", MANY], env=environment, check=True, timeout=120, capture_output=True, text=True)
    assert said.stdout.count("create:cache_miss") == made
