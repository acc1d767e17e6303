"""Faults dealt at random to workers, nodes, disks, the network and engines, on two nodes in network namespaces: what was stored
is never computed again, and what was told stays."""

import random
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil
import pytest
import serving
from nodes import READY, Node, Nodes, fill, until
from runs import at_work, check_once, lost

from gradts_engine import events
from gradts_engine.runtime.artifacts import ArtifactStore
from gradts_engine.runtime.journal import read_events

pytestmark = [pytest.mark.torture, pytest.mark.timeout(3600)]

SEED = 7
KINDS = Counter(
    {
        "worker killed": 15,
        "worker hangs": 3,
        "worker pauses": 6,
        "node killed": 3,
        "node hangs": 2,
        "node pauses": 4,
        "cable out": 2,
        "cable out for a moment": 4,
        "packets lost": 2,
        "packets lost for a moment": 4,
        "node's disk full": 2,
        "engine killed": 2,
        "head killed": 1,
    }
)
"""Kinds of faults, and how often each is dealt: 50 in all."""


@dataclass
class Faults:
    """Dealt while an engine of `folder` runs: to the worker of any node, to the second node, to the engine or the first one."""

    nodes: Nodes
    folder: Path
    rng: random.Random
    engine: "subprocess.Popen[str] | None" = None
    before: int = 0
    """Number of events until the end of the last fault."""
    lasts: threading.Lock = field(default_factory=threading.Lock)
    """Held while a node may be gone."""
    noticed: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds until the engine knew of it, by kind."""

    def told(self, after: int = 0) -> list[events.Event]:
        """All that was told so far, but for the first ones."""
        return [event for _, _, event in read_events(self.folder / "events.db", after)]

    def deal(self, kind: str) -> None:
        """One fault, once there is somebody at work to hit."""
        node = self.rng.choice(self.nodes.all) if kind.startswith("worker") else self.nodes.second
        until(lambda: at_work(self.told(self.before), node.name), f"work on {node.name}, for: {kind}")
        time.sleep(self.rng.uniform(0, serving.JOB))
        with self.lasts:
            self.hit(kind, node)
        self.before += len(self.told(self.before))

    def hit(self, kind: str, node: Node) -> None:
        """Deal it to what is at work there, and bring back what is gone."""
        what, _, how = kind.partition(" ")
        second = self.nodes.second
        hit = node.processes("ray::Actor" if what == "worker" else "")
        match kind:
            case "worker killed":
                self.wait_for(kind, lambda: _each(hit, psutil.Process.kill))
            case "node killed":
                self.wait_for(kind, lambda: _each(second.processes("raylet"), psutil.Process.kill))
            case "worker hangs" | "worker pauses" | "node hangs" | "node pauses":
                self.during(kind, lambda: _each(hit, psutil.Process.suspend), lambda: _each(hit, psutil.Process.resume))
            case "cable out" | "cable out for a moment":
                self.during(kind, second.cut, second.join)
            case "packets lost" | "packets lost for a moment":
                self.during(kind, second.drop, second.pass_on)
            case "node's disk full":
                full = fill(second.see(self.nodes.sessions))
                time.sleep(2 * serving.JOB)
                full.unlink()
            case "engine killed":
                assert self.engine
                self.engine.kill()
            case "head killed":
                _each(self.nodes.first.processes("raylet"), psutil.Process.kill)
        if "engine" in kind or "head" in kind:
            assert self.engine
            self.engine.wait(READY)
        if kind == "head killed":
            self.nodes.begin()
        elif (what == "node" and how != "pauses") or kind in ("cable out", "packets lost"):
            self.nodes.add()

    def during(self, kind: str, begin: Callable[[], object], end: Callable[[], object]) -> None:
        """A fault that lasts for a moment, or until it is noticed and a while longer."""
        if kind.endswith(("moment", "pauses")):
            begin()
            time.sleep(self.rng.uniform(0.2, 1.5))
        else:
            self.wait_for(kind, begin)
            time.sleep(2 * serving.JOB)  # for what is late
        end()

    def wait_for(self, kind: str, begin: Callable[[], object]) -> None:
        """Until the engine knows of it, or has ended, since it was the third worker that a job has lost."""
        assert self.engine
        engine, before = self.engine, lost(self.told(self.before))
        begin()
        took = until(lambda: lost(self.told(self.before)) > before or engine.poll() is not None, f"{kind} is noticed")
        if engine.poll() is None:
            self.noticed[kind].append(round(took, 1))


def _each(processes: list[psutil.Process], do: Callable[[psutil.Process], object]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            do(process)


def test_many_faults_lose_and_double_nothing(record_property: Callable[[str, object], None]) -> None:
    """Until enough were dealt. Where an engine ends it is begun again: it was killed, or a job has lost three workers."""
    with Nodes() as nodes:
        folder = nodes.store / "run"
        faults = Faults(nodes, folder, random.Random(SEED))
        folder.mkdir()
        over = folder / "over"

        def deal() -> None:
            try:
                for kind in faults.rng.sample([*KINDS], KINDS.total(), counts=KINDS.values()):
                    faults.deal(kind)
            finally:
                over.touch()

        with ThreadPoolExecutor(1) as pool:
            dealing, status = pool.submit(deal), 1
            while status:
                with faults.lasts:  # an engine has the nodes that are there when it begins
                    nodes.wait(2)
                faults.engine = nodes.popen(sys.executable, str(Path(serving.__file__)), str(folder), nodes.address)
                faults.engine.communicate()
                status = faults.engine.returncode
        dealing.result()
        told = faults.told()
        asked, done = ([serving.key(name) for name in (folder / file).read_text().split()] for file in ("asked", "done"))
        assert check_once(told) == {*asked} == {*done}
        assert all(ArtifactStore(folder / "artifacts").find("tune", key) for key in asked)
    starts = sum(isinstance(event, events.StageStarted) for event in told)
    record_property("seconds until noticed", {kind: (median(each), max(each)) for kind, each in faults.noticed.items()})
    record_property("jobs, starts", (len(asked), starts))
