"""A run in which tasks of every type are candidates, and some are primaries."""

import itertools
import json

import pytest


@pytest.mark.parametrize("primary", ["asked", "ranked"])
def test_tasks_of_every_type_in_one_run(place, primary):
    words = "lovely grim anna otto tomato bread red blue".split()
    rows = {
        "sets": [{"text": f"{a} {b}", "label": [a, b] if i % 2 else []} for i, (a, b) in enumerate(itertools.pairwise(words))],
        "ranked": [
            {"query": "red", "candidates": [w, "bread", "sour"][: 2 + i % 2], "label": i % 2} for i, w in enumerate(words)
        ],
        "asked": [{"q": "what", "c": f"the {w} a", "answers": {"text": [w], "answer_start": [4]}} for w in words],
        "masked": [{"text": f"the {w} buys the {w}"} for w in words],
    }
    columns = {
        "sets": {"type": "multi_label"},
        "ranked": {"type": "ranking", "text": ["query", "candidates"]},
        "asked": {"type": "span", "text": ["q", "c"], "label": "answers"},
        "masked": {"type": "masked_lm"},
    }
    for task, made in rows.items():
        place.rows[task] = {"train": made * 2, "dev": made, "test": made}
        files = {split: f"data/{task}.{split}.jsonl" for split in ("train", "dev", "test")}
        place.settings[f"tasks.{task}"] = columns[task] | files
    place.settings["run"]["primary"] = [primary]
    place.settings["selection"]["strategy"] = "all"
    place.write()
    place.done()
    found = json.loads(place("results --json").out)["primaries"][primary]
    assert len(found["ranking"]) == 7
    assert all(isinstance(row["tau"], float) for row in found["ranking"])
    assert 0 <= found["final"]["score"] <= 1
    exported = place.latest.models / primary
    assert (exported / "gradts.json").is_file()
