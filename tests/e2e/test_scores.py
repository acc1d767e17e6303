"""The reported scores of every task type, computed again from the exported models by transformers, sklearn, seqeval and scipy
alone, and by `predict`."""

import functools
import itertools
import json
import string
from collections import Counter
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file
from scipy.stats import pearsonr
from seqeval.metrics import f1_score as seqeval_f1
from sklearn.metrics import f1_score, roc_auc_score

from gradts_engine.__main__ import main
from gradts_engine.contracts import Instance
from gradts_engine.learning.task_types import MaskedLanguageModelling

MAX_LENGTH = 16
CUT = {"words": ["anna", "the", "otto"] * 8, "tags": ["B-name", "O", "B-name"] * 8}
"""More words than `MAX_LENGTH`."""


def _rows() -> dict[str, list[dict]]:
    words = "lovely grim anna otto tomato bread red blue".split()
    pairs = list(itertools.pairwise(words))
    return {
        "sets": [{"text": f"{a} {b}", "label": [x for x in (a, b) if x in ("grim", "otto", "red")]} for a, b in pairs * 3],
        "ranked": [
            {"query": "red", "candidates": [w, "bread", "sour"][: 2 + i % 2], "label": i % 2} for i, w in enumerate(words)
        ],
        "asked": [
            {"q": "what", "c": f"the {w} a", "answers": {"text": [w] if i % 4 else [], "answer_start": [4] if i % 4 else []}}
            for i, w in enumerate(words)
        ],
        "masked": [{"text": f"the {w} buys the {w}"} for w in words],
    }


@pytest.fixture
def scored(place) -> "tuple[object, dict]":
    """A run in which tasks of every type are primaries; its place and its results."""
    for task, made in _rows().items():
        place.rows[task] = {"train": made * 2, "dev": made, "test": made[::-1]}
    for split in ("dev", "test"):
        place.rows["tags"][split] += [CUT] * 2
    types = {
        "sets": {"type": "multi_label", "metric": "roc_auc"},
        "ranked": {"type": "ranking", "text": ["query", "candidates"]},
        "asked": {"type": "span", "text": ["q", "c"], "label": "answers"},
        "masked": {"type": "masked_lm"},
    }
    for task, table in types.items():
        place.settings[f"tasks.{task}"] = table | {split: f"data/{task}.{split}.jsonl" for split in ("train", "dev", "test")}
    place.settings["tasks.mood"] |= {"metric": "f1", "positive": "bad"}
    place.settings["run"]["primary"] = [*types, "mood", "pair", "stars", "tags"]
    place.settings["data"] = {"max_length": MAX_LENGTH}
    place.settings["training"]["epochs"] = 1
    place.settings["selection"]["strategy"] = "none"
    place.settings["multitask"]["steps"] = 20
    place.write()
    place.done()
    place.capture.readouterr()
    return place, json.loads(place("results --json").out)["primaries"]


@functools.cache
def _loaded(folder: Path, auto: str):
    return getattr(transformers, auto).from_pretrained(folder).eval(), transformers.AutoTokenizer.from_pretrained(folder)


def _answer(folder: Path, auto: str, *texts, **options):
    model, tokenizer = _loaded(folder, auto)
    inputs = tokenizer(*texts, truncation=True, return_tensors="pt", **options)
    with torch.no_grad():
        return model(**inputs), inputs


def _classes(folder: Path, rows: list[dict], columns=("text",)) -> list[str]:
    """One row at a time, so that nothing is padded."""
    labels = transformers.AutoConfig.from_pretrained(folder).id2label
    texts = [[row[c] for c in columns] for row in rows]
    outs = [_answer(folder, "AutoModelForSequenceClassification", *text)[0].logits for text in texts]
    return [labels[int(out.argmax())] for out in outs]


def _mood(folder, rows):
    return f1_score([row["label"] for row in rows], _classes(folder, rows), pos_label="bad")


def _pair(folder, rows):
    found = _classes(folder, rows, ("one", "two"))
    return sum(str(row["label"]) == label for row, label in zip(rows, found, strict=True)) / len(rows)


def _stars(folder, rows):
    outs = [_answer(folder, "AutoModelForSequenceClassification", row["text"])[0].logits.item() for row in rows]
    return pearsonr([row["label"] for row in rows], outs).statistic


