import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gradts_engine import config
from gradts_engine.config import Experiment, load_experiment
from gradts_engine.config.schema import TaskTable
from gradts_engine.errors import ProblemsError, UsageError
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.settings import Section
from tests.unit.registered import NAMES, RUN, SECTIONS

OWN = '[tasks.own]\ntype = "classification"\ntrain = "train.csv"\ndev = "dev.csv"\n'


@pytest.fixture
def load(tmp_path: Path):
    def load(text: str | bytes) -> Experiment:
        path = tmp_path / "tasks.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return load_experiment(path, NAMES)

    return load


@pytest.fixture
def problems(load, tmp_path: Path):
    """Problems of a file, each `LINE: key: ...`."""

    def problems(text: str) -> list[str]:
        with pytest.raises(ProblemsError) as caught:
            load(text)
        return [line.removeprefix(f"{tmp_path / 'tasks.toml'}:") for line in caught.value.problems]

    return problems


# --- what is read ----------------------------------------------------------------------------------------------------


def test_defaults(load):
    experiment = load(RUN)
    assert experiment.tasks == NAMES.tasks
    assert experiment.primaries == ("rte", "toy")
    assert experiment.candidates("rte") == ("toy",)
    assert experiment.encoder is NAMES.encoders["minilm-l6"]
    assert (experiment.training.epochs, experiment.multitask.epochs, experiment.multitask.accumulation) == (3, 7, 4)
    assert experiment.limits["rte"] == {"train": None, "dev": None, "test": None}
    assert config.STEPS_FACTOR == 3


def test_own_tasks_come_after_the_registered_ones_and_find_their_files(load, tmp_path: Path):
    experiment = load(RUN + OWN + 'test = "hf:owner/name:test"\n')
    assert tuple(experiment.tasks) == ("rte", "toy", "own")
    own = experiment.tasks["own"]
    assert (own.train, own.dev, own.test) == (f"{tmp_path}/train.csv", f"{tmp_path}/dev.csv", "hf:owner/name:test")


def test_a_variant_takes_what_it_does_not_give(load, tmp_path: Path):
    text = (
        '[run]\nencoder="minilm-l6"\n[tasks.rte]\nmetric="mcc"\ndev_fraction=0.2\n[tasks.small]\nbase="toy"\noptions={rows=1}\n'
    )
    experiment = load(text)
    assert experiment.tasks["rte"] == replace(NAMES.tasks["rte"], metric="mcc", dev=None, dev_fraction=0.2)
    assert experiment.tasks["small"] == replace(NAMES.tasks["toy"], name="small", options={"rows": 1})


def test_a_table_with_type_and_train_is_a_task_of_its_own_whatever_is_registered_by_its_name(load, tmp_path: Path):
    experiment = load(RUN.replace('"rte", ', "") + OWN.replace("own", "rte"))
    assert experiment.tasks["rte"] == replace(
        load(RUN + OWN).tasks["own"], name="rte", train=str(tmp_path / "train.csv"), dev=str(tmp_path / "dev.csv")
    )
    assert load(RUN + OWN.replace("own", "rte") + 'base = "rte"\n').tasks["rte"].text == ("a", "b")


def test_an_option_that_a_function_does_not_have(tmp_path: Path):
    def dials(*, noise=0.0):
        raise AssertionError

    names = replace(NAMES, tasks=NAMES.tasks | {"dials": replace(NAMES.tasks["toy"], name="dials", train=dials, options={})})
    path = tmp_path / "tasks.toml"
    path.write_text(RUN + '[tasks.t]\nbase = "dials"\noptions = {noize = 1}\n')
    with pytest.raises(ProblemsError) as caught:
        load_experiment(path, names)
    assert caught.value.problems == (f"{path}:6: tasks.t.options.noize: unknown option 'noize'; did you mean 'noise'?",)


