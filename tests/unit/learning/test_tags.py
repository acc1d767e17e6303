"""Schemes of tags: every one written out from random spans, detected, and scored as seqeval scores IOB2."""

import warnings
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

from gradts_engine.contracts import Rules
from gradts_engine.learning.metrics import METRICS
from gradts_engine.learning.tags import by_type, detect_scheme, spell

Span = tuple[str, int]  # type ("" is outside) and length
Rows = list[tuple[str, ...]]


def iob2(spans: Sequence[Span]) -> list[str]:
    return [
        "O" if not kind else f"{'I' if at else 'B'}-{kind}" for kind, length in spans for at in range(length)
    ]  # fmt: skip


def iob1(spans: Sequence[Span]) -> list[str]:
    """B only where a span follows one of its type."""
    tags: list[str] = []
    before = ""
    for kind, length in spans:
        tags += [f"{'B' if kind == before and not at else 'I'}-{kind}" if kind else "O" for at in range(length)]
        before = kind
    return tags


def _with_ends(begin: str, inside: str, end: str, single: str) -> Callable[[Sequence[Span]], list[str]]:
    def write(spans: Sequence[Span]) -> list[str]:
        tags = []
        for kind, length in spans:
            parts = [single] if length == 1 else [begin, *[inside] * (length - 2), end]
            tags += [f"{part}-{kind}" if kind else "O" for part in (parts if kind else ["O"] * length)]
        return tags

    return write


WRITERS = {
    "IOB1": iob1,
    "IOB2": iob2,
    "IOBES": _with_ends("B", "I", "E", "S"),
    "BILOU": _with_ends("B", "I", "L", "U"),
    "BMES": _with_ends("B", "M", "E", "S"),
}
SCHEME = {"BMES": "IOBES"}
NAMED = (("PER", 1), ("PER", 3), ("", 2), ("LOC", 1), ("LOC", 2))
"""Has every part of every scheme."""
spans = st.lists(st.tuples(st.sampled_from(["", "PER", "LOC"]), st.integers(1, 4)), min_size=1, max_size=6)
sentences = st.lists(spans, min_size=1, max_size=4)


def suffixed(tag: str) -> str:
    part, dash, kind = tag.partition("-")
    return f"{kind}-{part}" if dash else tag


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=8, deadline=None)
@given(gold=sentences, data=st.data())
def test_every_scheme_scores_the_same_spans(name: str, gold: list[list[Span]], data: st.DataObject) -> None:
    """Predicted spans are others of the same lengths, so that any tag can stand beside any."""
    other = st.sampled_from(["", "PER", "LOC"])
    predicted = [[(data.draw(other), length) for _, length in row] for row in gold]
    gold, predicted = [*gold, list(NAMED)], [*predicted, list(NAMED)]
    expected = f1_score([iob2(row) for row in gold], [iob2(row) for row in predicted], mode="strict", scheme=IOB2)
    write = WRITERS[name]
    for spelling in (lambda tag: tag, suffixed, lambda tag: tag.replace("-", "_"), str.lower):
        sides = [[tuple(map(spelling, write(row))) for row in side] for side in (gold, predicted)]
        labels = sorted({tag for row in sides[0] + sides[1] for tag in row})
        scheme = detect_scheme(labels, sides[0])
        assert scheme == SCHEME.get(name, name)
        for strict in (False, True):
            found = METRICS["span_f1"](*sides, labels, Rules(scheme=scheme, strict=strict))
            assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("rows", "scheme"),
    [
        ([("NOUN", "VERB", "DET")], None),
        ([("1", "0", "0", "3")], None),
        ([("N", "O", "V", "S", "U", "L", "N", "V")], None),  # parts of speech of tweets: O is a pronoun
        ([("U-bahn", "S-bahn", "O")], None),
        ([("B-cell", "T-cell", "T-cell")], None),
        ([("B-X", "noun")], None),
        ([("O", "O", "PER", "PER", "LOC", "O", "O")], "IO"),
        ([("O", "O", "I-PER", "I-PER")], "IO"),
        ([("B", "I", "O", "B")], "IOB2"),
        ([("B", "M", "E", "S")], "IOBES"),
        ([("B-NP", "I-NP", "B-VP", "B-NP")], "IOB2"),  # chunks, nothing outside
        ([("B-X", "I-X", "0", "0")], "IOB2"),
        ([("O", "O")], None),
    ],
)
def test_what_is_detected(rows: Rows, scheme: str | None) -> None:
    assert detect_scheme(sorted({tag for row in rows for tag in row}), rows) == scheme


def test_bare_types_are_runs() -> None:
    gold, predicted = [("PER", "PER", "O", "LOC", "PER")], [("PER", "PER", "O", "LOC", "LOC")]
    # true: PER 0-1, LOC 3, PER 4; predicted: PER 0-1, LOC 3-4
    assert METRICS["span_f1"](gold, predicted, ("LOC", "O", "PER"), Rules(scheme="IO")) == pytest.approx(2 / 5)
    types = METRICS["span_macro_f1"](gold, predicted, ("LOC", "O", "PER"), Rules(scheme="IO"))
    assert types == pytest.approx((2 / 3 + 0) / 2)


