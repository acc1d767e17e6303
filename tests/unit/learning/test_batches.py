from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from gradts_engine.contracts import EncoderSpec, Instance
from gradts_engine.learning import batches
from gradts_engine.learning.batches import (
    Encoded,
    Plan,
    encode,
    epoch_batches,
    mixed_epoch,
    plan_epochs,
    plan_steps,
    token_batches,
)
from gradts_engine.learning.encoders import Encoder, load_encoder
from gradts_engine.learning.task_types import IGNORED, Classification, TokenClassification
from gradts_engine.testing import tiny_encoder

LENGTHS = st.lists(st.integers(1, 50), min_size=1, max_size=80).map(lambda lengths: np.array(lengths, np.int64))
SEEDS = st.integers(0, 2**63 - 1)


def flat(arrays: Sequence[np.ndarray]) -> list[int]:
    return [int(row) for rows in arrays for row in rows]


# --- the order of training -------------------------------------------------------------------------------------------


@given(LENGTHS, st.integers(1, 9), SEEDS)
def test_an_epoch_holds_every_instance_once(lengths: np.ndarray, batch_size: int, seed: int) -> None:
    found = epoch_batches(lengths, batch_size, seed)
    assert sorted(flat(found)) == list(range(len(lengths)))
    assert len(found) == -(-len(lengths) // batch_size)
    assert all(1 <= len(rows) <= batch_size for rows in found)


@given(LENGTHS, st.integers(1, 9), SEEDS, st.integers(1, 100))
def test_a_limited_epoch_draws_so_many_instances(lengths: np.ndarray, batch_size: int, seed: int, limit: int) -> None:
    rows = flat(epoch_batches(lengths, batch_size, seed, limit))
    assert len(set(rows)) == len(rows) == min(limit, len(lengths))


def test_an_epoch_is_a_function_of_its_seed() -> None:
    lengths = np.arange(1, 201) % 37 + 1
    first, again, other = (flat(epoch_batches(lengths, 8, seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert first != sorted(first)
    assert set(flat(epoch_batches(lengths, 8, 1, 20))) != set(flat(epoch_batches(lengths, 8, 2, 20)))


def test_batches_are_of_similar_length_in_random_order() -> None:
    lengths = np.random.default_rng(0).integers(5, 100, 1000)
    found = epoch_batches(lengths, 8, seed=0)
    padded = sum(len(rows) * lengths[rows].max() for rows in found)
    assert padded < 1.05 * lengths.sum()
    longest = [int(lengths[rows].max()) for rows in found]
    assert abs(np.corrcoef(longest, range(len(longest)))[0, 1]) < 0.2


def test_a_mixed_epoch_holds_every_instance_of_every_task_once_and_mixes_them() -> None:
    lengths = {"large": np.full(300, 7), "small": np.full(100, 7)}
    found = mixed_epoch(lengths, 4, seed=3, epoch=1)
    for task, task_lengths in lengths.items():
        assert sorted(flat([batch.rows for batch in found if batch.task == task])) == list(range(len(task_lengths)))
    places = [place for place, batch in enumerate(found) if batch.task == "small"]
    assert len(places) == 25
    assert 40 < np.mean(places) < 60
    assert len(set(np.diff(places))) > 3
    limited = mixed_epoch(lengths, 4, seed=3, epoch=1, limits={"large": 10})
    assert Counter(batch.task for batch in limited) == {"large": 3, "small": 25}


def test_a_tasks_batches_do_not_depend_on_the_other_tasks() -> None:
    lengths = {"a": np.arange(1, 60) % 5 + 1, "b": np.arange(1, 30)}

    def of_a(lengths: dict[str, np.ndarray], **seeds: int) -> set[tuple[int, ...]]:
        return {tuple(batch.rows.tolist()) for batch in mixed_epoch(lengths, 4, **seeds) if batch.task == "a"}

    alone = of_a({"a": lengths["a"]}, seed=1, epoch=1)
    assert of_a(lengths, seed=1, epoch=1) == alone
    assert of_a(lengths, seed=1, epoch=2) != alone
    assert of_a(lengths, seed=2, epoch=1) != alone
    twins = mixed_epoch({"a": lengths["a"], "b": lengths["a"]}, 4, seed=1, epoch=1)
    assert {tuple(batch.rows.tolist()) for batch in twins if batch.task == "b"} != alone


def rows_of(plan: Plan) -> Counter[tuple[str, int]]:
    return Counter((batch.task, int(row)) for epoch in plan for step in epoch for batch in step for row in batch.rows)


@given(LENGTHS, LENGTHS, st.integers(1, 3), st.integers(1, 5), st.integers(1, 4), SEEDS)
def test_plan_of_epochs(a: np.ndarray, b: np.ndarray, epochs: int, batch_size: int, accumulation: int, seed: int) -> None:
    lengths = {"a": a, "b": b}
    options: dict[str, int] = {"batch_size": batch_size, "accumulation": accumulation, "seed": seed}
    plan = plan_epochs(lengths, epochs=epochs, **options)
    assert len(plan) == epochs
    for epoch in plan:
        assert rows_of([epoch]) == {(task, row): 1 for task in lengths for row in range(len(lengths[task]))}
        assert [len(step) for step in epoch[:-1]] == [accumulation] * (len(epoch) - 1)
        assert 1 <= len(epoch[-1]) <= accumulation
    longer = plan_epochs(lengths, epochs=epochs + 1, **options)
    assert rows_in_order(longer[:epochs]) == rows_in_order(plan)


def rows_in_order(plan: Plan) -> list[Any]:
    return [[[(batch.task, batch.rows.tolist()) for batch in step] for step in epoch] for epoch in plan]


def test_epochs_of_a_plan_differ() -> None:
    first, second = rows_in_order(plan_epochs({"a": np.arange(1, 60)}, epochs=2, batch_size=4, accumulation=2, seed=0))
    assert first != second


@given(LENGTHS, LENGTHS, st.integers(1, 30), st.integers(1, 6), st.integers(1, 5), st.integers(1, 4), SEEDS)
def test_plan_of_steps(
    a: np.ndarray, b: np.ndarray, steps: int, evaluations: int, batch_size: int, accumulation: int, seed: int
) -> None:
    lengths = {"a": a, "b": b}
    plan = plan_steps(lengths, steps=steps, evaluations=evaluations, batch_size=batch_size, accumulation=accumulation, seed=seed)
    sizes = [len(epoch) for epoch in plan]
    assert sum(sizes) == steps
    assert len(sizes) == min(evaluations, steps)
    assert max(sizes) - min(sizes) <= 1
    assert all(len(step) == accumulation for epoch in plan for step in epoch)
    # Passes follow one another, so an instance comes again only after all others have come.
    counts = rows_of(plan)
    every = [counts[task, row] for task in lengths for row in range(len(lengths[task]))]
    assert max(every) - min(every) <= 1


def test_plan_of_steps_with_limits() -> None:
    lengths = {"main": np.full(10, 5), "large": np.full(1000, 5)}
    plan = plan_steps(lengths, steps=20, evaluations=2, batch_size=5, accumulation=1, seed=0, limits={"large": 10})
    counts = Counter(batch.task for epoch in plan for step in epoch for batch in step)
    assert counts == {"main": 10, "large": 10}
    assert len({row for task, row in rows_of(plan) if task == "large"}) > 10


@given(LENGTHS, st.integers(1, 300))
def test_token_batches(lengths: np.ndarray, budget: int) -> None:
    found = list(token_batches(lengths, budget))
    assert sorted(flat(found)) == list(range(len(lengths)))
    for rows, after in zip(found, [*found[1:], None], strict=True):
        width = lengths[rows].max()
        assert len(rows) == 1 or width * len(rows) <= budget
        if after is not None:
            assert lengths[rows].min() >= lengths[after].max()
            assert width * (len(rows) + 1) > budget  # no smaller than it has to be


# --- tokenised splits ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = tiny_encoder(tmp_path_factory.mktemp("encoder"), words=["rain", "in", "spain"])
    return load_encoder(EncoderSpec(name="tiny", source=lambda: str(folder)))


def sentences(*texts: tuple[str, ...]) -> list[Instance]:
    return [Instance(i, text, "no") for i, text in enumerate(texts)]


def words(text: str, labels: str) -> Instance:
    return Instance(0, tuple(text.split()), tuple(labels.split()))


def tokens(encoder: Any, split: Encoded, i: int) -> list[str]:
    return encoder.tokenizer.convert_ids_to_tokens(split.inputs["input_ids"][i].tolist())


def test_sentences_and_pairs(encoder: Encoder) -> None:
    split = encode("t", Classification(), ("yes", "no"), sentences(("rain", "in rain"), ("in", "spain")), encoder.tokenizer, 20)
    assert tokens(encoder, split, 0) == ["[CLS]", "rain", "[SEP]", "in", "rain", "[SEP]"]
    assert split.inputs["token_type_ids"][0].tolist() == [0, 0, 0, 1, 1, 1]
    assert split.inputs["attention_mask"][0].tolist() == [1] * 6
    assert [int(target) for target in split.targets] == [1, 1]
    assert split.lengths.tolist() == [6, 5]
    assert (len(split), split.truncated) == (2, 0)


def test_truncation_cuts_the_longer_text_and_is_counted(encoder: Encoder) -> None:
    instances = sentences(("rain in spain rain in spain", "rain"), ("rain", "in"), ("rain rain", "in spain"))
    split = encode("t", Classification(), ("no",), instances, encoder.tokenizer, 7)
    assert split.truncated == 1
    assert tokens(encoder, split, 0) == ["[CLS]", "rain", "in", "spain", "[SEP]", "rain", "[SEP]"]
    assert split.lengths.tolist() == [7, 5, 7]


def test_a_word_carries_its_label_on_its_first_sub_word(encoder: Encoder) -> None:
    instances = [words("tomatoes in bananas", "B O I"), words("rain", "O"), words("in spain rain", "O B I")]
    split = encode("t", TokenClassification(), ("B", "I", "O"), instances, encoder.tokenizer_for(True), 8)
    assert tokens(encoder, split, 0) == ["[CLS]", "to", "##ma", "##to", "##e", "##s", "in", "[SEP]"]
    assert split.targets[0].tolist() == [IGNORED, 0, *[IGNORED] * 4, 2, IGNORED]  # the last word was cut off
    assert split.targets[1].tolist() == [IGNORED, 2, IGNORED]
    assert split.targets[2].tolist() == [IGNORED, 2, 0, 1, IGNORED]
    assert split.truncated == 1


def test_words_of_byte_level_tokenizers(encoder: Encoder) -> None:
    """RoBERTa's kind: the space before a word belongs to its first sub-word."""
    alphabet = {letter: i for i, letter in enumerate("?Ġcatso")}
    merges = [("c", "a"), ("Ġ", "ca")]
    vocab = alphabet | {a + b: len(alphabet) + i for i, (a, b) in enumerate(merges)}
    backend = tokenizers.Tokenizer(tokenizers.models.BPE(vocab, merges))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="?", unk_token="?")
    other = replace(encoder, spec=replace(encoder.spec, tokenizer=lambda _: tokenizer))
    split = encode("t", TokenClassification(), ("B", "O"), [words("cats so", "B O")], other.tokenizer_for(True), 20)
    assert tokens(other, split, 0) == ["Ġca", "t", "s", "Ġ", "s", "o"]
    assert split.targets[0].tolist() == [0, IGNORED, IGNORED, 1, IGNORED, IGNORED]


def test_chunks_make_no_difference(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    instances = [words("rain in spain"[: 4 + i], "O " * len("rain in spain"[: 4 + i].split())) for i in range(9)]
    arguments = ("t", TokenClassification(), ("O",), instances, encoder.tokenizer_for(True), 4)
    at_once = encode(*arguments)
    monkeypatch.setattr(batches, "CHUNK", 2)
    in_chunks = encode(*arguments)
    assert len(in_chunks) == len(at_once) == 9
    assert in_chunks.truncated == at_once.truncated > 0
    for name in at_once.inputs:
        assert flat(in_chunks.inputs[name]) == flat(at_once.inputs[name])
    assert flat(in_chunks.targets) == flat(at_once.targets)


def test_a_batch_is_padded_to_its_longest(tmp_path: Path) -> None:
    folder = tiny_encoder(tmp_path, "roberta", words=["rain"])  # whose padding is not token 0
    encoder = load_encoder(EncoderSpec(name="tiny", source=lambda: str(folder)))
    pad = encoder.tokenizer.pad_token_id
    assert pad != 0
    instances = [words(text, "O " * len(text.split())) for text in ("rain", "rain rain rain", "rain rain")]
    split = encode("t", TokenClassification(), ("O",), instances, encoder.tokenizer_for(True), 20)
    inputs, targets = split.batch([2, 0])
    rain, start, end = encoder.tokenizer.convert_tokens_to_ids(["rain", "<s>", "</s>"])
    assert inputs["input_ids"].tolist() == [[start, rain, rain, end], [start, rain, end, pad]]
    assert inputs["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]
    assert targets.tolist() == [[IGNORED, 0, 0, IGNORED], [IGNORED, 0, IGNORED, IGNORED]]
    assert {value.dtype for value in [*inputs.values(), targets]} == {torch.int64}


def test_take(encoder: Encoder) -> None:
    split = encode("t", Classification(), ("no",), sentences(("rain",), ("in spain",), ("in",)), encoder.tokenizer, 20)
    part = split.take([2, 1])
    assert [tokens(encoder, part, i) for i in range(2)] == [["[CLS]", "in", "[SEP]"], ["[CLS]", "in", "spain", "[SEP]"]]
    assert len(part) == len(part.targets) == 2
