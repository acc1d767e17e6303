"""Tags of words as spans: which scheme they are written in, and the spans that they mark.

A span's tags say where it begins and goes on (IOB1, IOB2), ends too (IOBES, BILOU), or its type alone (IO). The part may stand
before the type (`B-PER`) or after it (`PER-B`), and there may be no type (`B`, `I`, `O`). IOB1: Ramshaw and Marcus, 1995; IOB2:
Tjong Kim Sang and Veenstra, 1999; BILOU: Ratinov and Roth, 2009.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gradts_engine.contracts import Scheme

PARTS: Mapping[Scheme, str] = {"IOB1": "BI", "IOB2": "BI", "IOBES": "BIMESW", "BILOU": "BILU", "IO": "I"}
"""The parts that tags of a scheme may have besides O; M (middle) is I, and W (whole) is S."""

_SPELT = {"L": "E", "U": "S", "W": "S", "M": "I"}
_PREFIX = re.compile(r"(?P<part>[BIMESWLU])(?:[-_](?P<kind>.+))?", re.IGNORECASE)
_SUFFIX = re.compile(r"(?P<kind>.+)[-_](?P<part>[BIMESWLU])", re.IGNORECASE)
_OUTSIDE = ("o", "0", "_", "-", "out", "other", "none")


def spell(labels: Iterable[str], scheme: Scheme) -> dict[str, str]:
    """Every tag as IOBES has it: `B-PER` for `PER-B`, `E-PER` for `L-PER`, `I-PER` for `PER` of IO, `O` for what is outside.

    Raises ValueError with the tag that `scheme` does not have.
    """
    labels = list(labels)
    split = _split(labels)
    if scheme == "IO" and (split is None or any(part not in "IO" for part, _ in split.values())):
        return {label: "O" if label.casefold() == "o" else f"I-{label}" for label in labels}
    if split is None:
        raise ValueError(f"tags are {_some(labels)}, expected tags such as {_example(scheme)}")
    for label, (part, _) in split.items():
        if part not in f"{PARTS[scheme]}O":
            raise ValueError(f"tag '{label}' is not one of {scheme}, expected tags such as {_example(scheme)}")
    return {label: "O" if part == "O" else f"{_SPELT.get(part, part)}-{kind or '_'}" for label, (part, kind) in split.items()}


def detect_scheme(labels: Sequence[str], rows: Iterable[Sequence[str]]) -> Scheme | None:
    """The scheme that tags are written in, or None where they mark no spans (parts of speech, numbers): `labels`, and what else
    is in `rows`.

    Tags without parts are IO where `O` is the most frequent one. Tags with B and I alone are IOB2 unless more spans begin with I.
    """
    rows = list(rows)
    split = _split({*labels, *(tag for row in rows for tag in row)})
    if split is None:
        counts = Counter(tag for row in rows for tag in row)
        return "IO" if counts and counts.most_common(1)[0][0] == "O" and len(counts) > 1 else None
    parts = {part for part, _ in split.values()}
    if parts & {"L", "U"}:
        return "BILOU"
    if parts & set("EMSW"):
        return "IOBES"
    if "B" not in parts:
        return "IO"
    begins: Counter[str] = Counter()
    for row in rows:
        before = ("O", "")
        for tag in row:
            part, kind = split[tag]
            begins[part] += part != "O" and (before[0] == "O" or before[1] != kind)
            before = part, kind
    return "IOB1" if begins["I"] > begins["B"] else "IOB2"


def span_f1(
    gold: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    labels: Iterable[str],
    scheme: Scheme,
    *,
    strict: bool,
    average: str,
) -> float | None:
    """F1 of whole spans as seqeval has it. None where neither side has a span. A true tag that is none of `labels` is of a type
    of its own, which nothing that is predicted can be: its span is missed. A word without a true tag ("") is outside on both
    sides.

    Tags that break the scheme mark spans as conlleval reads them (an I after O begins one), or none if `strict`.
    """
    from seqeval.metrics import f1_score

    found = sides(gold, predicted, labels, scheme, strict)
    return None if found is None else float(f1_score(*found[0], average=average, zero_division=0, **found[1]))


def by_type(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], labels: Iterable[str], scheme: Scheme, *, strict: bool
) -> dict[str, dict[str, float]]:
    """Of each type of spans: precision, recall and f1, each from 0 to 1, and how many true spans there are (`support`); as
    `span_f1` counts. Precision is 0 where none is predicted, recall where there is none."""
    from seqeval.metrics import classification_report

    found = sides(gold, predicted, labels, scheme, strict)
    if found is None:
        return {}
    report = classification_report(*found[0], output_dict=True, zero_division=0, **found[1])
    names = {"precision": "precision", "recall": "recall", "f1": "f1-score", "support": "support"}
    return {
        kind: {ours: float(row[theirs]) for ours, theirs in names.items()}
        for kind, row in report.items()
        if not kind.endswith(" avg")
    }


def sides(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], labels: Iterable[str], scheme: Scheme, strict: bool
) -> tuple[list[list[list[str]]], dict[str, Any]] | None:
    """True and predicted tags as seqeval takes them, with its options; None where neither side has a span."""
    spelt = spell(labels, scheme) | {"": "O"}
    unknown = f"{'I' if scheme == 'IO' else 'B' if scheme in ('IOB1', 'IOB2') else 'S'}-unknown"
    true = [[spelt.get(tag, unknown) for tag in row] for row in gold]
    answered = [
        [spelt.get(tag, "O") if of else "O" for of, tag in zip(tags, row, strict=True)]
        for tags, row in zip(gold, predicted, strict=True)
    ]
    both = [true, answered]
    if all(tag == "O" for side in both for row in side for tag in row):
        return None
    options: dict[str, Any] = {}
    if strict and scheme != "IO":
        from seqeval import scheme as schemes

        options = {"mode": "strict", "scheme": getattr(schemes, "IOBES" if scheme == "BILOU" else scheme)}
        if not any(spans for side in both for spans in schemes.Entities(side, options["scheme"]).entities):
            return None
    return both, options


def _split(labels: Iterable[str]) -> dict[str, tuple[str, str]] | None:
    """Part and type of every tag, or None where these are no tags of spans."""
    names = set(labels)
    outside = {name for name in names if name.casefold() in _OUTSIDE}
    for pattern in (_PREFIX, _SUFFIX):
        found = {name: match for name in names - outside if (match := pattern.fullmatch(name))}
        split = {name: (match["part"].upper(), match["kind"] or "") for name, match in found.items()}
        parts, typed = {part for part, _ in split.values()}, {kind != "" for _, kind in split.values()}
        if len(outside) <= 1 and len(found) + len(outside) == len(names) and parts & {"B", "I"} and len(typed) == 1:
            return split | dict.fromkeys(outside, ("O", ""))
    return None


def _example(scheme: Scheme) -> str:
    return ", ".join([*(f"{part}-PER" for part in PARTS[scheme] if part not in "MW"), "O"])


def _some(labels: Iterable[str]) -> str:
    names = list(labels)
    return ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
