"""The trials that a store holds: what runs have made and not removed, and what was imported. Predictors learn from them.

Two trials can be compared where encoder and settings are the same (their *protocol*), and the primary's rows too. As a table
they are a CSV file in the style of a study of pairs: `target,source,seed,score`, and `metric,protocol,data,rows,run_seed`.
"""

from __future__ import annotations

import csv
import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

from gradts_engine.contracts import Auxiliary, Selection, StoredTrial
from gradts_engine.csv_rows import csv_rows
from gradts_engine.digests import digest
from gradts_engine.durable import keep, make_folder, storing
from gradts_engine.errors import UsageError
from gradts_engine.names import RULE, is_name
from gradts_engine.runtime import jobs
from gradts_engine.runtime.artifacts import Artifact
from gradts_engine.runtime.facts import Facts
from gradts_engine.runtime.jobs import Trial
from gradts_engine.runtime.prepare import Prepared
from gradts_engine.runtime.store import Store

COLUMNS = ("target", "source", "seed", "score", "metric", "protocol", "data", "rows", "run_seed")
AND = " + "
"""Between the auxiliaries of a set."""
MOST = 1000.0
"""Percent, far beyond what a metric gives."""
ALONE = ("", "none", "alone")
"""Sources of a primary by itself, besides its own name."""


@dataclass(frozen=True, order=True)
class Known:
    """A trial: `score` in units of the metric, NaN where the training failed. `protocol` is a digest of encoder and settings,
    `data` of the primary's train and dev rows, `rows` of each auxiliary's train rows, `run_seed` that of tasks.toml, of which
    repeats are drawn; the last three are empty where that is not known. `run` made it; empty: it was imported."""

    primary: str
    auxiliaries: tuple[str, ...]
    repeat: int
    score: float
    metric: str = ""
    protocol: str = ""
    data: str = ""
    rows: tuple[str, ...] = ()
    run_seed: str = ""
    run: str = ""

    @property
    def identity(self) -> tuple[object, ...]:
        """What no two trials have in common."""
        return self.protocol, self.primary, self.auxiliaries, self.repeat, self.metric, self.data, self.rows, self.run_seed


def short(value: Any) -> str:
    """A digest that a person can still compare."""
    return digest(value)[:16]


def protocol(facts: Facts) -> str:
    """Digest of all that the trainings of two primaries have in common: encoder and settings, whatever the seed."""
    settings = facts.multitask.model_dump(mode="json", exclude={"seeds"})
    return short([facts.encoder, facts.encoder_version, facts.max_length, settings])


def data_of(facts: Facts, primary: str) -> str:
    """Digest of the rows that a primary is trained and judged with."""
    return short([facts.tasks[primary].digests[split] for split in ("train", "dev")])


def rows_of(facts: Facts, task: str) -> str:
    """Digest of the rows that an auxiliary is trained with."""
    return short(facts.tasks[task].digests["train"])


def same_metric(one: str, other: str) -> bool:
    """Whether two trials are judged by the same, as far as that is known: earlier versions wrote `f1` for `f1 of yes`."""
    bare = " " not in one or " " not in other
    return "" in (one, other) or one == other or (bare and one.partition(" ")[0] == other.partition(" ")[0])


def about(job: Trial, prepared: Prepared) -> dict[str, Any]:
    """What is kept with a trial's result, so that others can learn from it; `whole`: its auxiliaries have all their rows, but for
    those that are left out of every training with this primary."""
    facts, names = prepared.facts, [a.task for a in job.auxiliaries]
    everything = prepared.usable(job.primary, tuple(map(Auxiliary, names)))
    return {
        "primary": job.primary,
        "auxiliaries": names,
        "repeat": job.repeat,
        "whole": sorted(everything) == sorted(job.auxiliaries),
        "protocol": protocol(facts),
        "data": data_of(facts, job.primary),
        "rows": [rows_of(facts, name) for name in names],
        "run_seed": facts.seed,
        "judged_by": facts.tasks[job.primary].metric,
    }


# --- what a store holds ----------------------------------------------------------------------------------------------


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


# --- tables ----------------------------------------------------------------------------------------------------------


