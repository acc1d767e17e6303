"""`python -m benchmarks.scaling`: what more devices are worth, by simulation. Nothing is trained.

A run's jobs are those of the pipeline: each task is tuned and scored, then every primary goes its own way, with the real strategy
`halving`, whose trials are asked for round by round. A job takes what `plan` expects of it (`runtime.costs`) times a log-normal
number, since no two nodes are as fast as each other all the time. Devices take jobs in the order in which they are asked for, and
each has to read data and encoder first.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from statistics import median

import numpy as np

from gradts_engine.config import MultitaskSettings, ScoringSettings, TrainingSettings
from gradts_engine.contracts import Ranking, Selection, Trials
from gradts_engine.repeats import Repeats, Verdict
from gradts_engine.runtime.costs import operations
from gradts_engine.runtime.facts import Facts, TaskFacts
from gradts_engine.runtime.jobs import Job, Score, Trial, Tune
from gradts_engine.selection.halving import HalvingSettings, halving

LAYERS, HIDDEN = 12, 768
PACE = 1 / 20e12
"""Seconds an operation: a base encoder on a GPU that makes 20 TFLOP/s of it."""
START = 20.0
"""Seconds that a worker takes to read data and encoder."""
SPREAD = 0.15
"""Standard deviation of a job's log seconds around what is expected of it."""
SIZES, LENGTHS = (2_000, 200_000), (10, 80)
"""Train instances of a task, and their mean tokens: both log-uniform, about as in GLUE."""
CASES = ((8, 1, 8), (8, 8, 8), (100, 1, 32), (100, 100, 32))
"""Tasks, how many of them are primaries, and nodes with a device each."""
SEEDS = 5


@dataclass(frozen=True)
class Simulated:
    """Seconds: of the run, of all jobs together, and of the longest chain of jobs of which each waits for the one before."""

    seconds: float
    work: float
    chain: float
    jobs: int


