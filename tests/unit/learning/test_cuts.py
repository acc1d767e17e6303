"""On which side of a cut a row is, and which rows a limit leaves."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gradts_engine.contracts import TaskSpec
from gradts_engine.errors import UsageError
from gradts_engine.learning import cuts
from gradts_engine.learning.data import read_task
from gradts_engine.learning.task_types import Classification, MultiLabel, Regression, TokenClassification

WORD = st.text("abcdeé ", min_size=1).filter(str.strip)
SEED = st.integers(0, 2**32 - 1)
FRACTION = st.floats(0.05, 0.95)


def read(table, kind, *, limits=None, seed=0, order="sample", **fields):
    """A task whose rows are records of text and label."""
    spec = TaskSpec(name=fields.pop("name", "t"), type="any", train=lambda: table, **fields)
    return read_task(spec, kind, "accuracy", limits or {}, "stop", seed, order)


def texts(data, split):
    """The different texts of a split, as one compares them by eye."""
    return {" ".join(" ".join(row.text).lower().split()) for row in data.splits[split]}


def was_cut_by_text(data):
    """Whether there were enough texts for it."""
    return not any("too few" in warning for warning in data.warnings)


@given(draw=st.data(), fraction=st.floats(0.2, 0.8), seed=SEED)
def test_a_text_is_on_the_same_side_in_any_two_tasks(draw, fraction, seed):
    """Whatever their types, labels, names and sizes, and however often a text is in them."""
    pool = [f"word{i} Ünd {'x' * (i % 5)}" for i in range(60)]
    one, two, three = (draw.draw(st.sets(st.sampled_from(pool), min_size=25)) for _ in range(3))
    words = [{"text": text.split(), "label": ["O", "B-X", "O"][: len(text.split())]} for text in sorted(three)]
    a = read(
        [{"text": t, "label": i % 3} for i, t in enumerate(sorted(one) * 2)], Classification(), seed=seed, dev_fraction=fraction
    )
    b = read([{"text": t.upper(), "label": len(t)} for t in two], Regression(), seed=seed, dev_fraction=fraction, name="u")
    c = read(words, TokenClassification(), seed=seed, dev_fraction=fraction)
    assume(all(map(was_cut_by_text, (a, b, c))))
    for first, second in product((a, b, c), repeat=2):
        assert not texts(first, "train") & texts(second, "dev")
    assert len(a.splits["train"]) + len(a.splits["dev"]) == 2 * len(one)


@given(values=st.lists(WORD, min_size=1), fractions=st.lists(FRACTION, min_size=2, max_size=2), seed=SEED)
def test_a_larger_fraction_only_adds_dev_texts(values, fractions, seed):
    small, large = (cuts.dev_side(values, fraction, seed) for fraction in sorted(fractions))
    assert not (small & ~large).any()


def test_fractions_are_what_they_say_and_seeds_differ():
    values = [str(i) for i in range(20_000)]
    sides = [cuts.dev_side(values, 0.3, seed) for seed in (1, 2)]
    assert [side.mean() for side in sides] == pytest.approx([0.3, 0.3], abs=0.015)
    assert np.corrcoef(*sides)[0, 1] == pytest.approx(0, abs=0.03)
    assert set(cuts.hashes(values, "cut/1")).isdisjoint(cuts.hashes(values, "sample/1"))


@pytest.mark.parametrize("other", ["Straße  1", "STRASSE 1", " strasse\t1", "ｓｔｒａｓｓｅ 1", "strasse\u00a01"])
def test_what_is_one_text(other):
    assert cuts.normalised(["strasse 1"]) == cuts.normalised([other])
    assert cuts.normalised(["strasse", "1"], words=True) == cuts.normalised([other])
    assert cuts.normalised(["strasse", "1"]) != cuts.normalised([other]), "a pair is no sentence"


def test_the_order_and_number_of_other_rows_change_nothing():
    table = [{"text": f"text {i}", "label": i % 2} for i in range(200)]
    whole, half = (read(rows, Classification(), dev_fraction=0.2) for rows in (table, table[150::-1]))
    assert texts(half, "dev") < texts(whole, "dev")
    assert texts(half, "train") < texts(whole, "train")
    rows = [row.row for row in whole.splits["train"]]
    assert rows == sorted(rows)


def test_groups_stay_together():
    table = [{"text": f"text {i}", "label": i % 2, "paper": i // 10 if i % 7 else None} for i in range(400)]
    data = read(table, Classification(), dev_fraction=0.3, group="paper")
    papers = [{table[row.row]["paper"] for row in data.splits[split]} - {None} for split in ("train", "dev")]
    assert not papers[0] & papers[1]
    assert all(papers)
    assert papers[1] == {p for p in range(40) if cuts.dev_side([str(p)], 0.3, 0)[0]}
    with pytest.raises(UsageError, match=r"no column 'papr'; did you mean 'paper'"):
        read(table, Classification(), dev_fraction=0.3, group="papr")


def test_too_few_texts_are_cut_apart_and_it_is_said():
    table = [{"text": "good" if i % 2 else "bad", "label": i % 2} for i in range(60)]
    data = read(table, Classification(), dev_fraction=0.2)
    assert (len(data.splits["train"]), len(data.splits["dev"])) == (48, 12)
    assert data.labels == ("0", "1")
    assert "2 different texts are too few" in data.warnings[0]
    assert "2 texts are in train and dev" in data.warnings[0]
    few = read([{"text": str(i), "label": i} for i in range(3)], Regression(), dev_fraction=0.01)
    assert len(few.splits["dev"]) == 1
    assert "too few" in few.warnings[0]
    assert "in train and dev" not in few.warnings[0]
    with pytest.raises(UsageError, match=r"'t' has 1 row, of which dev_fraction = 0.2 leaves none to train with"):
        read(table[:1], Classification(), dev_fraction=0.2)


# --- limits ----------------------------------------------------------------------------------------------------------


@given(labels=st.lists(st.sampled_from("aaaaaabbbc"), min_size=1, max_size=80), share=st.floats(0, 1), seed=SEED)
def test_a_sample_has_every_class_in_its_share(labels, share, seed):
    limit = max(1, round(share * len(labels)))
    table = [{"text": "same", "label": label} for label in labels]
    chosen = cuts.sample(table, limit, lambda row: row["text"], lambda row: row["label"], seed)
    assert len(chosen) == limit
    places = [next(i for i, row in enumerate(table) if row is one) for one in chosen]
    assert places == sorted(set(places))
    whole, part = Counter(labels), Counter(row["label"] for row in chosen)
    for label, count in whole.items():
        exact = count * limit / len(labels)
        few = limit >= len(whole)  # then a class that would get less than one row has one
        assert part[label] >= few
        assert abs(part[label] - exact) < 1 + few * (len(whole) - 1)


def test_limits_of_a_sorted_file():
    table = [{"text": f"row {i}", "label": "neg" if i < 150 else "pos"} for i in range(200)]
    data = read(table, Classification(), dev_fraction=0.2, limits={"train": 12, "dev": 8})
    whole = read(table, Classification(), dev_fraction=0.2)
    assert Counter(row.label for row in data.splits["train"]) == {"neg": 9, "pos": 3}
    assert len(data.splits["dev"]) == 8
    assert set(data.splits["dev"]) < set(whole.splits["dev"])
    first = read(table, Classification(), dev_fraction=0.2, limits={"train": 12}, order="first")
    assert first.splits["train"] == whole.splits["train"][:12]
    assert first.labels == ("neg", "pos"), "the classes are those of the whole file"
    assert first.warnings == ("no train row is of class 'pos'",)
    other = read(table, Classification(), dev_fraction=0.2, limits={"train": 12}, seed=1)
    assert other.splits["train"] != data.splits["train"]


def test_a_sample_has_rare_tags_and_sets_too():
    table = [{"text": ["w", str(i)], "label": ["O", "B-X" if i == 77 else "O"]} for i in range(100)]
    data = read(table, TokenClassification(), dev=lambda: table, limits={"train": 5})
    assert [row.row for row in data.splits["train"] if "B-X" in row.label] == [77]
    sets = [{"text": str(i), "label": ["a", "b"] if i == 3 else ["a"] if i % 2 else []} for i in range(100)]
    chosen = read(sets, MultiLabel(), dev=lambda: sets, limits={"train": 11}).splits["train"]
    assert Counter(row.label for row in chosen) == {(): 5, ("a",): 5, ("a", "b"): 1}
