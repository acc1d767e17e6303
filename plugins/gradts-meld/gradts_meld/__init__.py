"""Which emotion does an utterance of a conversation show? MELD (Poria et al., 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gradts_engine.contracts import TaskSpec
from gradts_engine.hooks.specs import hookimpl
from gradts_engine.learning.published import splits

HUB = {"hub": "eusip/silicone/meld_e", "revision": "refs/convert/parquet"}
"""MELD as a part of SILICONE, in the branch into which the Hub converts data sets that come with a loading script."""

EMOTIONS = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
HOW = (
    "Take {} from https://github.com/declare-lab/MELD and write its columns Utterance and Emotion as text and label into "
    "train.jsonl, dev.jsonl and test.jsonl of the folder tasks/{} of a data folder; name that in GRADTS_DATA or in "
    "options = {{data = ...}}"
)


def _task(name: str, files: str, description: str, hub: Mapping[str, Any]) -> TaskSpec:
    sources = splits(
        folder=name,
        columns={"Utterance": "text", "Emotion": "label"},
        how=HOW.format(files, name),
        **hub,
    )
    return TaskSpec(
        name=name,
        type="classification",
        **sources,
        labels=EMOTIONS,
        metric="macro_f1",
        description=description,
        licence="GPL-3.0",
        citation="Poria et al., ACL 2019 (arXiv 1810.02508)",
    )


@hookimpl
def gradts_tasks() -> Sequence[TaskSpec]:
    """Single utterances, without the dialogue around them."""
    return [
        _task("meld", "data/MELD/*_sent_emo.csv", "emotion of an utterance in a conversation of several people, 7 classes", HUB),
        _task(
            "dmeld",
            "data/MELD_Dyadic/*_sent_emo_dya.csv",
            "emotion of an utterance in a conversation of two, 7 classes",
            {"hub": ""},
        ),
    ]
