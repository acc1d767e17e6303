"""docs/data.md is true: each of its examples is read as it says."""

import json
import re
import runpy
from pathlib import Path

import pytest

from gradts_engine.config import load_experiment
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.learning.instances import Reader

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
EXAMPLE = r"^```toml\n(?P<toml>.*?)^```\n\n(?P<files>(?:^```text .*?^```\n\n)+)^```json\n(?P<rows>.*?)^```$"
EXAMPLES = list(re.finditer(EXAMPLE, PAGE, re.DOTALL | re.MULTILINE))
OTHER = '\n[tasks.other]\ntype = "regression"\ntrain = "o.csv"\ndev = "o.csv"\n'


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: re.search(r"type = \"(\w+)", e["toml"])[1])
def test_examples_are_read_as_the_page_says(example: re.Match, tmp_path: Path) -> None:
    (tmp_path / "tasks.toml").write_text(f'[run]\nencoder = "minilm-l6"\n\n{example["toml"]}{OTHER}')
    for name, content in re.findall(r"^```text (\S+)\n(.*?)\n```$", example["files"], re.DOTALL | re.MULTILINE):
        (tmp_path / name).write_text(content, encoding="utf-8")
    catalog = load_catalog()
    spec = next(iter(load_experiment(tmp_path / "tasks.toml", catalog).tasks.values()))
    split = Reader(spec, catalog.task_types[spec.type].load()).split("train", spec.train)
    assert split.bad == []
    read = [json.loads(json.dumps([row.text, row.label])) for row in split.rows]
    assert read == [json.loads(line) for line in example["rows"].splitlines()]


def test_the_page_has_every_task_type_format_and_metric() -> None:
    assert len(EXAMPLES) == PAGE.count("```toml")
    shown = {re.search(r"type = \"(\w+)", example["toml"])[1] for example in EXAMPLES}
    assert shown == set(load_catalog().task_types)
    made = runpy.run_path(str(ROOT / "docs" / "make_data.py"))["data"]()
    assert made == PAGE, "run `make docs`"
