"""Prints the tasks.toml of the study of pairs: twelve real tasks of 300 rows, each a primary and a candidate.

    python docs/studies/pairs.py DATA > pairs.toml
    gradts-engine study pairs pairs.toml --out docs/studies/pairs.csv

DATA holds `tasks/NAME/train.jsonl` and `dev.jsonl`. Trials have 200 steps of 16 instances, ten passes over a primary alone, and
one look at the dev split, at their end, so that no score is the best of several.
"""

import json
import sys
from pathlib import Path

TASKS = {
    "sst2": ("classification", "accuracy", "sst2"),
    "meld": ("classification", "macro_f1", "meld"),
    "dmeld": ("classification", "macro_f1", "dmeld"),
    "mrpc": ("classification", "accuracy", "mrpc"),
    "qqp": ("classification", "accuracy", "qqp"),
    "mnli": ("classification", "accuracy", "mnli"),
    "qnli": ("classification", "accuracy", "qnli"),
    "rte": ("classification", "accuracy", "rte"),
    "stsb": ("regression", "pearson", "stsb"),
    "pos": ("token_classification", "token_accuracy", "pos_ewt"),
    "ner": ("token_classification", "span_f1", "ner_wnut17"),
    "chunk": ("token_classification", "span_f1", "chunk_conll2000"),
}
SINGLE = ("sst2", "meld", "dmeld")
HEAD = """[run]
encoder = "minilm-l6"
seed = 1

[data]
max_length = 64
train_limit = 300
dev_limit = 1000

[training]
epochs = 6
batch_size = 16
learning_rate = 2e-4

[multitask]
epochs = 1
steps = 200
batch_size = 16
accumulation = 1
learning_rate = 2e-4
"""


def table(name: str, folder: Path) -> str:
    """`[tasks.NAME-300]`."""
    kind, metric, source = TASKS[name]
    rows = {split: str((folder / "tasks" / source / f"{split}.jsonl").absolute()) for split in ("train", "dev")}
    if kind == "token_classification":
        columns = {"text": "tokens", "label": "labels"}
    else:
        columns = {"text": "text" if name in SINGLE else ["text_a", "text_b"]}
    lines = {"type": kind, "metric": metric, **columns, **rows}
    return "\n".join([f"[tasks.{name}-300]", *(f"{key} = {json.dumps(value)}" for key, value in lines.items())])


if __name__ == "__main__":
    sys.stdout.write("\n".join([HEAD, *(table(name, Path(sys.argv[1])) + "\n" for name in TASKS)]))
