"""The rows of MT-DNN's canonical data.

The rows of a split are in `TASK_SPLIT.tsv` (uid, label, premise, hypotheses), `TASK_SPLIT.json` (an object with these fields a
line, or SQuAD's document), or `TASK_SPLIT.txt` (a text a line, to be masked).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gradts_engine.errors import UsageError
from gradts_engine.learning.rows import read_rows
from gradts_engine.learning.rows.files import open_text
from gradts_engine.printing import printable

Row = dict[str, Any]
Lose = Callable[[str], None]
"""Takes what could not be carried over."""

ENDINGS = (".json", ".tsv", ".txt")


class Meaning(NamedTuple):
    """What the fields of a row mean: MT-DNN's `data_format`, our task type, the classes that are named."""

    form: str
    kind: str
    labels: Sequence[str]


def read_splits(name: str, splits: Iterable[str], data: Path, meaning: Meaning, lose: Lose) -> dict[str, list[Row]]:
    """Our rows of each split that there is. Raises UsageError with file and line for the first row that cannot be read."""
    found = {}
    for split in splits:
        source = next((path for ending in ENDINGS if (path := data / f"{name}_{split}{ending}").is_file()), None)
        if source is None:
            lose(f"{split}: no {name}_{split}.json, .tsv or .txt in {data}")
            continue
        rows = _rows(source, meaning)
        if rows is None:
            lose(f"{split}: is tokenised: its text is gone")
        else:
            found[split] = rows
    return found


def _rows(path: Path, meaning: Meaning) -> list[Row] | None:
    """Our rows of a file; None where it holds token numbers in place of texts."""
    rows: list[Row] = []
    for place, values in _json(path) if path.suffix == ".json" else _lines(path, meaning):
        if "premise" not in values and "token_id" in values and not rows:
            return None
        try:
            rows.append(_row(values, meaning))
        except (ValueError, KeyError, TypeError, IndexError, SyntaxError) as error:
            missing = f"no field {error}" if isinstance(error, KeyError) else str(error).partition("\n")[0]
            raise UsageError(printable(f"{place}: {missing}"[:500])) from None
    return rows


def _json(path: Path) -> Iterator[tuple[str, Row]]:
    for record in read_rows(str(path)):
        yield f"{path}: row {record.row + 1}" if record.line is None else f"{path}:{record.line}", dict(record.values)


def _lines(path: Path, meaning: Meaning) -> Iterator[tuple[str, Row]]:
    several = meaning.form == "PremiseAndMultiHypothesis"
    needed = {"PremiseOnly": 3, "Seqence": 3, "Sequence": 3, "MLM": 3}.get(meaning.form, 6 if several else 4)
    with open_text(path) as opened:
        for number, line in opened.lines():
            line = line.rstrip("\r\n")
            fields = line.split("\t")
            if not line.strip():
                continue
            if meaning.kind == "masked_lm" and (path.suffix == ".txt" or len(fields) < needed):
                yield f"{path}:{number}", {"premise": line}
            elif len(fields) < needed or (len(fields) > needed and not several):
                raise UsageError(f"{path}:{number}: {len(fields)} fields, expected {needed} for {meaning.form}")
            elif several:
                yield f"{path}:{number}", {"label": fields[2].split(","), "premise": fields[3], "hypothesis": fields[4:]}
            else:
                pair = {"hypothesis": fields[3]} if needed > 3 else {}
                yield f"{path}:{number}", {"label": fields[1], "premise": fields[2]} | pair


def _row(values: Row, meaning: Meaning) -> Row:
    if meaning.kind == "span" and "question" in values:  # SQuAD's own
        return {"question": values["question"], "context": values["context"], "label": values["answers"]}
    label: Any = values.get("label")
    premise, hypothesis = values["premise"], values.get("hypothesis")
    if meaning.kind == "token_classification":
        words, tags = (ast.literal_eval(part) if isinstance(part, str) else part for part in (premise, label))
        if len(words) != len(tags):
            raise ValueError(f"{len(words)} words but {len(tags)} labels")
        return {"words": words, "label": [_name(tag, meaning.labels) for tag in tags]}
    if meaning.kind == "ranking":
        return {"query": premise, "candidates": hypothesis, "label": _best(values.get("olabel", label), meaning.labels)}
    if meaning.kind == "span":
        return {"question": hypothesis, "context": premise, "label": _answer(label)}
    texts = {"premise": premise} | ({} if hypothesis is None else {"hypothesis": hypothesis})
    if meaning.kind == "masked_lm":
        return texts
    return {**texts, "label": float(label) if meaning.kind == "regression" else _name(label, meaning.labels)}


def _name(label: Any, labels: Sequence[str]) -> str:
    """A class by its name; whole numbers are positions among the labels. Raises ValueError for what is neither."""
    if not labels or str(label) in labels:
        return str(label)
    if str(label).isdecimal() and int(label) < len(labels):
        return labels[int(label)]
    raise ValueError(f"label {label!r} is none of the labels {', '.join(labels[:20])}, nor the position of one")


def _best(label: Any, labels: Sequence[str]) -> Any:
    """A score a candidate, of which the highest counts: numbers, or class names, of which a later one is better; one number alone
    is the position of the best."""
    if not isinstance(label, list):
        return int(label)
    if len(label) == 1:
        return int(label[0])
    return [labels.index(str(score)) if str(score) in labels else float(score) for score in label]


def _answer(label: Any) -> Row:
    """`start:::end:::text`, and `:::1` after it where there is no answer."""
    start, _, text, *impossible = str(label).split(":::")
    if not text or (impossible and impossible[0].lower() in ("1", "true")):
        return {"text": [], "answer_start": []}
    return {"text": [text], "answer_start": [int(start)]}