class Run:
    """A simulated run on some devices. Jobs that were computed are found, as in the store."""

    def __init__(self, tasks: int, primaries: int, devices: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        names = [f"task{i}" for i in range(tasks)]
        sizes, self.lengths = (
            dict(zip(names, np.exp(rng.uniform(np.log(low), np.log(high), tasks)), strict=True)) for low, high in (SIZES, LENGTHS)
        )
        digests = dict.fromkeys(("train", "dev"), "")
        known = {n: TaskFacts("classification", "accuracy", {"train": int(s), "dev": 1000}, digests) for n, s in sizes.items()}
        self.facts = Facts(seed, 128, TrainingSettings(), MultitaskSettings(), ScoringSettings(), "", 1, known)
        self.tasks, self.primaries = names, names[:primaries]
        self.rng = rng
        self.free = [START] * devices
        self.seconds: dict[Job, float] = {}
        self.ends: dict[Job, float] = {}
        self.chains: dict[Job, float] = {}

    def simulated(self) -> Simulated:
        """From the first job to the last."""
        now, chain = 0.0, 0.0
        for stage in (Tune, Score):  # a score waits for its own fine-tune alone, but there is one for each
            asked = [stage(task=task) for task in self.tasks]
            befores = [(self.ends.get(Tune(task=t), 0.0), self.chains.get(Tune(task=t), 0.0)) for t in self.tasks]
            for job, before in sorted(zip(asked, befores, strict=True), key=lambda pair: pair[1]):
                self.compute(job, *before)
        now, chain = max(self.ends.values()), max(self.chains.values())
        self.choose(now, chain)
        return Simulated(max(self.ends.values()), sum(self.seconds.values()), max(self.chains.values()), len(self.seconds))

    def compute(self, job: Job, asked: float, chain: float) -> None:
        """Have the next free device compute a job that is asked for at a time, after a chain of jobs."""
        if job in self.ends:
            return
        expected = PACE * operations(job, self.facts, self.lengths.__getitem__, LAYERS, HIDDEN)
        self.seconds[job] = float(expected * self.rng.lognormal(0.0, SPREAD))
        self.ends[job] = max(heapq.heappop(self.free), asked) + self.seconds[job]
        self.chains[job] = chain + self.seconds[job]
        heapq.heappush(self.free, self.ends[job])

    def choose(self, now: float, chain: float) -> None:
        """Each primary's strategy asks for round after round: the one whose round is asked for first is served first."""
        asking = [(now, i, chain, Asking(self, primary)) for i, primary in enumerate(self.primaries)]
        heapq.heapify(asking)
        while asking:
            asked, i, before, strategy = heapq.heappop(asking)
            jobs = strategy.jobs.get()
            if jobs is None:
                continue
            for job in jobs:
                self.compute(job, asked, before)
            strategy.go_on.put(None)
            asked, before = max([asked, *(self.ends[j] for j in jobs)]), max([before, *(self.chains[j] for j in jobs)])
            heapq.heappush(asking, (asked, i, before, strategy))


class Asking:
    """A strategy that is stopped in a thread of its own wherever it asks for trials. What these score is drawn by chance."""

    def __init__(self, run: Run, primary: str) -> None:
        self.primary = primary
        self.rng = np.random.default_rng(run.rng.integers(1 << 32))
        self.jobs: SimpleQueue[list[Job] | None] = SimpleQueue()
        self.go_on: SimpleQueue[None] = SimpleQueue()
        others = tuple(task for task in run.tasks if task != primary)
        values = {task: Repeats((float(self.rng.normal()),)) for task in others}
        ranking = Ranking(
            primary=primary, candidates=others, predictor="x", predicted={"x": values}, instance_tau=lambda _: np.zeros(0)
        )
        threading.Thread(target=self._run, args=(ranking,), daemon=True).start()

    def _run(self, ranking: Ranking) -> None:
        halving(ranking, Trials(self._evaluate, self._judge), HalvingSettings())
        self.jobs.put(None)

    def _evaluate(self, selections: Sequence[Selection], repeats: Sequence[int]) -> list[Repeats]:
        self.jobs.put([Trial(primary=self.primary, auxiliaries=s, repeat=r) for s in selections for r in repeats])
        self.go_on.get()
        return [Repeats(tuple(self.rng.normal(size=len(repeats)))) for _ in selections]

    def _judge(self, selections: Sequence[Selection], repeats: Sequence[int]) -> list[Verdict]:
        self._evaluate([(), *selections], repeats)
        return [Verdict(verdict="helps", gain=0.0, low=0.0, high=0.0, seeds=len(repeats), rows=1) for _ in selections]


def row(tasks: int, primaries: int, nodes: int) -> str:
    """A line of the table, the medians over the seeds."""
    runs = [(Run(tasks, primaries, nodes, s).simulated(), Run(tasks, primaries, 1, s).simulated()) for s in range(SEEDS)]

    def middle(of: Callable[[Simulated, Simulated], float]) -> float:
        return median(of(many, one) for many, one in runs)

    speed_up = middle(lambda many, one: one.seconds / many.seconds)
    most = middle(lambda many, one: many.work / many.chain)
    idle = middle(lambda many, one: 1 - many.work / (nodes * many.seconds))
    hours = middle(lambda many, one: one.seconds / 3600), middle(lambda many, one: many.seconds / 3600)
    jobs = middle(lambda many, one: many.jobs)
    return (
        f"| {tasks} | {primaries} | {jobs:.0f} | {nodes} | {hours[0]:.1f} h | {hours[1]:.1f} h | {speed_up:.1f} | {idle:.0%} | "
        f"{most:.0f} |"
    )


if __name__ == "__main__":
    print("| tasks | primaries | jobs | nodes | on one | on all | speed-up | idle | most, with any number of nodes |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for case in CASES:
        print(row(*case), flush=True)
