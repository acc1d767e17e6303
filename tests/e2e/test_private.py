"""A whole run in processes of its own, watched from inside: no pickle, no network; and what it leaves is the user's alone."""

import ast
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import gradts_engine

WATCH = """
import os, sys
def watch(event, arguments):
    if event in ("pickle.find_class", "socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.bind"):
        with open({log!r}, "a") as file:
            print(event, arguments[1:] if "socket" in event else arguments, file=file)
sys.addaudithook(watch)
"""
"""Put into sitecustomize.py: every Python process that the command starts is watched from its first line on."""

OBSERVER = """
from gradts_engine import EncoderSpec, hookimpl
@hookimpl
def gradts_encoders():
    return [EncoderSpec(name="mine", source=lambda: {folder!r})]
@hookimpl
def gradts_event(event):
    pass
"""


COMMANDS = """
from gradts_engine.__main__ import main
for command in (
    "run tasks.toml --plain",
    "results --json",
    "results --heatmap stars",
    "export importance stars .gradts/stars.safetensors",
    "export selection mood .gradts/mood.jsonl",
    "cache verify",
):
    assert main(command.split()) == 0, command
"""
"""A run, and what one does after it."""


@pytest.fixture
def watched(place, tmp_path, encoder):
    """`watched()` gives the commands in a process with a plugin's encoder, for a user who hides nothing from others; the audit
    log is in `watched.log`."""
    site = tmp_path / "site"
    (site / "mine-1.0.dist-info").mkdir(parents=True)
    (site / "mine-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (site / "mine-1.0.dist-info" / "entry_points.txt").write_text("[gradts.plugins.v1]\nmine = plugin_mine\n")
    (site / "plugin_mine.py").write_text(OBSERVER.format(folder=str(encoder)))
    log = tmp_path / "audit.log"
    log.touch()
    (site / "sitecustomize.py").write_text(WATCH.format(log=str(log)))
    place.settings["run"]["encoder"] = "mine"
    place.write()

    def run() -> None:
        child = subprocess.run(
            [sys.executable, "-P", "-c", COMMANDS],
            cwd=place.folder,
            env=os.environ | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=300,
            umask=0,
            check=False,
        )
        assert child.returncode == 0, child.stderr

    run.log = log
    return run


def test_a_run_uses_no_pickle_and_no_network_and_is_the_users_own(watched, place):
    watched()
    assert watched.log.read_text() == ""
    found = [(place.folder / ".gradts"), *(place.folder / ".gradts").rglob("*")]
    assert len(found) > 50
    for path in found:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_the_watch_would_have_seen_it(watched, tmp_path):
    code = "import pickle, socket, pathlib; pickle.loads(pickle.dumps(pathlib.Path('x')))"
    code += "; socket.socket().connect_ex(('127.0.0.1', 9))"
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(tmp_path / "site")}, check=True, timeout=60)
    seen = watched.log.read_text()
    assert "pickle.find_class" in seen
    assert "socket.connect (('127.0.0.1', 9),)" in seen


# --- the code --------------------------------------------------------------------------------------------------------

ROOT = Path(gradts_engine.__file__).parents[1]
MAY_UNPICKLE = {"gradts_engine/published/unpickle.py"}
PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


@cache
def modules():
    folders = [ROOT / "gradts_engine", ROOT / "gradts_tui", *(ROOT / "plugins").glob("*/gradts_*")]
    return [(path, ast.parse(path.read_text())) for folder in folders for path in folder.rglob("*.py")]


def test_no_module_opens_pickles():
    for path, tree in modules():
        for node in ast.walk(tree):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if {name.split(".")[0] for name in names} & PICKLES:
                assert path.relative_to(ROOT).as_posix() in MAY_UNPICKLE, path


def test_what_can_open_pickles_or_run_code_is_told_not_to():
    for path, tree in modules():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            called, given = ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}
            where = f"{path}:{node.lineno}"
            if called == "torch.load":
                assert given.get("weights_only") == "True", where
            if called in ("np.load", "numpy.load"):
                assert given.get("allow_pickle", "False") == "False", where
            if node.func.attr == "from_pretrained":
                assert given.get("trust_remote_code") == "False", where
            if node.func.attr in ("njit", "jit"):
                assert given.get("cache", "False") == "False", f"{where}: numba keeps what it compiles as a pickle"
