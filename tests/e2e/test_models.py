"""The model that comes out of a run is a plain transformers model."""

import json
import re

import numpy as np
import pytest
import torch
import transformers
from sklearn.metrics import accuracy_score

from gradts_engine.__main__ import main

FINAL = {
    "mood": transformers.AutoModelForSequenceClassification,
    "pair": transformers.AutoModelForSequenceClassification,
    "stars": transformers.AutoModelForSequenceClassification,
    "tags": transformers.AutoModelForTokenClassification,
}


def plain_score(task: str, rows, model, tokenizer) -> float:
    """The dev score as anybody would compute it who has never heard of GradTS."""
    names = model.config.id2label
    gold, predicted = [], []
    for row in rows:
        if task == "tags":
            inputs = tokenizer(row["words"], is_split_into_words=True, return_tensors="pt")
            best = model(**inputs).logits[0].argmax(-1).tolist()
            words = inputs.word_ids()
            firsts = [words.index(i) for i in range(len(row["words"]))]
            predicted += [names[best[t]] for t in firsts]
            gold += row["tags"]
        else:
            texts = [row["one"], row["two"]] if task == "pair" else [row["text"]]
            logits = model(**tokenizer(*texts, return_tensors="pt")).logits[0]
            predicted.append(logits.item() if task == "stars" else names[logits.argmax().item()])
            gold.append(row["label"] if task == "stars" else str(row["label"]))
    if task == "stars":
        return float(np.corrcoef(gold, predicted)[0, 1])
    return float(accuracy_score(gold, predicted))


@torch.inference_mode()
def test_models_of_all_kinds_are_plain_transformers_models(place):
    """For a run with every task as primary: the folder's model scores on the dev and test rows what the run says it does."""
    del place.settings["run"]["primary"]
    place.settings["selection"] |= {"strategy": "all"}
    place.settings["tasks.tags"]["metric"] = "token_accuracy"
    place.write()
    assert place.done()
    primaries = place("results --json").json["primaries"]
    assert list(primaries) == list(FINAL)
    for task, found in primaries.items():
        final = found["final"]
        model = FINAL[task].from_pretrained(final["model"]).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(final["model"])
        assert plain_score(task, place.rows[task]["dev"], model, tokenizer) == pytest.approx(final["score"], abs=1e-6), task
        assert plain_score(task, place.rows[task]["test"], model, tokenizer) == pytest.approx(final["test"], abs=1e-6), task


def test_the_model_card_says_what_the_model_is(ran):
    found = ran("results --json").json["primaries"]["mood"]
    final = found["final"]
    (card,) = ran.latest.models.glob("*/README.md")  # of the copy; final["model"] is where it was made
    text = card.read_text()
    assert text.startswith("---\nlibrary_name: transformers\n")
    for auxiliary in found["confirmed"]:
        assert f"{auxiliary['task']} ({auxiliary['instances']} instances)" in text
    assert f"| dev (chose the auxiliaries) | accuracy | {final['score']:.4f} | {final['alone']:.4f} |" in text
    assert f"| test | accuracy | {final['test']:.4f} | {final['alone_test']:.4f} |" in text
    settings = json.loads(text.partition("```json\n")[2].partition("```")[0])
    assert settings["seed"] == 3
    assert settings["multitask"]["steps"] == 12
    assert re.search(r"^- gradts \d", text, re.M)
    assert re.search(r"^- transformers \d", text, re.M)


def predicted(place, model, rows, options=""):
    """Exit code and output of `predict`."""
    place.capture.readouterr()
    return main(["predict", str(model), str(rows), "--device", "cpu", *options.split()]), *place.capture.readouterr()


def test_predict_refuses_what_the_model_was_not_trained_for(ran):
    """And says so of labels that it cannot give; the rows stay as they are."""
    model = ran("results --json").json["primaries"]["mood"]["final"]["model"]
    rows = ran.folder / "rows.jsonl"
    text = "".join(json.dumps({"text": "good day", "other": "bad", "label": label}) + "\n" for label in ("good", "GOOD", ""))
    rows.write_text(text)
    for options, message in (
        (f"--out {rows}", f"--out {rows} is the file with the rows; name another one for the answers"),
        (f"--out {rows.parent / 'x' / '..' / rows.name}", "is the file with the rows"),
        ("--text text --text other", "text in 2 columns (text, other), but the model was trained with 1 (text); name as many"),
        ("--label lable", "lable"),
        ("--text txet", "txet"),
    ):
        (ran.folder / "x").mkdir(exist_ok=True)
        code, out, err = predicted(ran, model, rows, options)
        assert (code, out) == (2, "")
        assert message in err
        assert rows.read_text() == text
    code, out, err = predicted(ran, model, rows)
    assert code == 0
    assert len(out.splitlines()) == 3
    first, last = err.splitlines()[0], err.splitlines()[-1]
    assert first == "warning: no answer can be right where the label is none of the model's: 'GOOD'; it has 'bad', 'good'"
    assert last.startswith("3 rows, 2 with a label: ")
