"""Any file is an experiment or a list of problems with their places."""

from dataclasses import replace

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from gradts_engine.config import Experiment, load_experiment
from gradts_engine.config.file import as_toml
from gradts_engine.config.lines import LineFinder
from gradts_engine.config.schema import TaskTable
from gradts_engine.errors import ProblemsError, UsageError
from tests.unit.registered import NAMES, RUN, SECTIONS

KEYS = {**{f"[{name}]": model for name, model in SECTIONS.items()}, "[tasks.own]": TaskTable, "[tasks.rte]": TaskTable}
VALUES = st.sampled_from(
    [
        *('"x"', '"rte"', '""', "[]", '["rte"]', '[1, "a"]', "[\n1,\n2,\n]", "{a = 1}", "[{}]", "nan", "-inf", "true"),
        *("0", "1", "0.5", "-1", "9" * 5000, "1979-05-27", '"""a\n[run]\nb = 1"""', f'"{"x" * 5000}"', '"\\u0000"'),
        *('"hf:"', '"trial"', '"threshold"', '"../x"', '"\\u202e"'),
    ]
)


@st.composite
def documents(draw) -> str:
    """Known and unknown keys of known and unknown sections, each once, with values of all types."""
    lines = []
    for header in draw(st.lists(st.sampled_from([*KEYS, "[other]", "[tasks.'A b']"]), unique=True)):
        known = list(KEYS[header].model_fields) if header in KEYS else []
        lines.append(header)
        lines += [f"{key} = {draw(VALUES)}" for key in draw(st.lists(st.sampled_from([*known, "x"]), unique=True))]
    return "\n".join(lines)


TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    st.dictionaries(
        TEXT, st.recursive(TEXT | st.booleans() | st.integers(-9, 9), lambda v: st.lists(v) | st.dictionaries(TEXT, v))
    )
)
def test_what_is_written_as_toml_is_read_as_it_was(values):
    assert tomli.loads(f"values = {as_toml(values)}") == {"values": values}


@given(text=st.one_of(documents(), st.text(), documents().map(lambda text: RUN + text.replace("[run]\n", ""))))
def test_any_text_gives_an_experiment_or_problems(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "tasks.toml"
    path.write_bytes(text.encode())
    try:
        assert isinstance(load_experiment(path, NAMES), Experiment)
    except UsageError as error:
        for problem in getattr(error, "problems", [str(error)]):
            assert problem.isprintable()
            if isinstance(error, ProblemsError):
                check_place(problem.removeprefix(f"{path}:"), text)


def check_place(problem: str, text: str) -> None:
    """The line of a problem holds its key, unless the key is missing: then it is that of the table around it."""
    line, key, _ = problem.split(": ", 2)
    written = text.split("\n")[int(line) - 1]
    assert line == "1" or any(part.split("[")[0] in written for part in key.split("."))


@given(content=st.binary())
def test_any_bytes(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "tasks.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError):
        load_experiment(path, NAMES)


@given(data=st.data())
def test_order_and_comments_do_not_matter(tmp_path_factory, data):
    sections = {
        "[run]": ['encoder = "gpt2"', 'tasks = ["toy", "rte"]', "seed = 3"],
        "[training]": ["epochs = 2", "warmup = 0.5"],
        "[scoring]": ['projections = ["query"]'],
        "[tasks.own]": ['type = "regression"', 'train = "a.csv"', "dev_fraction = 0.5", "train_limit = 3"],
    }
    path = tmp_path_factory.mktemp("order") / "tasks.toml"
    loaded = []
    for order in (list(sections), data.draw(st.permutations(list(sections)))):
        lines = [line for header in order for line in (header, *data.draw(st.permutations(sections[header])))]
        path.write_text("\n".join(line + data.draw(st.sampled_from(["", " # note", "\n# [x]\n"])) for line in lines))
        loaded.append(load_experiment(path, NAMES))
    first, second = (replace(experiment, encoder=NAMES.encoders["minilm-l6"]) for experiment in loaded)
    assert first == second
    assert list(first.tasks) == list(second.tasks)


def test_lines_of_keys():
    find = LineFinder('a.b = 1\n"c d" = [\n 1,\n]\n\n[t]\n# x\ns = """\n[u]\n"""\n[[l]]\nx = {y = {\n z = 1 }}\n[[l]]\nx = 2\n')
    assert [find(key) for key in (("a",), ("a", "b"), ("c d",), ("c d", 0), ("t",), ("t", "s"))] == [1, 1, 2, 2, 6, 8]
    assert [find(key) for key in (("l",), ("l", 0, "x"), ("l", 0, "x", "y", "z"), ("t", "missing"), ("u",))] == [11, 12, 12, 6, 1]
