"""What comes with the engine keeps the contracts; what breaks them is found out."""

from dataclasses import replace
from typing import Any

import pytest

from gradts_engine.contracts import Device, EncoderSpec, Executor, Setup
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.runtime.executors import ThreadExecutor
from gradts_engine.runtime.processes import WorkerProcess
from gradts_engine.testing import (
    TOY_WORDS,
    EncoderContract,
    ExecutorContract,
    PredictorContract,
    StrategyContract,
    TaskContract,
    TaskTypeContract,
    tiny_encoder,
    toy_rows,
    toy_tasks,
)

CATALOG = load_catalog()
ROWS = {task: splits["train"][:16] for task, splits in toy_rows().items()}


class TestClassification(TaskTypeContract):
    spec = CATALOG.task_types["classification"]
    rows = ROWS["pair"]
    text = ("one", "two")
    words = TOY_WORDS


class TestRegression(TaskTypeContract):
    spec = CATALOG.task_types["regression"]
    rows = ROWS["stars"]
    words = TOY_WORDS


class TestTokenClassification(TaskTypeContract):
    spec = CATALOG.task_types["token_classification"]
    rows = ROWS["tags"]
    text, label = "words", "tags"
    words = TOY_WORDS


class TestToyTasks(TaskContract):
    tasks = tuple(replace(task, description="toy", licence="Apache-2.0") for task in toy_tasks())


class TestThreads(ExecutorContract):
    spec = CATALOG.executors["threads"]

    def load(self, setup: Setup, devices: int) -> Executor:
        return ThreadExecutor([Device(f"cpu:{i}") for i in range(devices)], setup) if devices > 1 else self.spec.load(setup)


class TestProcesses(ExecutorContract):
    spec = CATALOG.executors["threads"]

    def load(self, setup: Setup, devices: int) -> Executor:
        if devices > 1:
            return self.spec.load(replace(setup, workers=devices))
        return ThreadExecutor([Device("cpu")], setup, [WorkerProcess(setup, 1)])


@pytest.mark.parametrize("name", sorted(CATALOG.predictors))
class TestPredictors(PredictorContract):
    @pytest.fixture(autouse=True)
    def _predictor(self, name: str) -> None:
        self.spec = CATALOG.predictors[name]


@pytest.mark.parametrize("name", sorted(CATALOG.strategies))
class TestStrategies(StrategyContract):
    @pytest.fixture(autouse=True)
    def _strategy(self, name: str) -> None:
        self.spec = CATALOG.strategies[name]
        self.settings = {"threshold": 0.2} if name == "threshold" else {}


@pytest.mark.parametrize("family", ["bert", "albert", "modernbert", "deberta-v2"])
class TestEncoders(EncoderContract):
    @pytest.fixture(autouse=True)
    def _family(self, family: str, tmp_path: Any) -> None:
        folder = str(tiny_encoder(tmp_path, family))
        self.spec = EncoderSpec(name="tiny", source=lambda: folder)
