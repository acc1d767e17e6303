import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from gradts_engine.contracts import EncoderSpec
from gradts_engine.errors import RunError, UsageError
from gradts_engine.exported import load_model
from gradts_engine.learning.encoders import Encoder, load_encoder
from gradts_engine.learning.export import Answering, export_model
from gradts_engine.learning.task_types import Classification, Regression, Spans, TokenClassification
from gradts_engine.testing import FAMILIES, tiny_encoder

LABELS = {"classification": ["no", "yes", "maybe"], "regression": [], "token_classification": ["O", "B-x", "I-x"], "span": []}
TEXTS = [["a", "kilo", "of", "tomatoes"], ["bread"]]
CLASSES = {
    "classification": transformers.AutoModelForSequenceClassification,
    "regression": transformers.AutoModelForSequenceClassification,
    "token_classification": transformers.AutoModelForTokenClassification,
    "span": transformers.AutoModelForQuestionAnswering,
}
FOREIGN = {
    "classification": {"distilbert", "electra", "modernbert"},
    "regression": {"distilbert", "electra", "modernbert"},
    "token_classification": {"modernbert"},
    "span": {"modernbert"},
}
HEADS: dict[str, Any] = {
    "classification": lambda: Classification().head(32, LABELS["classification"], 0.1),
    "regression": lambda: Regression().head(32, (), 0.1),
    "token_classification": lambda: TokenClassification().head(32, LABELS["token_classification"], 0.1),
    "span": lambda: Spans().head(32, (), 0.1),
}
"""Families whose own class for the task computes something else than our head."""


def tuned(folder: Path, family: str, task: str) -> tuple[Encoder, nn.Module, nn.Module]:
    """An encoder and a head as training leaves them: other weights than the pretrained ones, and in training mode."""
    encoder = load_encoder(EncoderSpec(name="tiny", source=lambda: str(tiny_encoder(folder, family))))
    head = HEADS[task]()
    generator = torch.Generator().manual_seed(1)
    module = encoder.build()
    with torch.no_grad():
        for parameter in [*module.parameters(), *head.parameters()]:
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return encoder, module.train(), head.train()


def export(encoder: Encoder, module: nn.Module, head: nn.Module, task: str, folder: Path) -> bool:
    word_level = task == "token_classification"
    options: dict[str, Any] = {
        "task": task,
        "word_level": word_level,
        "labels": LABELS[task],
        "max_length": 40,
        "card": "# A model",
    }
    return export_model(encoder, module, head, folder=folder, **options)


