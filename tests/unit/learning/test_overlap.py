"""Texts that a primary is judged by and an auxiliary is trained with."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradts_engine.contracts import Auxiliary, TaskSpec
from gradts_engine.learning.data import read_task
from gradts_engine.learning.overlap import left_out, overlap, usable, warnings
from gradts_engine.learning.task_types import Regression, TokenClassification

TEXTS = st.lists(st.sampled_from([f"{a} {b}" for a in "abcde" for b in "ABCDE"]), min_size=1)


def read(name, train, dev, test=None, kind=None):
    def rows(texts):
        return None if texts is None else lambda: [{"text": text, "label": i} for i, text in enumerate(texts)]

    spec = TaskSpec(name=name, type="any", train=rows(train), dev=rows(dev), test=rows(test))
    return read_task(spec, kind or Regression(), "pearson", {}, "stop", 0)


@given(train=TEXTS, dev=TEXTS, test=TEXTS, other=TEXTS, draw=st.data())
def test_no_trial_has_a_text_that_it_is_judged_by(train, dev, test, other, draw):
    data = {"p": read("p", train, dev, test), "a": read("a", [text.upper() for text in other], dev)}
    counts = overlap(data["p"], data)
    low = {name: pd.Series(texts).str.lower() for name, texts in (("train", train), ("dev", dev), ("test", test), ("a", other))}
    assert counts == {
        split: {"p": low[split].isin(low["train"]).sum(), "a": low[split].isin(low["a"]).sum()} for split in ("dev", "test")
    }
    judged = {*low["dev"], *low["test"]}
    assert left_out(data["p"], data["a"]).tolist() == [i for i, text in enumerate(low["a"]) if text in judged]
    some = draw.draw(st.none() | st.lists(st.integers(0, len(other) - 1), unique=True, min_size=1).map(tuple))
    asked = (Auxiliary("a", some),)
    assert usable(asked, "p", data, "keep") == asked
    found = usable(asked, "p", data, "drop")
    rows = range(len(other)) if some is None else some
    wanted = tuple(i for i in rows if low["a"][i] not in judged)
    if len(wanted) == len(rows):
        assert found == asked, "what loses nothing has the key that it had"
    else:
        assert found == ((Auxiliary("a", wanted),) if wanted else ())


def test_words_are_compared_with_the_sentence_that_they_make():
    data = {"p": read("p", ["one"], ["Ada lives  in ROME"]), "a": read("a", ["x"], ["x"])}

    def rows():
        return [{"text": ["Ada", "lives", "in", "Rome"], "label": ["B", "O", "O", "B"]}]

    spec = TaskSpec(name="a", type="any", train=rows, dev=rows)
    data["a"] = read_task(spec, TokenClassification(), "token_accuracy", {}, "stop", 0)
    assert overlap(data["p"], data) == {"dev": {"p": 0, "a": 1}, "test": {}}


@pytest.mark.parametrize(
    ("policy", "ending"),
    [("drop", "; left out when it is an auxiliary: 2 of its 3 train rows"), ("keep", "")],
)
def test_what_is_said(policy, ending):
    data = {"p": read("p", ["a", "b"], ["a"], ["b", "c", "d"]), "a": read("a", ["c", "c", "x"], ["x"])}
    assert warnings(data["p"], overlap(data["p"], data), data, policy) == [
        "dev rows with the text of a train row: all 1, so that dev is no test of anything",
        "test rows with the text of a train row: 1 of 3",
        f"test rows with the text of a train row of a: 1{ending}",
    ]
    data["a"] = read("a", ["c"], ["x"])
    assert "all its rows, so that it cannot be one" in warnings(data["p"], overlap(data["p"], data), data, "drop")[-1]
