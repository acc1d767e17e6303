"""Tasks with a label for every word: parts of speech, named entities, chunks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradts_engine.contracts import TaskSpec
from gradts_engine.hooks.specs import hookimpl
from gradts_engine.learning.published import splits

PARQUET = "refs/convert/parquet"
"""The branch into which the Hub converts data sets that come with a loading script, which is not run."""

UPOS = (*"ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split(),)


def _iob2(*kinds: str) -> tuple[str, ...]:
    return ("O", *(f"{side}-{kind}" for kind in kinds for side in "BI"))


def _how(folder: str, instead: str) -> str:
    return (
        f"{instead}, or put train.jsonl, dev.jsonl and test.jsonl into the folder tasks/{folder} of a data folder and name that "
        'in GRADTS_DATA or in options = {data = ...}; a line: {"tokens": ["Ada", "lives"], "labels": ["B-PER", "O"]}'
    )


def _task(name: str, how: str, hub: str, column: str, about: dict[str, Any], **source: Any) -> TaskSpec:
    columns = {"tokens": "tokens", column: "labels"}
    sources = splits(folder=name, hub=hub, columns=columns, how=_how(name, how), **({"revision": PARQUET} | source))
    return TaskSpec(name=name, type="token_classification", text="tokens", label="labels", **sources, **about)


@hookimpl
def gradts_tasks() -> Sequence[TaskSpec]:
    """The tasks by the names of their folders in GRADTS_DATA."""
    return [
        _task(
            "pos_ewt",
            "Let the Hub's commul/universal_dependencies be downloaded",
            "commul/universal_dependencies/en_ewt",
            "upos",
            {
                "labels": UPOS,
                "metric": "token_accuracy",
                "description": "universal parts of speech, English Web Treebank",
                "licence": "CC BY-SA 4.0",
                "citation": "Silveira et al., LREC 2014; Nivre et al., LREC 2020",
            },
            revision="2.15",
            unlabelled="_",  # the written form of several syntactic words ("don't"), which have their labels each
        ),
        _task(
            "ner_wnut17",
            "Let the Hub's leondz/wnut_17 be downloaded",
            "leondz/wnut_17/wnut_17",
            "ner_tags",
            {
                "labels": _iob2("corporation", "creative-work", "group", "location", "person", "product"),
                "metric": "span_f1",
                "description": "named entities in noisy texts of the web, WNUT-17",
                "licence": "CC BY 4.0",
                "citation": "Derczynski et al., W-NUT 2017",
            },
        ),
        _task(
            "ner_conll2003",
            "It is not downloaded, since NIST has to allow the use of the Reuters corpus: join its text and the task's labels",
            "",
            "ner_tags",
            {
                "labels": _iob2("PER", "ORG", "LOC", "MISC"),
                "metric": "span_f1",
                "description": "named entities in English news, CoNLL-2003, where you have it",
                "licence": "Reuters corpus: research only, by agreement with NIST",
                "citation": "Tjong Kim Sang and De Meulder, CoNLL 2003 (arXiv cs/0306050)",
            },
        ),
        _task(
            "chunk_conll2000",
            "Let the Hub's eriktks/conll2000 be downloaded (its last tenth of train rows is the dev split)",
            "eriktks/conll2000/conll2000",
            "chunk_tags",
            {
                "labels": _iob2("ADJP", "ADVP", "CONJP", "INTJ", "LST", "NP", "PP", "PRT", "SBAR", "UCP", "VP"),
                "metric": "span_f1",
                "description": "phrases of a sentence (chunking), CoNLL-2000",
                "licence": "none stated; Wall Street Journal texts of the Penn Treebank",
                "citation": "Tjong Kim Sang and Buchholz, CoNLL 2000",
            },
            hub_splits={"train": "train[:90%]", "dev": "train[90%:]", "test": "test"},
        ),
    ]