@pytest.mark.parametrize("task", LABELS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_computes_what_was_trained(family: str, task: str, tmp_path: Path) -> None:
    encoder, module, head = tuned(tmp_path / "pretrained", family, task)
    folder = tmp_path / "runs" / "final"
    state = torch.get_rng_state()
    native = export(encoder, module, head, task, folder)
    assert torch.equal(state, torch.get_rng_state())
    assert module.training
    assert head.training
    assert native is (family not in FOREIGN[task])
    assert [path.name for path in folder.parent.iterdir()] == ["final"]

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert tokenizer.model_max_length == 40
    if task == "token_classification":
        inputs = tokenizer(TEXTS, is_split_into_words=True, padding=True, return_tensors="pt")
    else:
        inputs = tokenizer(["a kilo", "bread"], ["of tomatoes", ""], padding=True, return_tensors="pt")
    with torch.no_grad():
        ours = head.eval()(module.eval()(**inputs).last_hidden_state)
        models: list[Any] = [load_model(folder)]
        if native:
            models.append(CLASSES[task].from_pretrained(folder))
            models[1] = Answering(models[1]) if task == "span" else models[1]
        else:
            assert transformers.AutoModel.from_pretrained(folder)(**inputs).last_hidden_state.shape[2] == 32
        for model in models:
            torch.testing.assert_close(model(**inputs).logits, ours, rtol=1e-5, atol=1e-5)

    config = transformers.AutoConfig.from_pretrained(folder)
    outputs = {"regression": 1, "span": 2}.get(task) or len(LABELS[task])
    assert config.num_labels == outputs
    assert list(config.id2label.values()) == (LABELS[task] or [f"LABEL_{i}" for i in range(outputs)])
    assert config.label2id == {name: i for i, name in config.id2label.items()}
    assert (config.problem_type == "regression") is (task == "regression")
    about = json.loads((folder / "gradts.json").read_text())
    assert (about["task"], about["labels"], about["native"]) == (task, LABELS[task], native)
    card = (folder / "README.md").read_text()
    assert card.startswith("# A model\n")
    assert ("AutoModelFor" in card) is native
    texts = [" ".join(words) for words in TEXTS]
    variables: dict[str, Any] = {"folder": folder, "texts": texts, "words": TEXTS[0], "questions": texts, "contexts": texts}
    exec(card.partition("```python")[2].partition("```")[0], variables)
    if task == "span" and native:
        assert variables["starts"].shape == variables["ends"].shape
        assert len(variables["starts"]) == 2
    else:
        assert variables["logits"].shape[-1] == outputs
    for path in folder.glob("*.json"):
        assert str(tmp_path) not in path.read_text()


def test_pipelines_of_transformers_understand_it(tmp_path: Path) -> None:
    encoder, module, head = tuned(tmp_path / "pretrained", "bert", "classification")
    export(encoder, module, head, "classification", tmp_path / "final")
    (answer,) = transformers.pipeline("text-classification", model=str(tmp_path / "final"))("a kilo of tomatoes")
    assert answer["label"] in LABELS["classification"]


def test_only_former_exports_are_replaced(tmp_path: Path) -> None:
    encoder, module, head = tuned(tmp_path / "pretrained", "bert", "regression")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="mine exists and is not an exported model"):
        export(encoder, module, head, "regression", mine)
    assert (mine / "thesis.txt").exists()
    with pytest.raises(UsageError, match=r"mine is not a model that GradTS exported: it has no gradts\.json"):
        load_model(mine)

    folder = tmp_path / "final"
    (tmp_path / ".final.partial").mkdir()  # What a killed export left behind.
    export(encoder, module, head, "regression", folder)
    others = [tmp_path / "final.old", tmp_path / "final.partial"]  # tasks may have such names
    for other in others:
        export(encoder, module, head, "regression", other)
    (folder / "old.txt").touch()
    export(encoder, module, head, "regression", folder)
    assert not (folder / "old.txt").exists()
    assert all((other / "gradts.json").exists() for other in others)


def test_a_folder_that_computes_something_else_is_not_kept(tmp_path: Path) -> None:
    """The trained module has another activation than the encoder's configuration says."""
    encoder, _, head = tuned(tmp_path / "pretrained", "bert", "classification")
    tiny_encoder(tmp_path / "other", hidden_act="tanh")
    other = load_encoder(EncoderSpec(name="other", source=lambda: str(tmp_path / "other"))).build()
    with pytest.raises(RunError, match="does not compute what the trained one does"):
        export(encoder, other, head, "classification", tmp_path / "final")
    assert not (tmp_path / "final").exists()


def test_a_head_of_a_plugin_is_written_for_the_plugin(tmp_path: Path) -> None:
    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(32, 3)

        def forward(self, hidden: Tensor) -> Tensor:
            out: Tensor = self.linear(hidden.mean(1))
            return out

    encoder, module, _ = tuned(tmp_path / "pretrained", "bert", "classification")
    assert export(encoder, module, Mean(), "classification", tmp_path / "final") is False
    assert (tmp_path / "final" / "head.safetensors").is_file()
    assert transformers.AutoModel.from_pretrained(tmp_path / "final")
    with pytest.raises(UsageError, match="its head is a plugin's Mean"):
        load_model(tmp_path / "final")
