"""What comes with the engine keeps the contracts; what breaks them is found out."""

import inspect
import json
import queue
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradts_engine.contracts import (
    Auxiliary,
    Device,
    EncoderSpec,
    Executor,
    ExecutorSpec,
    HeadSites,
    PredictorSpec,
    Repeats,
    Setup,
    StrategySpec,
    TaskSpec,
)
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.learning.task_types import Classification
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


# --- what comes with the engine --------------------------------------------------------------------------------------


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


# --- what breaks a contract ------------------------------------------------------------------------------------------


def broken(contract: Any, test: str, message: str, **attributes: Any) -> None:
    """A test of the contract fails, and says why."""
    with pytest.raises(AssertionError, match=message):
        getattr(type("Broken", (contract,), attributes)(), test)()


class BatchMean(Classification):
    def loss(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        sums, counts = super().loss(logits, targets)
        return sums.mean().expand_as(sums), counts


class Deaf(Classification):
    def loss(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        return super().loss(logits * 0, targets)


class Backwards(Classification):
    def predict(self, logits: Tensor, targets: Tensor, labels: Sequence[str]) -> list[Any]:
        return list(super().predict(logits, targets, labels))[:-1]


class Careless(Classification):
    def read_label(self, value: Any, text: Any) -> str:
        return str(value + "")


@pytest.mark.parametrize(
    ("type_", "test", "message"),
    [
        (BatchMean, "test_an_instance_has_a_loss_of_its_own", "the loss of row 0 depends on its batch"),
        (Deaf, "test_it_can_be_learned", "loss .* after 60 steps"),
        (Backwards, "test_answers_are_scored", "not one answer"),
    ],
)
def test_broken_task_types(type_: type[Any], test: str, message: str, tmp_path: Any) -> None:
    class Contract(TestClassification):
        def __init__(self) -> None:
            folder = str(tiny_encoder(tmp_path, words=TOY_WORDS))
            from gradts_engine.learning.encoders import load_encoder

            self.encoder = load_encoder(EncoderSpec(name="tiny", source=lambda: folder))

    broken(Contract, test, message, spec=replace(TestClassification.spec, load=type_))


def test_a_task_type_that_raises_something_else_than_value_error() -> None:
    contract = TestClassification()
    contract.spec = replace(contract.spec, load=Careless)
    with pytest.raises(TypeError):
        contract.test_what_is_wrong_with_a_row_is_a_value_error()


def swapped(sites: HeadSites) -> HeadSites:
    return HeadSites(tuple({"key": layer["value"], "value": layer["key"]} for layer in sites.layers))


def shifted(sites: HeadSites) -> HeadSites:
    moved = [{kind: replace(site, start=site.start + 8) for kind, site in layer.items()} for layer in sites.layers]
    return HeadSites(tuple(moved))


def doubled(sites: HeadSites) -> HeadSites:
    return HeadSites(tuple({**layer, "value": layer["key"]} for layer in sites.layers))


def more_heads(sites: HeadSites) -> HeadSites:
    return HeadSites(tuple({kind: replace(site, heads=8) for kind, site in layer.items()} for layer in sites.layers))


def reversed_layers(sites: HeadSites) -> HeadSites:
    return HeadSites(sites.layers[::-1])


def no_batches(sites: HeadSites) -> HeadSites:
    return replace(sites, batched=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (swapped, "not in the order"),
        (shifted, "do not enter attention"),
        (doubled, "are key and value the same rows"),
        (more_heads, "do not enter attention"),
        (reversed_layers, "not in the order of the forward pass"),
        (no_batches, "batched = False"),
    ],
)
def test_broken_head_sites(change: Callable[[HeadSites], HeadSites], message: str, tmp_path: Any) -> None:
    from gradts_engine.learning.families import head_sites

    folder = str(tiny_encoder(tmp_path))

    def sites(module: nn.Module) -> HeadSites:
        return change(head_sites(module, module.config))

    spec = EncoderSpec(name="tiny", source=lambda: folder, head_sites=sites)
    broken(EncoderContract, "test_head_sites_are_what_enters_attention", message, spec=spec)


def test_an_encoder_that_is_another_one_each_time(tmp_path: Any) -> None:
    import transformers

    folder = str(tiny_encoder(tmp_path))

    def build(source: str) -> nn.Module:
        torch.seed()
        model: nn.Module = transformers.AutoModel.from_config(transformers.AutoConfig.from_pretrained(source))
        return model

    spec = EncoderSpec(name="tiny", source=lambda: folder, model=build)
    broken(EncoderContract, "test_it_loads_the_same_every_time", "different weights", spec=spec)


def chance(ranking: Any, trials: Any, settings: Any) -> Any:
    return tuple(Auxiliary(c) for c in ranking.candidates if random.random() < 0.5)


def everything(ranking: Any, trials: Any, settings: Any) -> Any:
    return tuple(Auxiliary(c) for c in ranking.candidates)


def first(ranking: Any, trials: Any, settings: Any) -> Any:
    return (Auxiliary(ranking.candidates[0]),)


def twice(ranking: Any, trials: Any, settings: Any) -> Any:
    return tuple(Auxiliary(c) for c in ranking.candidates * 2)


def stray(ranking: Any, trials: Any, settings: Any) -> Any:
    return tuple(Auxiliary(c) for c in ranking.candidates if ranking.predicted["embedding"][c].mean > 0.4)


def backwards(ranking: Any, trials: Any, settings: Any) -> Any:
    return tuple(Auxiliary(c, (3, 1)) for c in ranking.candidates)


@pytest.mark.parametrize(
    ("strategy", "test", "message"),
    [
        (chance, "test_it_is_deterministic", "another selection"),
        (everything, "test_no_evidence", "nothing is known are selected"),
        (twice, "test_it_is_deterministic", "a task is selected twice"),
        (stray, "test_it_follows_its_predictor", "another predictor"),
        (backwards, "test_it_is_deterministic", "not ascending positions"),
    ],
)
def test_broken_strategies(strategy: Any, test: str, message: str) -> None:
    random.seed(1)
    broken(StrategyContract, test, message, spec=StrategySpec(name="broken", load=lambda: strategy))


def silent(evidence: Any) -> Any:
    return {c: Repeats((0.0,)) for c in evidence.candidates}


def curious(evidence: Any) -> Any:
    return {c: Repeats((evidence.state(c)[0],) * evidence.repeats) for c in evidence.candidates}


def by_place(evidence: Any) -> Any:
    return {c: Repeats((float(i),) * evidence.repeats) for i, c in enumerate(evidence.candidates)}


@pytest.mark.parametrize(
    ("predictor", "test", "message"),
    [
        (silent, "test_every_candidate_and_repeat", "expected one a repeat"),
        (curious, "test_every_candidate_and_repeat", "it reads state"),
        (by_place, "test_the_order_of_candidates", "alpha"),
        (lambda evidence: {}, "test_it_is_deterministic", "expected \\['alpha'"),
    ],
)
def test_broken_predictors(predictor: Any, test: str, message: str) -> None:
    spec = PredictorSpec(name="broken", load=lambda: predictor, needs=("importance",))
    broken(PredictorContract, test, message, spec=spec)


def test_a_strategy_that_needs_candidates() -> None:
    contract = StrategyContract()
    contract.spec = StrategySpec(name="broken", load=lambda: first)
    with pytest.raises(IndexError):
        contract.test_no_candidates()


class Eager(ThreadExecutor):
    """Two tasks at once on a device, in no order."""

    def __init__(self, setup: Setup) -> None:
        super().__init__([Device("cpu")], setup)
        self._pool = ThreadPoolExecutor(4)

    def submit(self, task: str) -> Future[str]:
        return self._pool.submit(self._workers[0].work, task, "cpu", self._hear)


class AtOnce(ThreadExecutor):
    """Runs a task when it is submitted, in the caller's thread."""

    def __init__(self, setup: Setup) -> None:
        super().__init__([Device("cpu")], setup)

    def submit(self, task: str) -> Future[str]:
        future: Future[str] = Future()
        future.set_result(self._workers[0].work(task, "cpu", self._hear))
        return future


class Deaf(ThreadExecutor):
    """Gives no orders, and keeps what is said to itself."""

    def __init__(self, setup: Setup) -> None:
        super().__init__([Device("cpu")], replace(setup, hear=lambda record: None))

    def order(self, order: str) -> None:
        pass


class Vague(ThreadExecutor):
    """Does not say that a worker is lost."""

    def __init__(self, setup: Setup) -> None:
        super().__init__([Device("cpu")], setup)

    def submit(self, task: str) -> Future[str]:
        return self._pool.submit(self._lose if "die" in task else self._answer)

    def _answer(self) -> str:
        return json.dumps({"answers": ["the number of another process"], "failure": ""})

    def _lose(self) -> str:
        raise OSError("broken pipe")


class Hasty(ThreadExecutor):
    def __init__(self, setup: Setup) -> None:
        super().__init__([Device("cpu")], setup)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("executor", "test", "message"),
    [
        (Eager, "test_tasks_start_in_their_order_one_at_a_time_on_a_device", None),
        (Vague, "test_a_lost_worker_is_replaced_and_its_task_fails", "a lost worker is told by OSError"),
        (AtOnce, "test_what_a_task_says_arrives_while_it_runs", "nobody has made"),
        (Deaf, "test_orders_reach_a_task_that_runs", None),
        (Hasty, "test_close_waits_for_what_runs_and_cancels_the_rest", None),
    ],
)
def test_broken_executors(executor: Any, test: str, message: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in ("executors", "puppet"):
        monkeypatch.setattr(f"gradts_engine.testing.{module}.WAIT", 0.3)
    contract = ExecutorContract()
    contract.spec = ExecutorSpec(name="broken", load=executor)
    method = getattr(contract, test)
    with pytest.raises((AssertionError, queue.Empty, TimeoutError), match=message):
        method(*[tmp_path] * (len(inspect.signature(method).parameters)))


def task(**changes: Any) -> TaskSpec:
    rows = [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}]
    fields = {"type": "classification", "train": lambda: rows, "dev": lambda: rows, "description": "d", "licence": "l"}
    return TaskSpec(name="mine", **(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": "clasification"}, "unknown type 'clasification'"),
        ({"text": ("a", "b", "c")}, "3 text columns"),
        ({"metric": "pearson"}, "unknown metric 'pearson'"),
        ({"dev": None}, "neither dev nor dev_fraction"),
        ({"licence": ""}, "has no licence"),
    ],
)
def test_broken_tasks(changes: dict[str, Any], message: str) -> None:
    broken(TaskContract, "test_they_can_be_named_in_a_tasks_toml", message, tasks=[task(**changes)])


def test_a_task_of_which_every_reading_is_another() -> None:
    def rows() -> list[dict[str, Any]]:
        return [{"text": str(random.random()), "label": label} for label in "xy"]

    broken(TaskContract, "test_their_rows_can_be_read", "gives other rows", tasks=[task(train=rows)])


def test_data_that_are_not_there_skip_with_the_reason() -> None:
    contract = TaskContract()
    contract.tasks = [task(train="/no/such/rows.jsonl")]
    with pytest.raises(pytest.skip.Exception, match=r"/no/such/rows.jsonl: no such file"):
        contract.test_their_rows_can_be_read()
