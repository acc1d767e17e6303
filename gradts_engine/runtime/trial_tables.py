"""Trials as tables: a CSV file in the style of a study of pairs, `target,source,seed,score`, and
`metric,protocol,data,rows,run_seed`."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

from gradts_engine.contracts import Auxiliary, Selection
from gradts_engine.csv_rows import csv_rows
from gradts_engine.errors import UsageError
from gradts_engine.names import RULE, is_name
from gradts_engine.runtime import jobs
from gradts_engine.runtime.jobs import Trial
from gradts_engine.runtime.prepare import Prepared
from gradts_engine.runtime.trials import Known, data_of, protocol, rows_of

COLUMNS = ("target", "source", "seed", "score", "metric", "protocol", "data", "rows", "run_seed")
AND = " + "
"""Between the auxiliaries of a set."""
MOST = 1000.0
"""Percent, far beyond what a metric gives."""
ALONE = ("", "none", "alone")
"""Sources of a primary by itself, besides its own name."""


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
