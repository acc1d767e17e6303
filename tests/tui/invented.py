"""An invented but realistic run: events and artifacts written as an engine writes them, at times that never change."""

import math
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
from safetensors.numpy import save_file

from gradts_engine import __version__, events
from gradts_engine.runtime.artifacts import RAW, ROWS, TAU, content_key
from gradts_engine.runtime.journal import Journal
from gradts_engine.runtime.store import RunFolder, Store
from gradts_engine.scoring.correlation import kendall_tau
from gradts_engine.scoring.normalise import normalise, task_importance

BEGAN = 1_790_000_000.0
RUN = "glue-5f3a91c7"
SIZES = {"rte": 240, "mrpc": 300, "cola": 400, "sst2": 500, "stsb": 350, "qnli": 450, "mnli": 600, "wnut17": 280}
LIKENESS = {"rte": 0.0, "mrpc": 0.9, "cola": 1.4, "sst2": 1.6, "stsb": 1.1, "qnli": 0.6, "mnli": 0.5, "wnut17": 2.4}
ALONE = {
    "rte": 0.6245,
    "mrpc": 0.8382,
    "cola": 0.5214,
    "sst2": 0.9151,
    "stsb": 0.8614,
    "qnli": 0.8957,
    "mnli": 0.8371,
    "wnut17": 0.4411,
}
TRIALS = ((), ("mnli",), ("mnli", "qnli"), ("mnli", "qnli", "mrpc"))
SCORES = (0.6245, 0.6823, 0.7004, 0.6931)
CONFIG = "/home/ada/experiments/glue.toml"


def about(subject: str) -> events.About:
    """What the words of an invented stage mean."""
    task, *auxiliaries = subject.split(" + ")
    return events.About(task, tuple((name, None) for name in auxiliaries))


