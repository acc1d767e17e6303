"""What users get: wheels in an environment of their own, no clone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = (ROOT, ROOT / "plugins" / "gradts-planted", ROOT / "plugins" / "gradts-minilm")


def call(*command: object, cwd: Path, timeout: float = 600) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=timeout, check=False, cwd=cwd, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder of programs of an environment that has our wheels; what they depend on is that of the tests."""
    folder = tmp_path_factory.mktemp("installed")
    for part in PARTS:
        call(sys.executable, "-m", "hatchling", "build", "-d", folder / "dist", cwd=part)
    call(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    (ours,) = (folder / "venv" / "lib").glob("python*/site-packages")
    wheels = sorted((folder / "dist").glob("*.whl"))
    assert len(wheels) == len(list((folder / "dist").glob("*.tar.gz"))) == len(PARTS)
    python = folder / "venv" / "bin" / "python"
    call(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", *wheels, cwd=folder)
    (ours / "zz_dependencies.pth").write_text("\n".join(p for p in sys.path if "site-packages" in p))
    return folder / "venv" / "bin"


def test_wheels_have_all_that_the_commands_need(installed, tmp_path):
    where = call(installed / "python", "-c", "import gradts_engine; print(gradts_engine.__file__)", cwd=tmp_path)
    assert where.startswith(str(installed.parent))
    call(
        installed / "python",
        "-c",
        "from pathlib import Path; import gradts_engine.demo as d; d.write_demo(Path('a'))",
        cwd=tmp_path,
    )
    assert (tmp_path / "a" / "tasks.toml").read_bytes() == (ROOT / "tasks.toml").read_bytes()
    planned = call(installed / "gradts-engine", "plan", "a/tasks.toml", cwd=tmp_path)
    assert "planted-review" in planned
    call(installed / "gradts-engine", "plugins", "new", "mine", "--kind", "tasks", cwd=tmp_path)
    packed = call(installed / "python", "-c", "import gradts_engine.page as p; print(len(p._css()))", cwd=tmp_path)
    assert int(packed) > 1000


@pytest.mark.torture
def test_the_demo_runs_without_a_clone(installed, tmp_path):
    """With fewer rows, steps and trials than the tasks.toml that it brings: the commands, and all they need, are the same."""
    demo = tmp_path / "gradts-demo" / "tasks.toml"
    demo.parent.mkdir()
    text = (ROOT / "tasks.toml").read_text(encoding="utf-8")
    for long, short in (("steps = 96", "steps = 8"), ("budget = 6", "budget = 2")):
        assert long in text
        text = text.replace(long, short)
    demo.write_text(f"{text}\n[data]\ntrain_limit = 32\ndev_limit = 40\ntest_limit = 40\n", encoding="utf-8")
    said = call(installed / "gradts-engine", "demo", "--plain", cwd=tmp_path)
    assert "model:" in said
    assert (tmp_path / "gradts-demo" / ".gradts").is_dir()
    call(installed / "gradts-engine", "report", "tasks", "out.html", "--store", "gradts-demo/.gradts", cwd=tmp_path)
    assert "planted-review" in (tmp_path / "out.html").read_text(encoding="utf-8")
