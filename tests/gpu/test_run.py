"""A whole run on a GPU, through the command line."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from gradts_engine import events
from gradts_engine.runtime.artifacts import RAW
from gradts_engine.runtime.journal import read_events
from gradts_engine.runtime.store import Store
from gradts_engine.testing import TOY_WORDS, tiny_encoder, toy_rows

TOML = """
[run]
encoder = "tiny"
primary = ["mood"]
devices = ["{devices}"]
seed = 3
keep = "all"

[data]
max_length = 32
overlap = "keep"

[training]
epochs = 6
batch_size = 4
learning_rate = {rate}
{more}

[multitask]
epochs = 3
steps = 60
accumulation = 1
batch_size = 4
learning_rate = {rate}
{more}

[selection]
strategy = "trial"
confirm = "auto"
"""
TABLE = '\n[tasks.{name}]\ntype = "{kind}"\ntext = {text}\nlabel = "{label}"\n'
KINDS = {
    "mood": ("classification", '"text"', "label"),
    "pair": ("classification", '["one", "two"]', "label"),
    "stars": ("regression", '"text"', "label"),
    "tags": ("token_classification", '"words"', "tags"),
}


class Place:
    """A folder with a tasks.toml."""

    def __init__(self, folder, devices, more="", rate=3e-3, **config):
        self.folder = folder
        self.store = Store(folder / ".gradts")
        tiny_encoder(folder / "tiny", words=TOY_WORDS, **config)
        tables = TOML.format(devices=devices, more=more, rate=rate)
        for name, splits in toy_rows().items():
            kind, text, label = KINDS[name]
            tables += TABLE.format(name=name, kind=kind, text=text, label=label)
            for part, rows in splits.items():
                tables += f'{part} = "{name}.{part}.jsonl"\n'
                (folder / f"{name}.{part}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        (folder / "tasks.toml").write_text(tables)

    def __call__(self, *arguments, code=0):
        command = [sys.executable, "-m", "gradts_engine", *arguments]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL)
        assert done.returncode == code, done.stderr + done.stdout
        return done.stdout

    def computed(self):
        """Jobs that were ever computed, one after the other."""
        (run,) = self.store.runs()
        return [(e.stage, e.subject) for _, _, e in read_events(run.events) if isinstance(e, events.StageStarted)]

    def importance(self):
        """Of each task, the mean over its instances, [L, H]."""
        (run,) = self.store.runs()
        keys = {
            e.subject: e.key for _, _, e in read_events(run.events) if isinstance(e, events.StageStarted) and e.stage == "score"
        }
        found = {task: self.store.artifacts.find("score", key) for task, key in keys.items()}
        return {task: load_file(artifact.folder / RAW)["raw"].mean(0) for task, artifact in found.items()}


@pytest.fixture(scope="module")
def ran(device, tmp_path_factory):
    """A run with the default number formats, planned before from what a probe has measured."""
    place = Place(tmp_path_factory.mktemp("gpu"), device.partition(":")[0])
    place.planned = place("plan", "tasks.toml")
    place("run", "tasks.toml", "--plain")
    return place


def test_a_run_ends_with_results(ran, device):
    found = json.loads(ran("results", "--json"))
    (run,) = json.loads(ran("status", "--json"))
    assert run["state"] == "done"
    stages = json.loads(ran("status", run["run"], "--json"))["stages"]
    assert {stage["device"] for stage in stages if stage["device"]} == {device}
    assert np.isfinite([trial["score"] for trial in found["primaries"]["mood"]["trials"]]).all()


def test_nothing_is_computed_again(ran):
    before = ran.computed()
    ran("run", "tasks.toml", "--plain")
    assert ran.computed() == before


def test_the_plan_says_what_is_computed_in(ran, device):
    told = ran("plan", "tasks.toml")
    assert re.search(r"tune +4 +\d+s to \d+s", ran.planned)
    assert f"on {device}, computed in {'fp32' if device == 'cpu' else 'bf16'}" in told
    assert "4 tune (4 found), 4 score (4 found)" in told


def test_an_exported_model_answers_alike_on_both(ran, device):
    (model,) = (path.parent for path in (ran.folder / ".gradts" / "runs").rglob("models/*/model.safetensors"))
    here, there = (
        [json.loads(line) for line in ran("predict", str(model), "mood.test.jsonl", "--device", where).splitlines()]
        for where in ("cpu", device)
    )
    assert [row["prediction"] for row in here] == [row["prediction"] for row in there]
    scores = [[[*row["scores"].values()] for row in rows] for rows in (here, there)]
    np.testing.assert_allclose(*scores, atol=1e-4)


def test_float32_scores_are_those_of_a_cpu(device, tmp_path):
    """After a short training without dropout, whose patterns are a device's own."""
    found = []
    for folder, where in (("here", "cpu"), ("there", device)):
        (tmp_path / folder).mkdir()
        quiet = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        place = Place(tmp_path / folder, where, 'precision = "fp32"\ndropout = 0.0', rate=1e-4, **quiet)
        place("run", "tasks.toml", "--plain")
        found.append(place.importance())
    here, there = found
    assert here.keys() == there.keys() == KINDS.keys()
    for task, expected in here.items():
        np.testing.assert_allclose(there[task], expected, rtol=0, atol=0.02 * expected.max())


def test_workers_that_share_a_device_compute_what_one_does(ran, device, tmp_path):
    place = Place(tmp_path, device.partition(":")[0])
    text = (tmp_path / "tasks.toml").read_text()
    (tmp_path / "tasks.toml").write_text(text.replace("[run]", "[run]\nworkers = 3", 1))
    place("run", "tasks.toml", "--plain")
    assert {*place.computed()} == {*ran.computed()}
    found, expected = place.importance(), ran.importance()
    assert {task: matrix.tobytes() for task, matrix in found.items()} == {task: m.tobytes() for task, m in expected.items()}
    trials = [json.loads(at("results", "--json"))["primaries"]["mood"]["trials"] for at in (place, ran)]
    assert [trial["score"] for trial in trials[0]] == [trial["score"] for trial in trials[1]]


def test_devices_that_are_not_there_are_named(ran):
    text = (ran.folder / "tasks.toml").read_text()
    (ran.folder / "other.toml").write_text(text.replace('devices = ["', 'devices = ["cuda:99", "'))
    command = [sys.executable, "-m", "gradts_engine", "run", "other.toml"]
    done = subprocess.run(command, cwd=ran.folder, capture_output=True, text=True)
    assert done.returncode == 2
    assert "cuda:99" in done.stderr
    assert torch.cuda.device_count() == 0 or "cuda:0" in done.stderr
