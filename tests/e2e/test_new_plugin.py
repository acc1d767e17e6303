"""`plugins new`: what it writes installs, is listed, passes its test and runs, in an environment of its own."""

import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from gradts_engine.__main__ import main
from gradts_engine.scaffold import KINDS


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment that sees what is installed here, so that nothing is downloaded; its own packages come first."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder / "env", with_pip=False)
    python = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    here = sysconfig.get_path("purelib")
    # addsitedir also reads the .pth files there, by which packages under development are found.
    (folder / "env" / "lib" / python / "site-packages" / "here.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    return folder


def call(environment: Path, *arguments: str, **variables: str) -> str:
    """Output of Python with these arguments in the environment."""
    child = subprocess.run(
        [str(environment / "env" / "bin" / "python"), *arguments],
        cwd=environment,
        env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"} | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert child.returncode == 0, child.stdout + child.stderr
    return child.stdout


USE = """
import sys
import pytest
from gradts_engine.__main__ import main

*tests, config, store = sys.argv[1:]
main(["plugins"])
main(["tasks"])
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *tests]) or main(["run", config, "--plain", "--store", store]))
"""
"""Lists, tests and runs in one process: most of the time goes into loading torch."""


def test_every_kind_installs_is_listed_passes_its_test_and_runs(environment: Path, encoder: Path) -> None:
    """And so do the examples of a worker and of a contract in docs/plugins.md."""
    for kind in KINDS:
        assert main(["plugins", "new", f"my-{kind}", "--kind", kind, "--in", str(environment)]) == 0
    folders = [f"./gradts-my-{kind}" for kind in KINDS]
    call(environment, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation", *folders)
    worker, contract = re.findall(r"^```python\n(.*?)^```$", page()[1], re.DOTALL | re.MULTILINE)
    (environment / "test_example.py").write_text(f"{worker}\n{contract}")
    config = environment / "gradts-my-tasks" / "tasks.toml"
    text = config.read_text().replace('encoder = "minilm-l6"', f'encoder = {str(encoder)!r}\nexecutor = "my-executor"')
    config.write_text(text.replace("[selection]", '[selection]\nstrategy = "my-strategy"'))

    out = call(environment, "-c", USE, *folders, "test_example.py", str(config), str(environment / "store"))
    listed, ran = re.split(r" passed(?:, \d+ skipped)? in ", out, maxsplit=1)
    for kind in KINDS:
        assert sum(f" my-{kind} " in line and " in use " in line for line in listed.splitlines()) == 1
    assert "my-tasks-mood" in listed
    assert "my-tasks-mood" in ran


def page() -> tuple[str, str]:
    """docs/plugins.md: the tutorial, and the rest."""
    text = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text(encoding="utf-8")
    tutorial, _, rest = text.partition("## The other kinds")
    return tutorial, rest


def test_the_tutorial_is_true(environment: Path, encoder: Path) -> None:
    """Every command and every file of docs/plugins.md, in its order."""
    tutorial, _ = page()
    bin_folder = environment / "env" / "bin"
    for name, module in (("gradts-engine", "gradts_engine"), ("pip", "pip"), ("pytest", "pytest")):
        (bin_folder / name).write_text(f'#!/bin/sh\nexec {bin_folder}/python -m {module} "$@"\n')
        (bin_folder / name).chmod(0o755)
    # Everything is installed already: no index, no dependencies, and building with what is there ("0" is pip's way to say so).
    offline = "PIP_NO_INDEX=1 PIP_NO_DEPS=1 PIP_NO_BUILD_ISOLATION=0 PIP_DISABLE_PIP_VERSION_CHECK=1"
    script = ["set -ex", f"export PATH={bin_folder}:$PATH {offline}"]
    python: list[str] = []
    for language, block in re.findall(r"^```(sh|python|toml)\n(.*?)^```$", tutorial, re.DOTALL | re.MULTILINE):
        if language == "sh":
            script.append(block)
        elif language == "python":  # later ones use the names of earlier ones
            python.append(block)
            (environment / f"step{len(python)}.py").write_text("\n".join(python))
            script.append(f"python step{len(python)}.py")
        else:
            (environment / "tasks.toml").write_text(block.replace('"minilm-l6"', repr(str(encoder))))
    child = subprocess.run(
        ["bash", "-c", "\n".join(script)], cwd=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert child.returncode == 0, child.stdout + child.stderr
    assert "dev:" in child.stdout
    assert "demo-weather" in child.stdout


@pytest.mark.parametrize("name", ["", "Mine", "1st", "a_b", "a--b", "../x", "a" * 60])
def test_names_that_no_package_can_have(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "new", name, "--kind", "tasks", "--in", str(tmp_path)]) == 2
    assert "is not a plugin's name" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_no_installed_plugin_gets_a_rival(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "new", "minilm", "--kind", "tasks", "--in", str(tmp_path)]) == 2
    assert "gradts-minilm is installed" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "new", "gradts-mine", "--kind", "strategy", "--in", str(tmp_path)]) == 0
    assert (tmp_path / "gradts-mine" / "gradts_mine" / "__init__.py").is_file()
    assert main(["plugins", "new", "mine", "--kind", "tasks", "--in", str(tmp_path)]) == 2
    assert "gradts-mine exists" in capsys.readouterr().err


def test_what_is_written_is_in_good_style(tmp_path: Path) -> None:
    for kind in KINDS:
        main(["plugins", "new", kind, "--kind", kind, "--in", str(tmp_path)])
    assert not [path for path in tmp_path.rglob("*") if "$" in str(path) or path.suffix == ".txt"]
    for command in (["check"], ["format", "--check"]):
        settings = Path(__file__).parents[2] / "pyproject.toml"
        child = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--config", str(settings), str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert child.returncode == 0, child.stdout