def test_a_home_folder_is_found(load, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    own = load(RUN + OWN.replace('"train.csv"', '["~/a.csv", "b.csv"]')).tasks["own"]
    assert own.train[0] == "/home/ada/a.csv"


def test_a_tasks_own_limit_goes_before_the_common_one(load):
    experiment = load(RUN + "[data]\ntrain_limit = 9\ndev_limit = 8\n[tasks.rte]\ntrain_limit = 1\n")
    assert experiment.limits["rte"] == {"train": 1, "dev": 8, "test": None}
    assert experiment.limits["toy"] == {"train": 9, "dev": 8, "test": None}


def test_encoder_may_be_a_folder_or_a_name_for_the_hub(load, tmp_path: Path):
    (tmp_path / "model").mkdir()
    assert load(RUN.replace("minilm-l6", "model")).encoder.source() == str(tmp_path / "model")
    assert load(RUN.replace("minilm-l6", "google-bert/bert-base-cased")).encoder.source() == "google-bert/bert-base-cased"
    assert load(RUN.replace("minilm-l6", "gpt2")).encoder.source() == "gpt2"


def test_the_real_catalog_will_do(tmp_path: Path):
    path = tmp_path / "tasks.toml"
    path.write_text('[run]\nencoder = "gpt2"\n' + OWN + OWN.replace("own", "two"))
    assert tuple(load_experiment(path, load_catalog()).tasks) == ("own", "two")


def test_byte_order_mark_and_windows_line_ends(load):
    assert load(b"\xef\xbb\xbf" + RUN.replace("\n", "\r\n").encode()).tasks == NAMES.tasks


# --- what is refused -------------------------------------------------------------------------------------------------


def test_all_problems_at_once_in_the_order_of_the_file(problems):
    found = problems(
        '[run]\nencoder = "minilm-l7"\nseeed = 1\ntasks = ["rta"]\nprimary = [\n  "own",\n  "mine",\n]\n'
        '[training]\nepochs = "3"\noptimizer = "adam"\nwarmup = 1.5\nlearning_rate = nan\n'
        '[selection]\nstrategy = "treshold"\n[scorin]\n'
        '[tasks.own]\ntype = "clasification"\ntrain = "x"\ndev = "y"\nlable = "z"\n'
    )
    assert found == [
        "2: run.encoder: no encoder or folder 'minilm-l7', expected a registered encoder, a folder, or a Hub name as "
        "owner/name; did you mean 'minilm-l6'?",
        "3: run.seeed: unknown key 'seeed'; did you mean 'seed'?",
        "4: run.tasks[0]: unknown task 'rta'; did you mean 'rte'?",
        '10: training.epochs: got "3", should be a valid integer',
        "11: training.optimizer: got \"adam\", expected 'adamw' or 'adamax'; did you mean 'adamw'?",
        "12: training.warmup: got 1.5, should be less than or equal to 1",
        "13: training.learning_rate: got NaN, should be a finite number",
        "15: selection.strategy: unknown strategy 'treshold'; did you mean 'threshold'?",
        "16: scorin: unknown key 'scorin'; did you mean 'scoring'?",
        "18: tasks.own.type: unknown task type 'clasification'; did you mean 'classification'?",
        "21: tasks.own.lable: unknown key 'lable'; did you mean 'label'?",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1: run: is missing, expected: A table [run] with at least an encoder."),
        ("run = 3", "1: run: got 3, should be a table"),
        ("tasks = 3\n" + RUN, "1: tasks: got 3, should be a table"),
        (RUN.replace('"rte", "toy"', '"rte"'), "3: run.tasks: 1 in use, expected at least 2: a primary and a candidate"),
        (RUN.replace('"toy"', '"rte"'), "3: run.tasks: 'rte' is named twice"),
        (RUN + 'primary = ["rte", "tay"]', "4: run.primary: unknown task 'tay'; did you mean 'toy'?"),
        (RUN + 'devices = ["cpu", "gpu"]', '4: run.devices[1]: got "gpu", expected auto, cpu, cuda or cuda:N'),
        (RUN + "devices = []", "4: run.devices: is empty"),
        (RUN + 'executor = "thread"', "4: run.executor: unknown executor 'thread'; did you mean 'threads'?"),
        (RUN + "seed = true", "4: run.seed: got true, should be a valid integer"),
        (RUN + "workers = 100_000", "4: run.workers: got 100000, should be less than or equal to 1000"),
        (RUN + "[training]\nepochs = 1_000_000_000", "5: training.epochs: got 1000000000, should be less than or equal to 10000"),
        (
            RUN + "[multitask]\nbatch_size = 1_000_000_000",
            "5: multitask.batch_size: got 1000000000, should be less than or equal to 100000",
        ),
        (RUN + "[data]\ntrain_limit = 0", "5: data.train_limit: got 0, should be greater than or equal to 1"),
        (RUN + '[scoring]\nprojections = ["key", "key"]', "5: scoring.projections: 'key' is named twice"),
        (
            RUN + '[selection]\nstrategy = "threshold"',
            "4: selection.threshold.threshold: is missing, expected: Smallest value to select; not comparable between encoders.",
        ),
        (
            RUN + OWN.replace('dev = "dev.csv"', ""),
            '4: tasks.own: no dev split: give dev = "FILE" or dev_fraction = 0.1',
        ),
        (RUN + OWN + "dev_fraction = 0.1", "8: tasks.own.dev_fraction: dev is given too, expected one of the two"),
        (RUN + OWN + 'text = ["a", "b", "c"]', "8: tasks.own.text: 3 columns, expected 1 or 2 for type 'classification'"),
        (RUN + OWN + "text = 3", "8: tasks.own.text: got 3, should be a list"),
        (
            RUN + OWN + 'metric = "acuracy"',
            "8: tasks.own.metric: unknown classification metric 'acuracy'; did you mean 'accuracy'?",
        ),
        (
            RUN + OWN + "options = {a = 1}",
            "8: tasks.own.options: only data made by a function have options, but these are read from files",
        ),
        (RUN + "[tasks.new]\ntest = 'x'", "4: tasks.new: no type and no train, and no base = a registered task to take it from"),
        (RUN + "[tasks.new]\nbase = 'rtx'", "5: tasks.new.base: unknown task 'rtx'; did you mean 'rte'?"),
        (
            RUN + OWN.replace("own", "Own"),
            "4: tasks.Own: not a task name, expected up to 64 of a-z, 0-9, '.', '_', '-', the first a letter or digit",
        ),
    ],
)
def test_one_problem(problems, text, problem):
    assert problems(text) == [problem]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[run]\nencoder = ", "tasks.toml:2: not valid TOML: Invalid value (column 11)"),
        (b"[run]\n# \xff", "tasks.toml:2: is not UTF-8"),
        (b"#" * (2**20 + 1), "tasks.toml: is larger than 1 MiB"),
        (b"a = " + b"[" * 100_000, "tasks.toml: not valid TOML"),
    ],
)
def test_files_that_are_not_toml(load, content, message):
    with pytest.raises(UsageError) as caught:
        load(content)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_paths_that_are_no_file(tmp_path: Path):
    (tmp_path / "tasks.toml").touch()
    with pytest.raises(UsageError, match=r"task\.toml: no such file; did you mean 'tasks.toml'\?"):
        load_experiment(tmp_path / "task.toml", NAMES)
    with pytest.raises(UsageError, match="is a folder"):
        load_experiment(tmp_path, NAMES)
    with pytest.raises(UsageError, match="not a regular file"):
        load_experiment("/dev/zero", NAMES)
    with pytest.raises(UsageError, match="cannot be read"):
        load_experiment("a\0b", NAMES)


