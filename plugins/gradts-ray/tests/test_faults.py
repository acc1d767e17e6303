"""Faults dealt at random to the workers and nodes of a cluster: what was stored is never computed again, what was told stays."""

import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from gradts_ray import executor as executor_module

from gradts_engine import events
from gradts_engine.config import MultitaskSettings, ScoringSettings, TrainingSettings
from gradts_engine.contracts import Setup
from gradts_engine.errors import RunError
from gradts_engine.runtime import jobs
from gradts_engine.runtime.artifacts import ArtifactStore
from gradts_engine.runtime.control import Control
from gradts_engine.runtime.driver import Driver
from gradts_engine.runtime.facts import Facts, TaskFacts
from gradts_engine.runtime.jobs import Tune
from gradts_engine.runtime.journal import Journal, read_events

pytestmark = [pytest.mark.torture, pytest.mark.timeout(3600)]

FAULTS = 50
SEED = 7
JOB = 1.0
"""Seconds of a job."""
SILENCE = 6.0
"""Seconds without an answer after which a worker is given up, in this test."""
KINDS = ("kill worker", "hang worker", "pause worker", "kill node", "hang node", "pause node")
CLUSTER = """
import sys
from ray.cluster_utils import Cluster
small = {"object_store_memory": 100_000_000, "include_dashboard": False}
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **small})
for _ in range(2):
    cluster.add_node(num_cpus=1, **small)
print(cluster.address, flush=True)
for line in sys.stdin:
    if line == "end\\n":
        break
    for node in [n for n in cluster.worker_nodes if not n.live_processes() or n.dead_processes()]:
        cluster.worker_nodes.discard(node)
    cluster.add_node(num_cpus=1, **small)
    print("added", flush=True)
cluster.shutdown()
"""
SETTINGS = {
    "PYTHONPATH": str(Path(__file__).parent),
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "0" * 64,
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
    "OMP_NUM_THREADS": "1",
}


@dataclass
class Machine:
    """A cluster of two nodes with a processor each, and a head without, as processes of this machine."""

    process: subprocess.Popen[str]
    address: str
    rng: random.Random
    dealt: Counter[str] = field(default_factory=Counter)

    def raylets(self) -> list[psutil.Process]:
        """Of the two nodes; the head's was the first to start."""
        found = [p for p in psutil.Process(self.process.pid).children() if p.name() == "raylet"]
        alive = [p for p in found if p.status() != psutil.STATUS_ZOMBIE]
        return sorted(alive, key=lambda p: p.create_time())[1:]

    def workers(self) -> list[psutil.Process]:
        return [p for raylet in self.raylets() for p in raylet.children() if p.name().startswith("ray::Actor")]

    def deal(self) -> None:
        """One fault, if there is somebody to hit."""
        (kind,) = self.rng.choices(KINDS, [8, 2, 4, 2, 1, 3])
        victims = self.workers() if "worker" in kind else self.raylets()
        if not victims:
            return
        victim = self.rng.choice(victims)
        with suppress(psutil.NoSuchProcess):
            all_of_it = [victim, *(victim.children(recursive=True) if "node" in kind else [])]
            if kind.startswith("kill"):
                victim.kill()
            else:
                for process in all_of_it:
                    process.suspend()
                time.sleep(self.rng.uniform(0.2, 1.5) if kind.startswith("pause") else SILENCE + 10)
                for process in all_of_it:
                    with suppress(psutil.NoSuchProcess):
                        process.resume()
            self.dealt[kind] += 1
        if "node" in kind and not kind.startswith("pause"):
            self.again()

    def again(self) -> None:
        """A node in the place of a lost one. One that hung is found dead, and ends by itself, or is alive after all."""
        time.sleep(2)
        while len(self.raylets()) < 2:
            assert self.process.stdin
            assert self.process.stdout
            self.process.stdin.write("add\n")
            self.process.stdin.flush()
            assert self.process.stdout.readline() == "added\n"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    with subprocess.Popen(
        [sys.executable, "-c", CLUSTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        made = Machine(process, process.stdout.readline().strip(), random.Random(SEED))
        monkeypatch.setenv("GRADTS_RAY_ADDRESS", made.address)
        yield made
        process.stdin.write("end\n")
        process.stdin.flush()


def facts(tasks: list[str]) -> Facts:
    digests = dict.fromkeys(("train", "dev"), "0" * 64)
    known = dict.fromkeys(tasks, TaskFacts("classification", "accuracy", {"train": 10}, digests))
    training, multitask = TrainingSettings(precision="fp32"), MultitaskSettings(precision="fp32")
    return Facts(3, 32, training, multitask, ScoringSettings(), "e" * 64, 1, known)


@contextmanager
def driving(folder: Path, known: Facts) -> Iterator[Driver]:
    """A run, or the same run again, on both nodes."""
    worker = json.dumps({"store": str(folder / "artifacts"), "seconds": JOB})
    with Journal(folder / "events.db") as journal:
        setup = Setup(("cpu",), "slow:Slow", worker, lambda record: driver.hear(record), folder=folder)
        with closing(executor_module.connect(setup, 2)) as executor:
            driver = Driver(known, executor, ArtifactStore(folder / "artifacts"), journal.emit, Control())
            with driver:
                yield driver


def test_many_faults_lose_and_double_nothing(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers and nodes are killed, hang and pause, while jobs run, until enough faults were dealt. Where a job loses three
    workers the run ends, and the same run again goes on."""
    monkeypatch.setattr(executor_module, "SILENCE", SILENCE)
    names = [f"task{i}" for i in range(10_000)]
    known, ended = facts(names), threading.Event()
    asked: list[Tune] = []

    def serve(driver: Driver) -> None:
        """Keep the devices busy until the faults are over, and then get all that was asked for."""
        waiting = [driver.get(job) for job in asked]
        while not ended.is_set() or waiting:
            if not ended.is_set() and len(waiting) < 4:
                asked.append(Tune(task=names[len(asked)]))
                waiting.append(driver.get(asked[-1]))
            for future in [f for f in waiting if f.done()]:
                future.result()
                waiting.remove(future)
            time.sleep(0.05)

    def deal() -> None:
        try:
            while machine.dealt.total() < FAULTS:
                time.sleep(machine.rng.uniform(0, 2 * JOB))
                machine.deal()
        finally:
            ended.set()

    dealer, done = threading.Thread(target=deal), False
    while not done:
        try:
            with driving(tmp_path, known) as driver:
                if not dealer.ident:
                    dealer.start()
                serve(driver)
                done = True
        except RunError:  # three workers lost at one job, or one that was killed while the run began
            continue
    dealer.join()
    assert machine.dealt.total() == FAULTS
    told = [event for _, _, event in read_events(tmp_path / "events.db")]
    finished = Counter(e.key for e in told if isinstance(e, events.StageFinished) and not e.cached)
    keys = {jobs.key(job, known) for job in asked}
    assert finished == dict.fromkeys(keys, 1)
    assert all(ArtifactStore(tmp_path / "artifacts").find("tune", key) for key in keys)
    over: set[str] = set()
    for event in told:
        if isinstance(event, events.StageStarted):
            assert event.key not in over, "what was stored is computed again"
        elif isinstance(event, events.StageFinished):
            over.add(event.key)
    assert not list(tmp_path.glob("workers/*"))