def _tags(folder, rows):
    """Words that were cut are outside of every span, which misses the spans that they are."""
    labels = transformers.AutoConfig.from_pretrained(folder).id2label
    predicted = []
    for row in rows:
        out, inputs = _answer(folder, "AutoModelForTokenClassification", [row["words"]], is_split_into_words=True)
        tags = ["O"] * len(row["words"])
        for at, word in reversed(list(enumerate(inputs.word_ids(0)))):
            if word is not None:
                tags[word] = labels[int(out.logits[0, at].argmax())]
        predicted.append(tags)
    return seqeval_f1([row["tags"] for row in rows], predicted)


def _sets(folder, rows):
    labels = transformers.AutoConfig.from_pretrained(folder).id2label.values()
    outs = [_answer(folder, "AutoModelForSequenceClassification", row["text"])[0].logits[0].tolist() for row in rows]
    return roc_auc_score([[name in row["label"] for name in labels] for row in rows], outs)


def _ranked(folder, rows):
    def best(row):
        pairs = [
            _answer(folder, "AutoModelForSequenceClassification", row["query"], c)[0].logits.item() for c in row["candidates"]
        ]
        return pairs.index(max(pairs))

    return sum(best(row) == row["label"] for row in rows) / len(rows)


def _asked(folder, rows):
    """SQuAD's F1 of the likeliest span of the context, or of no answer (the first token) where that is likelier."""

    def words(text: str) -> Counter:
        kept = "".join(c for c in text.lower() if c not in string.punctuation)
        return Counter(w for w in kept.split() if w not in ("a", "an", "the"))

    def score(row):
        out, inputs = _answer(folder, "AutoModelForQuestionAnswering", row["q"], row["c"], return_offsets_mapping=False)
        starts, ends = out.start_logits[0].tolist(), out.end_logits[0].tolist()
        inside = [at for at, part in enumerate(inputs.sequence_ids(0)) if part == 1]
        spans = {(a, b): starts[a] + ends[b] for a in inside for b in inside if a <= b < a + 30} | {(0, 0): starts[0] + ends[0]}
        a, b = max(spans, key=spans.__getitem__)
        offsets = inputs.encodings[0].offsets
        given, true = words(row["c"][offsets[a][0] : offsets[b][1]] if b else ""), words((row["answers"]["text"] or [""])[0])
        if not given or not true:
            return float(given == true)
        return 2 * (given & true).total() / (given.total() + true.total())

    return sum(map(score, rows)) / len(rows)


def _masked(folder, rows):
    """The head, which transformers has no class for, in plain torch; which words are masked is our own definition."""
    head, encoder = load_file(folder / "head.safetensors"), transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    right = total = 0
    for row in rows:
        tokens = MaskedLanguageModelling().tokenise(Instance(0, (row["text"],), ""), (), tokenizer, MAX_LENGTH, 1)
        with torch.no_grad():
            hidden = encoder(input_ids=torch.tensor(tokens.inputs["input_ids"])).last_hidden_state[0]
            states = torch.nn.functional.gelu(hidden @ head["dense.weight"].T + head["dense.bias"])
            states = torch.nn.functional.layer_norm(states, states.shape[-1:])
            found = (states @ encoder.get_input_embeddings().weight.T + head["bias"]).argmax(-1)
        places = torch.tensor(tokens.target) >= 0
        right += int((found[places] == torch.tensor(tokens.target)[places]).sum())
        total += int(places.sum())
    return right / total


def test_scores_of_every_type(scored, tmp_path):
    place, results = scored
    for task, recompute in globals().copy().items():
        name = task.removeprefix("_")
        if name not in results or not task.startswith("_"):
            continue
        found, rows = results[name]["final"], place.rows[name]
        folder = Path(found["model"])
        for split, reported in (("dev", found["score"]), ("test", found["test"])):
            assert recompute(folder, rows[split]) == pytest.approx(reported, abs=1e-6), (name, split)
            out = tmp_path / f"{name}.{split}.jsonl"
            file = str(place.folder / "data" / f"{name}.{split}.jsonl")
            assert main(["predict", str(folder), file, "--out", str(out), "--device", "cpu", "--json"]) == 0
            facts = json.loads(place.capture.readouterr().out)
            assert facts["score"] == pytest.approx(reported, abs=1e-6), (name, split)
            assert (facts["rows"], facts["labelled"]) == (len(rows[split]), len(rows[split]))
            assert len(out.read_text().splitlines()) == len(rows[split])
            assert facts.get("types", {}) == found["types"].get(split, {})
            for kind, of in found["types"].get(split, {}).items():
                assert of["support"] == sum(tag == f"B-{kind}" for row in rows[split] for tag in row["tags"])
    assert {name.removeprefix("_") for name in globals() if name.startswith("_")} >= set(results)
    card = (Path(results["mood"]["final"]["model"]) / "README.md").read_text()
    assert "f1 of bad" in card
