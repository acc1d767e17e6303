"""Tasks with a label for every word: parts of speech, named entities, chunks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradts_engine.contracts import TaskSpec
from gradts_engine.hooks.specs import hookimpl
from gradts_engine.learning.published import splits

PARQUET = "refs/convert/parquet"
"""The branch into which the Hub converts data sets that come with a loading script, which is not run."""
WNUT = "1ac0b6d18c8a1a1d1606b24bef78b8af2f92d2d9"
"""A commit of that branch of leondz/wnut_17."""

UPOS = (*"ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split(),)


def _iob2(*kinds: str) -> tuple[str, ...]:
    return ("O", *(f"{side}-{kind}" for kind in kinds for side in "BI"))


SOURCES: dict[str, dict[str, Any]] = {
    "pos_ewt": {
        "how": "Let the Hub's commul/universal_dependencies be downloaded",
        "hub": "commul/universal_dependencies/en_ewt",
        "revision": "2.15",
        "columns": {"tokens": "tokens", "upos": "labels"},
        "unlabelled": "_",  # the written form of several syntactic words ("don't"), which have their labels each
    },
    "ner_wnut17": {
        "how": "Let the Hub's leondz/wnut_17 be downloaded",
        "hub": "leondz/wnut_17/wnut_17",
        "revision": WNUT,
        "columns": {"tokens": "tokens", "ner_tags": "labels"},
    },
    "ner_conll2003": {
        "how": "It is not downloaded, since NIST has to allow the use of the Reuters corpus: join its text and the task's labels",
        "hub": "",
        "columns": {},
    },
    "chunk_conll2000": {
        "how": "Let the Hub's eriktks/conll2000 be downloaded (its last tenth of train rows is the dev split)",
        "hub": "eriktks/conll2000/default",
        "revision": PARQUET,
        "columns": {"tokens": "tokens", "chunk_tags": "labels"},
        "hub_splits": {"train": "train[:90%]", "dev": "train[90%:]", "test": "test"},
    },
}
"""Where a task comes from, as `gradts_engine.learning.published.splits` takes it."""


def _task(name: str, **about: Any) -> TaskSpec:
    how = (
        f"{SOURCES[name]['how']}, or put train.jsonl, dev.jsonl and test.jsonl into the folder tasks/{name} of a data folder and "
        'name that in GRADTS_DATA or in options = {data = ...}; a line: {"tokens": ["Ada", "lives"], "labels": ["B-PER", "O"]}'
    )
    sources = splits(folder=name, **(SOURCES[name] | {"how": how}))
    return TaskSpec(name=name, type="token_classification", text="tokens", label="labels", **sources, **about)


@hookimpl
def gradts_tasks() -> Sequence[TaskSpec]:
    """The tasks by the names of their folders in GRADTS_DATA."""
    return [
        _task(
            "pos_ewt",
            labels=UPOS,
            metric="token_accuracy",
            description="universal parts of speech, English Web Treebank",
            licence="CC BY-SA 4.0",
            citation="Silveira et al., LREC 2014; Nivre et al., LREC 2020",
        ),
        _task(
            "ner_wnut17",
            labels=_iob2("corporation", "creative-work", "group", "location", "person", "product"),
            metric="span_f1",
            description="named entities in noisy texts of the web, WNUT-17",
            licence="CC BY 4.0",
            citation="Derczynski et al., W-NUT 2017",
        ),
        _task(
            "ner_conll2003",
            labels=_iob2("PER", "ORG", "LOC", "MISC"),
            metric="span_f1",
            description="named entities in English news, CoNLL-2003, where you have it",
            licence="Reuters corpus: research only, by agreement with NIST",
            citation="Tjong Kim Sang and De Meulder, CoNLL 2003 (arXiv cs/0306050)",
        ),
        _task(
            "chunk_conll2000",
            labels=_iob2("ADJP", "ADVP", "CONJP", "INTJ", "LST", "NP", "PP", "PRT", "SBAR", "UCP", "VP"),
            metric="span_f1",
            description="phrases of a sentence (chunking), CoNLL-2000",
            licence="none stated; Wall Street Journal texts of the Penn Treebank",
            citation="Tjong Kim Sang and Buchholz, CoNLL 2000",
        ),
    ]