# --- what the reference documentation is made from -------------------------------------------------------------------


@pytest.mark.parametrize("model", [*SECTIONS.values(), TaskTable], ids=lambda model: model.__name__)
def test_every_setting_is_described_in_one_line(model: type[Section]):
    for info in model.model_fields.values():
        assert info.description
        assert info.description.endswith(".")
        assert "\n" not in info.description


def test_defaults_are_valid():
    for name, model in SECTIONS.items():
        if name != "run":
            assert model(**model().model_dump()) == model()


def test_nothing_heavy_is_imported():
    code = "import sys, gradts_engine.config, gradts_engine.learning.rows, gradts_engine.learning.data\n"
    code += "assert not {'torch', 'transformers', 'datasets', 'pyarrow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_preset_stands_where_the_file_gives_nothing(load, problems):
    text = '[run]\nencoder = "minilm-l6"\ntasks = ["rte", "toy"]\npreset = "published"\n[multitask]\noptimizer = "adamw"\n'
    experiment = load(text)
    assert (experiment.training.optimizer, experiment.multitask.optimizer) == ("adamax", "adamw")
    assert (experiment.multitask.length, experiment.scoring.head_axis, experiment.data.max_length) == ("epochs", "input", 512)
    assert experiment.selection.strategy == "trial"
    assert load(text.replace("preset", "# preset")).selection.strategy == "halving"
    assert any("preset: got" in line for line in problems(text.replace("published", "publised")))
    assert any("is not a table" in line or "should be a table" in line for line in problems("training = 1\n" + text))
