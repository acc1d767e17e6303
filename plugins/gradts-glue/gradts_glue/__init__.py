"""The tasks of GLUE (Wang et al., 2019), by their GLUE names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gradts_engine.contracts import TaskSpec
from gradts_engine.hooks.specs import hookimpl
from gradts_engine.learning.published import Published

REVISION = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"
"""The commit of the Hub's nyu-mll/glue that is read."""

HOW = (
    "Let the Hub's nyu-mll/glue be downloaded, or put train.jsonl and dev.jsonl into the folder tasks/{} of a data folder and "
    "name that in GRADTS_DATA or in options = {{data = ...}}"
)
GLUE = "Wang et al., GLUE, ICLR 2019 (arXiv 1804.07461)"


@dataclass(frozen=True, kw_only=True)
class Glue:
    """A task of GLUE: its text columns on the Hub, its classes in the Hub's order (none: a number), and what is said about it."""

    columns: tuple[str, ...]
    labels: tuple[str, ...] = ()
    metric: str = "accuracy"
    description: str
    licence: str
    citation: str


YES_NO = ("entailment", "not_entailment")
NLI = ("entailment", "neutral", "contradiction")

TASKS = {
    "cola": Glue(
        columns=("sentence",),
        labels=("unacceptable", "acceptable"),
        metric="mcc",
        description="is the sentence grammatical English?",
        licence="none stated",
        citation="Warstadt et al., TACL 2019 (arXiv 1805.12471)",
    ),
    "sst2": Glue(
        columns=("sentence",),
        labels=("negative", "positive"),
        description="does a piece of a film review praise or blame?",
        licence="none stated",
        citation="Socher et al., EMNLP 2013",
    ),
    "mrpc": Glue(
        columns=("sentence1", "sentence2"),
        labels=("not_equivalent", "equivalent"),
        description="do two sentences from the news say the same?",
        licence="Microsoft Research Paraphrase Corpus licence",
        citation="Dolan and Brockett, IWP 2005",
    ),
    "qqp": Glue(
        columns=("question1", "question2"),
        labels=("not_duplicate", "duplicate"),
        description="do two questions on Quora ask the same?",
        licence="Quora terms of service, non-commercial",
        citation="Iyer et al., First Quora Dataset Release, 2017",
    ),
    "stsb": Glue(
        columns=("sentence1", "sentence2"),
        metric="pearson",
        description="how similar are two sentences, 0 to 5?",
        licence="scores CC BY-SA 4.0; the texts have licences of their own",
        citation="Cer et al., SemEval 2017 (arXiv 1708.00055)",
    ),
    "mnli": Glue(
        columns=("premise", "hypothesis"),
        labels=NLI,
        description="does the first sentence imply or contradict the second? dev: the genres of the train split (matched)",
        licence="OANC licence; fiction: public domain, CC BY 3.0 or CC BY-SA 3.0",
        citation="Williams et al., NAACL 2018 (arXiv 1704.05426)",
    ),
    "qnli": Glue(
        columns=("question", "sentence"),
        labels=YES_NO,
        description="does the sentence answer the question? (made from SQuAD)",
        licence="CC BY-SA 4.0",
        citation=f"Rajpurkar et al., EMNLP 2016 (arXiv 1606.05250); {GLUE}",
    ),
    "rte": Glue(
        columns=("sentence1", "sentence2"),
        labels=YES_NO,
        description="does the first text imply the second? (RTE 1, 2, 3 and 5)",
        licence="none stated",
        citation="Dagan et al., 2006; Bar Haim et al., 2006; Giampiccolo et al., 2007; Bentivogli et al., 2009",
    ),
    "wnli": Glue(
        columns=("sentence1", "sentence2"),
        labels=YES_NO[::-1],
        description="does the second sentence, with the pronoun replaced, follow from the first? (Winograd schemas)",
        licence="CC BY 4.0",
        citation="Levesque et al., KR 2012",
    ),
}


def _spec(name: str, task: Glue, registered: str, dev: tuple[str, str]) -> TaskSpec:
    """`dev`: the split in a data folder and on the Hub. There is no test split: GLUE's test labels are not public."""
    pair = len(task.columns) == 2
    columns = dict(zip(task.columns, ("text_a", "text_b") if pair else ("text",), strict=True)) | {"label": "label"}

    def source(split: str, hub_split: str) -> Published:
        return Published(
            folder=name,
            split=split,
            hub=f"nyu-mll/glue/{name}",
            hub_split=hub_split,
            columns=columns,
            revision=REVISION,
            names={str(i): label for i, label in enumerate(task.labels)},
            how=HOW.format(name),
        )

    return TaskSpec(
        name=registered,
        type="classification" if task.labels else "regression",
        train=source("train", "train"),
        dev=source(*dev),
        text=("text_a", "text_b") if pair else "text",
        labels=task.labels or None,
        metric=task.metric,
        description=task.description,
        licence=task.licence,
        citation=task.citation,
    )


@hookimpl
def gradts_tasks() -> Sequence[TaskSpec]:
    """All of GLUE, and MNLI judged by other genres than it is trained on."""
    tasks = [
        _spec(name, task, name, ("dev", "validation_matched" if name == "mnli" else "validation")) for name, task in TASKS.items()
    ]
    return [*tasks, _spec("mnli", TASKS["mnli"], "mnli-mismatched", ("dev_mismatched", "validation_mismatched"))]
