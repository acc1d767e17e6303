"""What has to answer at once must not wait for torch: each case runs in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"torch", "transformers", "datasets", "sklearn", "pandas"}


def run(code: str, folder: Path) -> str:
    """The output of a Python program that must end well and with nothing heavy imported."""
    check = f"import sys\nheavy = {HEAVY} & sys.modules.keys()\nassert not heavy, heavy"
    child = subprocess.run(
        [sys.executable, "-c", f"{code}\n{check}"], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert child.returncode == 0, child.stderr
    return child.stdout + child.stderr


def run_command(arguments: list[str], exit_code: int, folder: Path) -> str:
    """The output of `gradts-engine ARGUMENTS`."""
    return run(f"from gradts_engine.__main__ import main\nassert main({arguments}) == {exit_code}", folder)


@pytest.mark.parametrize("module", ["gradts_engine", "gradts_tui", "gradts_tui.__main__", "gradts_engine.contracts"])
def test_packages_import_without_torch(module, tmp_path):
    run(f"import {module}", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], "Usage: gradts-engine"),
        (["run", "--help"], "tasks.toml"),
        (["--version"], "gradts 0."),
        (["plugins"], "builtin"),
        (["strategies"], "fine-grained"),
        (["encoders"], "minilm-l6"),
        (["executors"], "threads"),
        (["tasks"], "name"),
        (["status"], "no runs"),
    ],
)
def test_listings_work_without_torch(arguments, words, tmp_path):
    assert words in run_command(arguments, 0, tmp_path)


def test_a_wrong_configuration_is_reported_without_torch(tmp_path):
    (tmp_path / "tasks.toml").write_text('[run]\nencoder = "minilm-l6"\nsede = 1\n')
    output = run_command(["run", "tasks.toml"], 2, tmp_path)
    assert "tasks.toml:3: run.sede: unknown key 'sede'; did you mean 'seed'?" in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["run"], "no such file"), (["rnu"], "No such command"), (["results"], "no runs"), (["run", "--devices"], "No such option")],
)
def test_wrong_usage_is_reported_without_torch(arguments, words, tmp_path):
    output = run_command(arguments, 2, tmp_path)
    assert words in output
    assert "Traceback" not in output