def table(trials: Iterable[Known]) -> str:
    """Trials as CSV; scores in percent."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for t in trials:
        names, rows = AND.join(t.auxiliaries), AND.join(t.rows)
        writer.writerow([t.primary, names, t.repeat, repr(100 * t.score), t.metric, t.protocol, t.data, rows, t.run_seed])
    return out.getvalue()


def read(path: Path, like: Prepared | None = None) -> list[Known]:
    """The trials of a CSV file, in percent; another program's in percent unless no score is above 1.

    `like` says with which encoder and settings they were made, where the file does not; a row with a `key`, as a study of pairs
    writes it, is then checked.
    Raises `UsageError` with file and row for whatever is wrong.
    """
    lines = csv_rows(path, COLUMNS[:4])
    columns = {*next(iter(lines.values()))}
    if "protocol" not in columns and like is None:
        raise UsageError(
            f"{path}:1: no column protocol: say with --like tasks.toml with which encoder and settings these trials were made"
        )
    found = {number: _row(path, number, line, like) for number, line in lines.items()}
    keys = like and any(line.get("key") for line in lines.values())
    if like and keys and not any({t.primary, *t.auxiliaries} <= {*like.facts.tasks} for t in found.values()):
        raise UsageError(
            f"{path}: no row is of tasks that {like.experiment.path} has, so that no key says that its settings made them; "
            "name their tasks.toml, or leave out the column key to take them all the same"
        )
    unit = 100.0 if "protocol" in columns or any(abs(t.score) > 1 for t in found.values()) else 1.0
    seen: dict[tuple[object, ...], Known] = {}
    for number, trial in found.items():
        scored = replace(trial, score=trial.score / unit)
        refuse_other(seen, scored, f"{path}:{number}")
        before = seen.get(scored.identity)
        if before is None or math.isnan(before.score):  # one that failed may have been repeated
            seen[scored.identity] = scored
    return list(seen.values())


def refuse_other(seen: Mapping[tuple[object, ...], Known], trial: Known, where: str) -> None:
    """Raises `UsageError` where the same trial is known with another score."""
    before = seen.get(trial.identity)
    if before and abs(before.score - trial.score) > 1e-6:  # one that failed, NaN, contradicts nothing
        what = f"{trial.primary} with {AND.join(trial.auxiliaries) or 'no auxiliary'}, seed {trial.repeat}"
        raise UsageError(
            f"{where}: {what}: score {100 * trial.score:.4f}, but {100 * before.score:.4f} is known of the same trial; "
            "delete the row that is wrong"
        )


def _row(path: Path, number: int, line: Mapping[str, Any], like: Prepared | None) -> Known:
    def bad(key: str, what: str) -> UsageError:
        return UsageError(f"{path}:{number}: {key}: got {str(line.get(key))[:60]!r}, {what}")

    target, source = line["target"], line["source"]
    if not is_name(target):
        raise bad("target", f"expected the name of a task: {RULE}")
    names = () if source in (*ALONE, target) else tuple(name.strip() for name in source.split("+"))
    if not all(map(is_name, names)) or len({*names, target}) <= len(names):
        raise bad("source", f"expected another task than the target, several as a{AND}b, or nothing")
    try:
        seed, score = int(line["seed"]), float(line["score"])
    except ValueError:
        raise bad("score" if line["seed"].strip().isdigit() else "seed", "expected a number") from None
    if seed < 0:
        raise bad("seed", "expected 0 or more")
    run_seed = line.get("run_seed") or ""
    if run_seed and not (run_seed.isascii() and run_seed.isdecimal()):
        raise bad("run_seed", "expected a whole number, or nothing")
    if abs(score) > MOST:
        raise bad("score", f"expected a score in percent, of {MOST:.0f} at most")
    if line.get("protocol") == "" and like is None:
        raise bad("protocol", "expected a digest as `gradts-engine trials export` writes it; or say --like tasks.toml")
    rows = tuple(part for part in (line.get("rows") or "").split(AND) if part)
    if len(rows) not in (0, len(names)):
        raise bad("rows", "expected one digest a source, or nothing")
    order = sorted(range(len(names)), key=names.__getitem__)
    names, rows = (tuple(of[i] for i in order) if of else () for of in (names, rows))
    found = Known(target, names, seed, score, line.get("metric") or "", line.get("protocol") or "", line.get("data") or "", rows)
    found = replace(found, run_seed=run_seed)
    return found if found.protocol or like is None else _like(found, line.get("key") or "", like, f"{path}:{number}")


def _like(trial: Known, key: str, like: Prepared, where: str) -> Known:
    """The trial, made as a tasks.toml says."""
    facts, tasks = like.facts, {trial.primary, *trial.auxiliaries} & {*like.facts.tasks}
    if key and len(tasks) == 1 + len(trial.auxiliaries):
        chosen: Selection = like.usable(trial.primary, tuple(map(Auxiliary, trial.auxiliaries)))
        if key != jobs.key(Trial(primary=trial.primary, auxiliaries=chosen, repeat=trial.repeat), facts):
            raise UsageError(
                f"{where}: key: was made with other settings, data or another encoder than {like.experiment.path} has"
            )
    data = data_of(facts, trial.primary) if trial.primary in facts.tasks else ""
    rows = tuple(rows_of(facts, a) for a in trial.auxiliaries) if {*trial.auxiliaries} <= {*facts.tasks} else ()
    return replace(trial, protocol=protocol(facts), data=data, rows=rows, run_seed=str(facts.seed) if key else "")


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
