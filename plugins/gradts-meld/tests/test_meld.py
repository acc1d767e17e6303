from pathlib import Path

import datasets
import gradts_meld
import pytest

from gradts_engine.errors import UsageError
from gradts_engine.learning.rows import read_rows
from gradts_engine.testing import TaskContract

MELD, DYADIC = gradts_meld.gradts_tasks()
pytestmark = pytest.mark.usefixtures("real_data")


class TestMeld(TaskContract):
    tasks = (MELD, DYADIC)


def test_from_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "eusip" / "silicone"
    rows = {"Utterance": ["Oh !", "No ."], "Speaker": ["A", "B"], "Emotion": ["joy", "anger"]}
    datasets.Dataset.from_dict(rows).to_parquet(home / "meld_e" / "train" / "0000.parquet")  # as in the branch
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GRADTS_DATA")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    assert [r.values for r in read_rows(MELD.train)] == [{"text": "Oh !", "label": "joy"}, {"text": "No .", "label": "anger"}]
    with pytest.raises(UsageError, match=r"no data for 'dmeld': GRADTS_DATA names no folder. Take data/MELD_Dyadic"):
        list(read_rows(DYADIC.train))