def test_tags_that_break_the_scheme() -> None:
    """conlleval lets an I after O begin a span; strictly it marks none."""
    gold, predicted, labels = [("O", "B-X", "I-X")], [("O", "I-X", "I-X")], ("B-X", "I-X", "O")
    assert METRICS["span_f1"](gold, predicted, labels, Rules(scheme="IOB2")) == 1.0
    assert METRICS["span_f1"](gold, predicted, labels, Rules(scheme="IOB2", strict=True)) == 0.0


@pytest.mark.parametrize("strict", [False, True])
def test_nothing_is_said_and_nothing_is_0_where_there_are_no_spans(strict: bool) -> None:
    labels, rules = ("B-X", "I-X", "O"), Rules(scheme="IOB2", strict=strict)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for metric in ("span_f1", "span_macro_f1"):
            score, why = METRICS[metric].explained([("O", "O")], [("O", "O")], labels, rules)
            assert (score != score, why) == (True, "there is no true and no predicted span")
            assert METRICS[metric]([("B-X", "O")], [("O", "O")], labels, rules) == 0.0
            assert METRICS[metric]([("O", "O")], [("B-X", "")], labels, rules) == 0.0
        if strict:
            assert METRICS["span_f1"].explained([("I-X", "O")], [("O", "I-X")], labels, rules)[1]


def test_a_tag_that_a_scheme_does_not_have() -> None:
    with pytest.raises(ValueError, match="tag 'E-X' is not one of IOB2, expected tags such as B-PER, I-PER, O"):
        spell(["B-X", "E-X", "O"], "IOB2")
    with pytest.raises(ValueError, match="tags are 0, 1, expected tags such as B-PER, I-PER, L-PER, U-PER, O"):
        spell(["0", "1"], "BILOU")
    assert spell(["B-cell", "T-cell", "O"], "IO") == {"B-cell": "I-B-cell", "T-cell": "I-T-cell", "O": "O"}


def test_a_tag_that_train_does_not_have_is_detected_with_the_others_and_missed() -> None:
    """As `I-PRT`, which CoNLL-2000 has in its dev split alone in a sample."""
    labels, rows = ("B-NP", "B-PRT", "I-NP", "O"), [("B-NP", "I-NP", "O", "B-PRT", "I-PRT", "O", "B-LST")]
    assert detect_scheme(labels, rows) == "IOB2"
    gold = [("B-NP", "I-NP", "O", "B-PRT", "O", "O", "B-LST")]
    predicted = [("B-NP", "I-NP", "O", "B-PRT", "O", "O", "O")]
    for strict in (False, True):
        found = METRICS["span_f1"](gold, predicted, labels, Rules(scheme="IOB2", strict=strict))
        assert found == pytest.approx(2 * 1 * (2 / 3) / (1 + 2 / 3))


def places(spans: Sequence[Span]) -> set[tuple[str, int, int]]:
    """Type, first word and length of each span."""
    found, at = set(), 0
    for kind, length in spans:
        found |= {(kind, at, length)} if kind else set()
        at += length
    return found


@given(st.lists(st.tuples(spans, spans), min_size=1, max_size=4))
def test_spans_by_type_are_counted(pairs: list[tuple[list[Span], list[Span]]]) -> None:
    """Against sets of places; a prediction is as long as its sentence."""
    longest = [max(sum(n for _, n in side) for side in pair) for pair in pairs]
    padded = [[[*side, ("", n - sum(k for _, k in side))] for side in pair] for pair, n in zip(pairs, longest, strict=True)]
    gold, predicted = ([iob2(pair[i]) for pair in padded] for i in (0, 1))
    found = by_type(gold, predicted, ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], "IOB2", strict=True)
    true, said = ([places(pair[i]) for pair in pairs] for i in (0, 1))
    for kind in {k for side in (*true, *said) for k, _, _ in side}:
        counts = [sum(k == kind for side in sides for k, _, _ in side) for sides in (true, said)]
        right = sum(k == kind for a, b in zip(true, said, strict=True) for k, _, _ in a & b)
        recall, precision = (right / n if n else 0.0 for n in counts)
        f1 = 2 * right / sum(counts)
        assert found[kind] == pytest.approx({"precision": precision, "recall": recall, "f1": f1, "support": counts[0]})


def test_words_without_a_tag_are_outside_of_spans() -> None:
    gold, predicted = [("B-A", "", "O")], [("B-A", "B-A", "O")]
    assert METRICS["span_f1"](gold, predicted, ["B-A", "O"], Rules(scheme="IOB2")) == 1.0
    assert METRICS["token_accuracy"](gold, predicted, ["B-A", "O"]) == 1.0