@dataclass
class Invented:
    """A run in the making. `clock` is the time of the last event; every event takes some."""

    store: Store
    name: str = RUN
    shape: tuple[int, int] = (12, 12)
    sizes: dict[str, int] = field(default_factory=lambda: dict(SIZES))
    strategy: str = "trial"
    version: str = __version__
    primaries: tuple[str, ...] = ("rte",)
    clock: float = BEGAN
    happened: list[tuple[float, events.Event]] = field(default_factory=list)

    def add(self, event: events.Event, seconds: float = 1.0) -> None:
        self.clock += seconds
        self.happened.append((self.clock, event))

    def key(self, stage: str, subject: str) -> str:
        return content_key(stage, 1, subject=subject, run=self.name)

    def start(self) -> "Invented":
        settings = {
            "training": {"epochs": 3},
            "multitask": {"length": "steps", "epochs": 5},
            "scoring": {"head_axis": "output"},
            "selection": {"strategy": self.strategy, "confirm": "ask", "keep": 0.5, "threshold": None},
            "seed": 2018,
            "max_length": 128,
        }
        self.add(
            events.RunStarted(
                run=self.name,
                config=CONFIG,
                encoder="roberta-base",
                tasks=tuple(self.sizes),
                primaries=self.primaries,
                devices=("cuda:0",),
                settings=settings,
                versions={"gradts": self.version},
                trials={primary: len(self.sizes) for primary in self.primaries},
            )
        )
        for task, size in self.sizes.items():
            kind, metric = ("token_classification", "f1") if task == "wnut17" else ("classification", "accuracy")
            kind, metric = ("regression", "pearson") if task == "stsb" else (kind, metric)
            self.add(events.TaskRead(task, kind, metric, {"train": size, "dev": size // 4, "test": size // 4}, {}), 0.2)
        return self

    def training(self, stage: str, subject: str, steps: int, until: int, epochs: list[float], metric: str = "accuracy") -> None:
        """Progress of a training up to step `until`, with a loss that falls."""
        self.add(events.StageStarted(stage, subject, self.key(stage, subject), about(subject)))
        self.add(events.Tokenised(subject.split(" + ")[0], "train", steps * 8, 3 if subject == "rte" else 0), 0.1)
        rng = np.random.default_rng(len(subject))
        for done in range(1, until + 1):
            loss = 0.35 + 0.4 * math.exp(-3 * done / steps) + 0.03 * float(rng.standard_normal())
            self.add(events.StageProgress(stage, subject, done, steps, loss), 0.4)
            epoch, rest = divmod(done * len(epochs), steps)
            if rest < len(epochs) and epoch:
                self.add(events.EpochScored(stage, subject, epoch, metric, epochs[epoch - 1]), 1.5)

    def finish(self, stage: str, subject: str, seconds: float, cached: bool = False) -> None:
        self.add(events.StageFinished(stage, subject, self.key(stage, subject), seconds, cached, about(subject)), 0.5)

    def tune_and_score(self, until: int | None = None) -> "Invented":
        for task in list(self.sizes)[:until]:
            self.finish("embed", task, 2.1)
            steps = self.sizes[task] // 4
            self.training(
                "tune", task, steps, steps, [ALONE.get(task, 0.5) - 0.05, ALONE.get(task, 0.5) - 0.01, ALONE.get(task, 0.5)]
            )
            self.finish("tune", task, steps * 0.4 + 4)
            self.add(events.StageStarted("score", task, self.key("score", task)))
            for done in range(0, self.sizes[task] + 1, 50):
                self.add(events.StageProgress("score", task, done, self.sizes[task]), 0.6)
            self.save_scores(task)
            self.finish("score", task, self.sizes[task] * 0.012)
        return self

    def raw(self, task: str) -> np.ndarray:
        """Raw importance [N, L, H]: a pattern that all tasks share, and one of their own."""
        shared, own = (np.random.default_rng(seed).gamma(2.0, 1.0, self.shape) for seed in (1, sum(map(ord, task))))
        likeness = LIKENESS.get(task, 1.0)
        noise = np.random.default_rng(len(task)).gamma(4.0, 0.25, (self.sizes[task], *self.shape))
        return ((shared + likeness * own) * noise * 1e-3).astype(np.float32)

    def save_scores(self, task: str) -> None:
        arrays = {"raw": self.raw(task), "row": np.arange(self.sizes[task], dtype=np.int64)}
        result = {"dev": ALONE.get(task, 0.5), "metric": "accuracy", "data": "0" * 64}
        self.store.artifacts.save("score", self.key("score", task), result, lambda folder: save_file(arrays, folder / RAW))

    def correlate(self) -> "Invented":
        for primary in self.primaries:
            main = task_importance([self.raw(primary)])
            others = [t for t in self.sizes if t != primary]
            tau = {t: float(kendall_tau(main, task_importance([self.raw(t)])[None])[0]) for t in others}
            cosine = {t: 0.9 - 0.1 * LIKENESS.get(t, 1.0) for t in others}
            instances = {t: kendall_tau(main, normalise(self.raw(t))) for t in others}
            self.store.artifacts.save(
                "correlate",
                self.key("correlate", primary),
                {"tau": tau, "embedding": cosine},
                lambda folder, found=instances: save_file(found, folder / TAU),
            )
            self.finish("correlate", primary, 1.4)
        return self

    def trial(self, number: int, until: float = 1.0) -> None:
        names = TRIALS[number]
        subject = " + ".join(["rte", *sorted(names)])
        best = SCORES[number]
        self.training("trial", subject, 200, int(200 * until), [best - 0.04, best - 0.02, best, best - 0.01, best - 0.006])
        if until == 1.0:
            self.finish("trial", subject, 91.5 + number)
            self.add(events.TrialScored("rte", {n: self.sizes[n] for n in names}, best, self.key("trial", subject)))

    def propose(self) -> "Invented":
        names = ("mnli", "qnli")
        rows = {}
        if self.strategy == "fine-grained":
            rows = {n: np.arange(self.sizes[n] // 2, dtype=np.int64) for n in names}
        counts = {n: len(rows[n]) if n in rows else self.sizes[n] for n in names}
        key = self.key("proposal", "rte")
        result = {"auxiliaries": [[n, c] for n, c in counts.items()]}
        self.store.artifacts.save("proposal", key, result, lambda folder: save_file(rows, folder / ROWS))
        self.finish("proposal", "rte", 0.1)
        self.add(events.Proposed("rte", key, counts))
        return self

    def judge(self) -> "Invented":
        """What predictors say of the candidates, and fresh seeds of what was tried."""
        others = [t for t in self.sizes if t != "rte"]
        noise = np.random.default_rng(7)
        values = {
            name: {t: tuple(float(scale * (1.2 - 0.3 * LIKENESS[t]) + x) for x in noise.normal(0, 0.03, 3)) for t in others}
            for name, scale in {"main-effect": 0.05, "probe": 0.6}.items()
        }
        self.add(events.Predicted("rte", "main-effect", values))
        for name, (word, gain, low, high) in {
            "mnli": ("helps", 0.041, 0.012, 0.069),
            "qnli": ("undecided", 0.011, -0.014, 0.036),
            "mrpc": ("hurts", -0.021, -0.038, -0.004),
        }.items():
            self.add(
                events.Judged("rte", {name: self.sizes[name]}, word, gain, low, high, 5, 120, 6 if word == "undecided" else 0)
            )
        both = {n: self.sizes[n] for n in ("mnli", "qnli")}
        self.add(events.Judged("rte", both, "helps", 0.052, 0.021, 0.083, 5, 120, 0))
        return self

    def write(self) -> RunFolder:
        """Through the real journal; then the times are set."""
        folder = self.store.create(self.name)
        with Journal(folder.events) as journal:
            for _, event in self.happened:
                if isinstance(event, events.StageProgress):
                    journal.thinner.last.clear()  # nothing is thinned
                journal.emit(event)
        with closing(sqlite3.connect(folder.events)) as database:
            times = [(when, seq) for seq, (when, _) in enumerate(self.happened, start=1)]
            database.executemany("UPDATE event SET time = ?, crc = NULL WHERE seq = ?", times)
            database.commit()
        return folder


def make(store: Store, phase: str, **options: object) -> Invented:
    """The run as it is in a phase: starting, running, trials, waiting, paused, failed, interrupted, done; judged and judged-done
    are waiting and done with predictions and verdicts."""
    run = Invented(store, **options)  # type: ignore[arg-type]  # each test gives what it needs
    if phase == "starting":
        run.start()
    elif phase == "scored":
        run.start().tune_and_score()
    elif phase in ("running", "failed", "interrupted"):
        run.start().tune_and_score(3)
        run.training("tune", "sst2", 125, 70, [0.88, 0.9, 0.91])
        if phase == "failed":
            reason = "the loss is not finite after 71 of 125 steps; try a lower learning rate"
            run.add(events.StageFailed("tune", "sst2", reason))
            run.add(events.Warned(f"sst2 is left out: {reason}"))
            run.add(events.RunEnded("failed", "no result for sst2: the fine-tuning failed (see above)"))
        if phase == "interrupted":
            run.add(events.RunEnded("interrupted"))
    else:
        run.start().tune_and_score().correlate()
        for number in range(2 if phase == "trials" else 4):
            run.trial(number)
        if phase == "trials":
            run.trial(2, 0.6)
            return run
        if phase.startswith("judged"):
            run.judge()
        run.propose()
        phase = {"judged": "waiting", "judged-done": "done"}.get(phase, phase)
        if phase == "waiting":
            run.add(events.RunEnded("waiting", "waiting for confirmation of rte"))
        if phase == "done":
            run.add(events.Confirmed("rte", run.key("proposal", "rte"), {n: run.sizes[n] for n in ("mnli", "qnli")}, "person"))
            run.add(events.StageFinished("test", "rte + mnli + qnli", "t" * 64, 3.2, False, about("rte + mnli + qnli")))
            run.add(events.StageFinished("test", "rte", "u" * 64, 3.1, False))
            run.add(events.FinalModel("rte", 0.7004, f"/home/ada/experiments/.gradts/runs/{RUN}/models/rte", 0.6912, 0.6318))
            run.add(events.RunEnded("done"))
    return run
