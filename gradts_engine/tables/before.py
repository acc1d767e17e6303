"""What would be read and done, before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.filesize import decimal
from rich.text import Text

from gradts_engine import words
from gradts_engine.tables.records import facts, label, records

CLASSES = 20
"""Classes that are listed; the others are counted."""
FEW = 200
"""With fewer dev rows of a primary it is said how little they tell."""


def class_line(classes: Mapping[str, Mapping[str, int]]) -> str:
    """`3 classes: 0, 1, 2 (test only, 30); without a label: 12 test`: how many rows have a class is said where train rows lack
    it."""
    named = {name: counts for name, counts in classes.items() if name}
    without = [f"{count} {split}" for split, count in classes.get("", {}).items() if count]
    names = []
    for name, counts in list(named.items())[:CLASSES]:
        where = [split for split in counts if counts[split]]
        only = f" ({' and '.join(where)} only, {sum(counts.values())})" if where and not counts["train"] else ""
        names.append(name + (only if where else " (no row)"))
    more = f" and {len(named) - CLASSES} more" if len(named) > CLASSES else ""
    none = f"; without a label: {', '.join(without)}" if without else ""
    return f"{len(named)} {'class' if len(named) == 1 else 'classes'}: {', '.join(names)}{more}{none}"


def data_found(found: Mapping[str, Any]) -> RenderableType:
    """What would be read of a file or a task: `inspected`."""
    counts = [{"class": name or "(no label)", **counts} for name, counts in list(found["classes"].items())[:CLASSES]]
    lengths = found["lengths"]
    common = {
        f"{split} rows with the text of a train row": tuple(f"{task}: {n}" for task, n in of_tasks.items())
        for split, of_tasks in found["overlap"].items()
        if of_tasks
    }
    said = {
        "task": f"{found['task']} ({found['type']}, metric {found['metric']})",
        "files": tuple(f"{split}: {f['file']} ({f['read as']})" for split, files in found["files"].items() for f in files),
        "columns": found["columns"],
        "text, label": f"{' + '.join(found['text'])} -> {found['label']}",
        "rows": ", ".join(f"{split} {found[split]}" for split in ("train", "dev", "test") if found[split] is not None),
        "classes": class_line(found["classes"]) if found["classes"] else "",
        "tokens": f"median {lengths['median']}, 95% up to {lengths['95%']}, longest {lengths['longest']}",
        "cut": f"{found['cut']} texts are longer than max_length = {found['max_length']}",
        "duplicates": f"{found['duplicates']} rows with the text of an earlier row of their split",
        **common,
        "first rows": tuple(f"{' | '.join(row['text'])[:200]} -> {row['label']}" for row in found["first"]),
    }
    parts: list[RenderableType] = [facts(said)]
    parts += [Text(""), records(counts)] if counts else []
    parts += [label(f"warning: {warning}", "yellow") for warning in found["warnings"]]
    return Group(*parts, Text(""), *map(label, found["table"].splitlines()))


def plan(found: Mapping[str, Any]) -> RenderableType:
    """What a run would do: `runtime.plan.plan`."""
    rows = [
        {
            "task": t["task"],
            "type": t["type"],
            **{split: t[split] for split in ("train", "dev", "test")},
            "found": " + ".join(t["found"]),
            "seconds": "?" if t["seconds"] is None else f"{t['seconds']:.0f}" if t["seconds"] else "",
        }
        for t in found["tasks"]
    ]
    said = [label(f"{t['task']}: {class_line(t['classes'])}") for t in found["tasks"] if t["classes"]]
    said += [label(f"{t['task']}: {warning}", "yellow") for t in found["tasks"] for warning in t["warnings"]]
    said += [label(f"{t['task']}: {_few(t)}", "yellow") for t in found["tasks"] if t["task"] in found["primaries"] and _few(t)]
    seconds = "not known before a first run" if found["seconds"] is None else f"about {found['seconds']:.0f} s"
    counts = found.get("evidence", {}).items()
    evidence = ", ".join(f"{n['jobs']} {stage}" + (f" ({n['found']} found)" if n["found"] else "") for stage, n in counts)
    each = found["trial seconds"]
    where = words.devices(found["devices"]) + words.formats(found["precision"])
    made = f", {found['trials found']} of them found" if found["trials found"] else ""
    trials = f"trials: at most {found['trials']}{made}" + ("" if each is None else f", about {each:.0f} s each")
    return Group(
        label(f"run {found['run']} ({found['state']}): encoder {found['encoder']}, on {where}", "bold"),
        label(f"primary: {', '.join(found['primaries'])}; strategy {found['strategy']}, confirm {found['confirm']}"),
        records(rows),
        *said,
        *[Text(f"for predictors: {evidence}")] * bool(evidence),
        Text(f"tuning and scoring: {seconds}"),
        Text(trials),
        *_costs(found["costs"], len(found["devices"])),
        Text(f"a training takes at most {decimal(found['memory'])} of memory"),
    )


def _few(task: Mapping[str, Any]) -> str:
    """What too few dev rows of a primary mean; nothing where there are more."""
    rows = task["dev"]
    each = f", each {100 / rows:.1f} points" if rows and task["metric"] == "accuracy" else ""
    return f"only {rows} dev rows{each}: small gains will be chance" if rows < FEW else ""


def _costs(found: Mapping[str, Mapping[str, Any]], workers: int) -> list[RenderableType]:
    """What is still to be computed, by stage, and how long so many workers need for it where none of them waits."""

    def row(name: str, jobs: Any, low: float, high: float | None, disk: str) -> dict[str, Any]:
        time = "?" if high is None else f"{words.duration(low)} to {words.duration(high)}"
        return {"still to do": name, "jobs": jobs, "time": time, "disk": disk}

    rows = [
        row(stage, f"at most {c['jobs']}" if stage == "trial" else c["jobs"], c["low"], c["high"], decimal(c["disk"]))
        for stage, c in found.items()
    ]
    if rows and all(c["high"] is not None for c in found.values()):
        low, high = (sum(c[end] for c in found.values()) for end in ("low", "high"))
        if len(rows) > 1:
            rows.append(row("together", "", low, high, decimal(sum(c["disk"] for c in found.values()))))
        if workers > 1:
            rows.append(row(f"by {workers} workers", "", low / workers, high / workers, ""))
    return [records(rows)] if rows else []
