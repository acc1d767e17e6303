"""The documentation is true: its examples are read as a user's would be, its links lead somewhere."""

import re
import runpy
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from gradts_engine.config import load_experiment
from gradts_engine.hooks.catalog import load_catalog

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "plugins").glob("*/README.md"))]
PAGES.append(ROOT / "examples" / "README.md")


def blocks(language: str, text: str = README) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.fixture
def own_tasks(tmp_path: Path) -> Path:
    """The README's example of one's own tasks with its data, each row ten times."""
    (toml,) = blocks("toml")
    (data,) = blocks("text")
    rows = defaultdict(list)
    for line in data.splitlines():
        path, row = line.split(maxsplit=1)
        rows[path].append(row)
    for name in ("dev", "test"):
        rows[f"data/reviews/{name}.jsonl"] = rows["data/reviews/train.jsonl"]
    for path, lines in rows.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("\n".join(lines * 10))
    (tmp_path / "tasks.toml").write_text(toml)
    return tmp_path / "tasks.toml"


def test_the_example_of_own_tasks_is_read_with_its_data(own_tasks):
    from gradts_engine.runtime.prepare import read_tasks

    catalog = load_catalog()
    experiment = load_experiment(own_tasks, catalog)
    types = {name: catalog.task_types[spec.type].load() for name, spec in experiment.tasks.items()}
    data = read_tasks(experiment, catalog, types)
    assert experiment.primaries == ("reviews",)
    assert data["reviews"].labels == ("blame", "praise")
    assert {split: len(rows) for split, rows in data["paraphrases"].splits.items()} == {"train": 18, "dev": 2}
    assert data["names"].labels == ("B-person", "B-place", "O")


def test_other_toml_examples_have_known_settings(tmp_path):
    for page in PAGES[1:]:
        if page.name == "plugins.md":  # run, in test_new_plugin
            continue
        for block in blocks("toml", page.read_text(encoding="utf-8")):
            needed = "" if "[run]" in block else '[run]\nencoder = "minilm-l6"\n'
            own = "".join(f'[tasks.{n}]\ntype = "regression"\ntrain = "a.csv"\ndev = "b.csv"\n' for n in ("own1", "own2"))
            (tmp_path / "tasks.toml").write_text(f"{needed}{block}\n{own}")
            load_experiment(tmp_path / "tasks.toml", load_catalog())


def test_the_default_run_is_valid():
    assert load_experiment(ROOT / "tasks.toml", load_catalog()).run.primary


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.toml")), ids=lambda path: path.name)
def test_examples_are_valid(path, monkeypatch, data_dir):
    """And the small ones have all their data."""
    from gradts_engine.runtime.prepare import read_tasks

    catalog = load_catalog()
    experiment = load_experiment(path, catalog)
    assert len(experiment.tasks) == int(re.search(r"[0-9]+", path.name)[0])
    assert (experiment.training.optimizer, experiment.scoring.head_axis) == ("adamax", "input")
    assert experiment.multitask.length == "epochs"
    if path.name == "paper12-small.toml":
        larger = load_experiment(path.with_name("paper14-small.toml"), catalog)
        assert experiment.tasks.items() < larger.tasks.items()
        assert experiment.data == larger.data
    elif path.name == "paper14-small.toml":
        monkeypatch.setenv("GRADTS_DATA", str(data_dir))
        types = {name: catalog.task_types[spec.type].load() for name, spec in experiment.tasks.items()}
        data = read_tasks(experiment, catalog, types)
        assert {len(task.splits["train"]) for task in data.values()} == {64}


def test_ci_runs_every_command_of_the_readme():
    """It reads them from the README, but for those that it gives by itself."""
    script = (ROOT / ".ci" / "run").read_text()
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(commands) >= 10
    for command in commands:
        assert re.match(r"make \w+$|\.venv/bin/(gradts-engine|pip install) ", command), command
    for command in ("make check", "make test"):
        assert command in commands
        assert f"\n{command}\n" in script
    subprocess.run(["bash", "-n", ".ci/run"], cwd=ROOT, check=True)


def test_commands_of_the_readme_exist():
    from gradts_engine.cli import cli
    from gradts_engine.cli.base import SECTIONS

    (table,) = re.findall(r"^\| `gradts-engine \.\.\.` .*?\n\n", README, re.DOTALL | re.MULTILINE)
    first_cells = [line.split("|")[1] for line in table.strip().splitlines()[2:]]
    assert {name for cell in first_cells for name in re.findall(r"`([\w-]+)", cell)} == set(cli.commands)
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(cli.commands)


def test_the_reference_of_settings_is_up_to_date():
    made = runpy.run_path(str(ROOT / "docs" / "make_settings.py"))["settings"]()
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == made, "run `make docs`"


def test_the_reference_of_hooks_is_up_to_date():
    made = runpy.run_path(str(ROOT / "docs" / "make_hooks.py"))["hooks"]()
    assert (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8") == made, "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    headings = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if link.startswith("#"):
            assert link[1:] in headings, link
        elif "://" not in link:
            assert (page.parent / link.partition("#")[0]).exists(), link
