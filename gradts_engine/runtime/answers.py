"""What a final model answers to dev and test rows, for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gradts_engine import events
from gradts_engine.contracts import TaskData
from gradts_engine.durable import keep, make_folder, storing
from gradts_engine.runtime.artifacts import ANSWERS, PREDICTIONS, Artifact


def hand_out(folder: Path, data: TaskData, tested: Artifact) -> Path:
    """Put the answers to the test rows where people find them, with rows as they are numbered now: they may have been stored
    when there was another bad row above, or rows without a label stood elsewhere among the others."""
    with_label, without = iter(data.splits.get("test", ())), iter(data.unlabelled)

    def numbered(line: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(line)
        instance = next(with_label if "label" in answer or not data.unlabelled else without)
        return answer | {"row": instance.row}

    with (tested.folder / ANSWERS).open(encoding="utf-8") as stored:
        answers = sorted(map(numbered, stored), key=lambda answer: answer["row"])
    lines = [json.dumps(answer, ensure_ascii=False) + "\n" for answer in answers]
    with storing(folder):
        make_folder(folder)
        return keep(folder, f"{data.name}.test.jsonl", lambda path: path.write_text("".join(lines), encoding="utf-8"))


def span_types(data: TaskData, trial: Artifact, tested: Artifact | None) -> dict[str, events.SpanTypes]:
    """Where the metric is of spans: precision, recall, f1 and support of each type, by split."""
    from gradts_engine.learning.metrics import span_types

    if data.rules.scheme is None or PREDICTIONS not in trial.files:
        return {}
    dev = json.loads((trial.folder / PREDICTIONS).read_bytes())
    types = {"dev": span_types(data.metric, dev["gold"], dev["predicted"], data.labels, data.rules)}
    return types | ({"test": tested.result["types"]} if tested and tested.result["types"] else {})
