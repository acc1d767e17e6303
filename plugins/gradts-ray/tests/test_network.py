"""Faults dealt at random to workers, nodes, disks, the network and engines, on two nodes in network namespaces: what was stored
is never computed again, and what was told stays."""

import random
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil
import pytest
import serving
from nodes import READY, Nodes, fill, until

from gradts_engine import events
from gradts_engine.runtime.artifacts import ArtifactStore
from gradts_engine.runtime.journal import read_events

pytestmark = [pytest.mark.torture, pytest.mark.timeout(3600)]

FAULTS = 50
SEED = 7
KINDS = {
    "worker killed": 8,
    "worker hangs": 3,
    "worker pauses": 4,
    "node killed": 2,
    "node hangs": 2,
    "node pauses": 3,
    "cable out": 2,
    "cable out for a moment": 4,
    "packets lost": 2,
    "packets lost for a moment": 4,
    "node's disk full": 2,
    "engine killed": 2,
    "head killed": 1,
}
"""Kinds of faults, and how often each is dealt."""


@dataclass
class Faults:
    """Dealt to the second node and its worker, but for the last two kinds, while an engine of `folder` runs."""

    nodes: Nodes
    folder: Path
    rng: random.Random
    engine: "subprocess.Popen[str] | None" = None
    dealt: Counter[str] = field(default_factory=Counter)
    noticed: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds until the engine knew of it, by kind."""

    def told(self) -> list[events.Event]:
        """All that was told so far."""
        return [event for _, _, event in read_events(self.folder / "events.db")]

    def lost(self) -> int:
        """How many workers were given up."""
        return sum(isinstance(e, events.Warned) and "a worker was lost" in e.message for e in self.told())

    def workers(self) -> list[psutil.Process]:
        """Of the second node."""
        return self.nodes.second.processes("ray::Actor")

    def deal(self) -> None:
        """One fault, once there is somebody at work to hit."""
        until(lambda: self.engine and self.engine.poll() is None and self.workers(), "a worker of the second node")
        time.sleep(self.rng.uniform(0, 2 * serving.JOB))
        (kind,) = self.rng.choices([*KINDS], [*KINDS.values()])
        what, _, how = kind.partition(" ")
        second = self.nodes.second
        match kind:
            case "worker killed":
                self.wait_for(kind, lambda: _each(self.workers(), psutil.Process.kill))
            case "node killed":
                self.wait_for(kind, lambda: _each(second.processes("raylet"), psutil.Process.kill))
            case "worker hangs" | "worker pauses" | "node hangs" | "node pauses":
                hit = self.workers() if what == "worker" else second.processes()
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
        self.dealt[kind] += 1
        if kind == "head killed":
            assert self.engine
            self.engine.wait(READY)
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
        engine, before = self.engine, self.lost()
        begin()
        took = until(lambda: self.lost() > before or engine.poll() is not None, f"{kind} is noticed")
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
        faults = Faults(nodes, nodes.store / "run", random.Random(SEED))
        faults.folder.mkdir()
        over = faults.folder / "over"

        def deal() -> None:
            try:
                while faults.dealt.total() < FAULTS:
                    faults.deal()
            finally:
                over.touch()

        dealer, ends = threading.Thread(target=deal), 0
        dealer.start()
        while True:
            command = [sys.executable, str(Path(serving.__file__)), str(folder), nodes.address]
            faults.engine = nodes.popen(*command)
            faults.engine.communicate()
            if faults.engine.returncode == 0:
                break
            ends += 1
            time.sleep(1)
        dealer.join()
        assert faults.dealt.total() == FAULTS
        told = faults.told()
        finished = Counter(e.key for e in told if isinstance(e, events.StageFinished) and not e.cached)
        asked, done = ([serving.key(name) for name in (faults.folder / f).read_text().split()] for f in ("asked", "done"))
        assert finished == dict.fromkeys(asked, 1)
        assert {*done} == {*asked}
        assert all(ArtifactStore(faults.folder / "artifacts").find("tune", key) for key in asked)
        over_and_done: set[str] = set()
        for event in told:
            if isinstance(event, events.StageStarted):
                assert event.key not in over_and_done, "what was stored is computed again"
            elif isinstance(event, events.StageFinished):
                over_and_done.add(event.key)
    starts = sum(isinstance(event, events.StageStarted) for event in told)
    record_property("faults", dict(faults.dealt))
    record_property("seconds until noticed", {kind: (median(each), max(each)) for kind, each in faults.noticed.items()})
    record_property("jobs, starts, engines", (len(asked), starts, ends + 1))
