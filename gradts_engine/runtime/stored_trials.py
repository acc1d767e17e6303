"""The trials that a store holds: what runs have made and not removed, and what was imported. Predictors learn from them."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from gradts_engine.contracts import StoredTrial
from gradts_engine.durable import keep, make_folder, storing
from gradts_engine.runtime.artifacts import Artifact
from gradts_engine.runtime.facts import Facts
from gradts_engine.runtime.store import Store
from gradts_engine.runtime.trial_tables import read, refuse_other, table
from gradts_engine.runtime.trials import Known, data_of, protocol, rows_of, same_metric


def known(store: Store) -> list[Known]:
    """All trials of a store with whole auxiliaries, imported ones too; made ones first where they are the same."""
    found = [trial for artifact in store.artifacts.of("trial") if (trial := _made(artifact))]
    for path in sorted(_folder(store).glob("*.csv")):
        found += read(path)
    found.sort(key=lambda trial: math.isnan(trial.score))  # a training that failed may have been repeated
    return sorted({trial.identity: trial for trial in reversed(found)}.values())


def _made(artifact: Artifact) -> Known | None:
    said = artifact.result.get("trial")
    if not said or not said["whole"]:  # that of an earlier version says nothing
        return None
    return Known(
        said["primary"],
        tuple(said["auxiliaries"]),
        said["repeat"],
        float(artifact.result["score"]),
        said.get("judged_by", artifact.result["metric"]),
        said["protocol"],
        said["data"],
        tuple(said["rows"]),
        str(said.get("run_seed", "")),
        artifact.made.get("run", ""),
    )


def of_others(trials: Iterable[Known], facts: Facts, run: str) -> list[StoredTrial]:
    """Those that tell something of a run's candidates: made with its encoder and settings, and with the same rows and metric of
    each of its tasks; of a primary that is none of them, those with the rows and the metric that most have.

    What the run has made itself is left out: how far it had come, when it was stopped, would else change what it finds.
    """
    of_tasks = {task: rows_of(facts, task) for task in facts.tasks}
    pool = {task: (data_of(facts, task), facts.tasks[task].metric) for task in facts.tasks}

    def same(trial: Known) -> bool:
        rows = zip(trial.auxiliaries, trial.rows, strict=False)
        return trial.protocol == protocol(facts) and all(of_tasks.get(a, digest) == digest for a, digest in rows)

    fitting = [trial for trial in trials if same(trial) and (not run or trial.run != run)]
    counts: dict[str, Counter[tuple[str, str]]] = {}
    for trial in fitting:
        counts.setdefault(trial.primary, Counter())[trial.data, trial.metric] += 1
    usual = {p: pool.get(p) or max(sorted(of), key=of.__getitem__) for p, of in counts.items()}
    return [
        StoredTrial(
            primary=t.primary,
            auxiliaries=t.auxiliaries,
            repeat=t.repeat,
            score=t.score,
            protocol=t.protocol,
            run_seed=t.run_seed,
        )
        for t in fitting
        if t.data in ("", usual[t.primary][0]) and same_metric(t.metric, usual[t.primary][1])
    ]


def add(store: Store, trials: Sequence[Known], where: Path) -> int:
    """Keep imported trials for good; how many of them are new. Raises `UsageError` where one is known with another score."""
    seen = {trial.identity: trial for trial in known(store)}
    for trial in trials:
        refuse_other(seen, trial, str(where))
    new = [t for t in trials if t.identity not in seen or math.isnan(seen[t.identity].score) > math.isnan(t.score)]
    if new:
        text = table(new)
        with storing(store.root):
            folder = _folder(store)
            make_folder(folder)
            name = hashlib.sha256(text.encode()).hexdigest()
            keep(folder, f"{name[:16]}.csv", lambda path: path.write_text(text, encoding="utf-8"))
    return len(new)


def _folder(store: Store) -> Path:
    """Where imported trials are, a file an import."""
    return store.root / "trials"


def listed(trials: Iterable[Known]) -> Iterator[dict[str, Any]]:
    """Trials for programs, ready for JSON."""
    for t in trials:
        score = None if math.isnan(t.score) else t.score
        yield {
            "primary": t.primary,
            "auxiliaries": list(t.auxiliaries),
            "run_seed": t.run_seed,
            "repeat": t.repeat,
            "score": score,
            "metric": t.metric,
            "protocol": t.protocol,
            "from": t.run or "imported",
        }
