"""The store against a model of it: whatever is saved, found, damaged and removed, in any order and through two stores at once,
what is found is what was saved, and what was acknowledged is read back."""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from safetensors.numpy import save_file

from gradts_engine import events
from gradts_engine.errors import RunError, UsageError
from gradts_engine.runtime import inbox
from gradts_engine.runtime.artifacts import META, Artifact
from gradts_engine.runtime.journal import Journal, read_events
from gradts_engine.runtime.store import Store

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
STAGES = st.sampled_from(["tune", "score", "trial"])
KEYS = st.sampled_from([f"{i:064x}" for i in range(4)])
RUNS = st.sampled_from(["tasks-1a", "tasks-1b", "other-2c"])
WHICH = st.integers(0, 1)


def content(stage: str, key: str) -> tuple[dict[str, object], np.ndarray]:
    """What a stage computes from its inputs: a key has one content, as in the engine."""
    number = int(key, 16) + len(stage)
    return {"score": number / 7, "name": stage, "nothing": None}, np.arange(number + 1, dtype=np.float32)


class StoreMachine(RuleBasedStateMachine):
    """`good` are the artifacts that must be found, `bad` those that must not; `journals` what each run's journal has taken."""

    runs = Bundle("runs")

    @initialize()
    def start(self) -> None:
        self.root = Path(tempfile.mkdtemp(dir=MEMORY))
        self.stores = [Store(self.root), Store(self.root)]
        self.good: set[tuple[str, str]] = set()
        self.bad: set[tuple[str, str]] = set()
        self.journals: dict[str, list[events.Event]] = {}
        self.sent: dict[str, list[inbox.AnyCommand]] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    def folder(self, stage: str, key: str) -> Path:
        return self.root / "artifacts" / stage / key

    # --- artifacts ----------------------------------------------------------------------------------------------------

    @rule(which=WHICH, stage=STAGES, key=KEYS)
    def save(self, which: int, stage: str, key: str) -> None:
        """As the engine does: only what is not found is computed."""
        if self.found(which, stage, key) is None:
            result, array = content(stage, key)
            self.check(
                self.stores[which].artifacts.save(stage, key, result, lambda f: save_file({"a": array}, f / "a.safetensors"))
            )
            self.good.add((stage, key))

    @rule(which=WHICH, stage=STAGES, key=KEYS)
    def save_over(self, which: int, stage: str, key: str) -> None:
        """A second writer, who did not see the first."""
        if (stage, key) not in self.bad:
            result, array = content(stage, key)
            self.check(
                self.stores[which].artifacts.save(stage, key, result, lambda f: save_file({"a": array}, f / "a.safetensors"))
            )
            self.good.add((stage, key))

    @rule(which=WHICH, stage=STAGES, key=KEYS)
    def fail_to_save(self, which: int, stage: str, key: str) -> None:
        def write(folder: Path) -> None:
            (folder / "half").write_bytes(b"x")
            raise OSError("no space")

        with pytest.raises(RunError, match="no space"):
            self.stores[which].artifacts.save(stage, key, {}, write)

    @rule(which=WHICH, stage=STAGES, key=KEYS)
    def find(self, which: int, stage: str, key: str) -> None:
        self.found(which, stage, key)

    def found(self, which: int, stage: str, key: str) -> Artifact | None:
        warnings: list[str] = []
        found = self.stores[which].artifacts.find(stage, key, warn=warnings.append)
        assert (found is not None) == ((stage, key) in self.good)
        assert len(warnings) == ((stage, key) in self.bad)
        self.bad.discard((stage, key))  # set aside, and forgotten
        if found:
            self.check(found)
        return found

    def check(self, artifact: Artifact) -> None:
        result, array = content(artifact.stage, artifact.key)
        assert artifact.result == result
        np.testing.assert_array_equal(artifact.arrays("a.safetensors")["a"], array)

    @rule(
        stage=STAGES,
        key=KEYS,
        name=st.sampled_from([META, "a.safetensors"]),
        at=st.floats(0, 1),
        bit=st.integers(0, 7),
        data=st.data(),
    )
    def damage(self, stage: str, key: str, name: str, at: float, bit: int, data: st.DataObject) -> None:
        path = self.folder(stage, key) / name
        if (stage, key) not in self.good or not path.is_file():
            return
        before = path.read_bytes()
        position = min(int(at * len(before)), len(before) - 1)
        match data.draw(st.sampled_from(["flip", "cut", "remove", "link"])):
            case "flip":
                path.write_bytes(before[:position] + bytes([before[position] ^ 1 << bit]) + before[position + 1 :])
            case "cut":
                path.write_bytes(before[:position])
            case "remove":
                path.unlink()
            case "link":
                path.rename(self.root / "elsewhere")
                path.symlink_to(self.root / "nowhere")
        if name == META and path.is_file() and _means_the_same(path.read_bytes(), before):
            return  # another spelling, such as 1e5 for 1E5
        self.good.discard((stage, key))
        self.bad.add((stage, key))

    @rule(stage=STAGES, key=KEYS)
    def remove(self, stage: str, key: str) -> None:
        shutil.rmtree(self.folder(stage, key), ignore_errors=True)
        self.good.discard((stage, key))
        self.bad.discard((stage, key))

    @rule(which=WHICH, stage=STAGES, key=KEYS, name=st.sampled_from(["../tune", "", "a/b", "A", "."]))
    def hostile_names(self, which: int, stage: str, key: str, name: str) -> None:
        assert self.stores[which].artifacts.find(name, key) is None
        assert self.stores[which].artifacts.find(stage, name) is None
        with pytest.raises(UsageError):
            self.stores[which].create(name)

    # --- runs ---------------------------------------------------------------------------------------------------------

    @rule(target=runs, which=WHICH, name=RUNS)
    def create(self, which: int, name: str) -> str:
        assert self.stores[which].create(name).id == name
        self.sent.setdefault(name, [])
        return name

    @rule(which=WHICH, name=runs, count=st.integers(1, 5), progress=st.booleans())
    def happen(self, which: int, name: str, count: int, progress: bool) -> None:
        """What a journal has returned from, it has."""
        log = self.journals.setdefault(name, [])
        with Journal(self.stores[which].create(name).events) as journal:
            for i in range(count):
                event = events.StageProgress("tune", name, 0, 9) if progress else events.Warned(f"{len(log)} {i} \u202e")
                journal.emit(event)
                log.append(event)

    @rule(which=WHICH, name=runs, after=st.integers(0, 30))
    def read(self, which: int, name: str, after: int) -> None:
        log = self.journals.get(name, [])
        found = list(read_events(self.stores[which].create(name).events, after))
        assert [event for _, _, event in found] == log[after:]
        assert [seq for seq, _, _ in found] == list(range(after + 1, len(log) + 1))

    @rule(which=WHICH, name=runs)
    def hold(self, which: int, name: str) -> None:
        with self.stores[which].create(name).locked():
            assert self.stores[1 - which].create(name).engine()
            assert self.stores[1 - which].create(name).state() in ("starting", "running", "paused")
            with pytest.raises(RunError, match="already"), self.stores[1 - which].create(name).locked():
                raise AssertionError("held twice")

    @rule(which=WHICH, name=runs)
    def send(self, which: int, name: str) -> None:
        command = inbox.Confirm(primary="a", digest="d", auxiliaries=("b",))
        inbox.send(self.stores[which].create(name).inbox, command)
        self.sent[name].append(command)

    @rule(which=WHICH, name=runs)
    def answer(self, which: int, name: str) -> None:
        found = inbox.read(self.stores[which].create(name).inbox)
        assert {command.id: command for _, command in found} == {command.id: command for command in self.sent[name]}
        for path, _ in found:
            path.unlink()
        self.sent[name].clear()

    # --- always -------------------------------------------------------------------------------------------------------

    @invariant()
    def listed_is_what_is_there(self) -> None:
        for store in self.stores:
            assert {(a.stage, a.key) for a in store.artifacts} >= self.good
            assert {run.id for run in store.runs()} == set(self.journals)
            for run in store.runs():
                assert store.run(run.id) == run

    @invariant()
    def nothing_is_left_behind_and_nobody_else_can_look(self) -> None:
        unfinished = self.root / "artifacts" / "unfinished"
        assert not unfinished.exists() or list(unfinished.iterdir()) == []
        assert all(run.path.stat().st_mode & 0o077 == 0 for run in self.stores[0].runs())


def _means_the_same(content: bytes, before: bytes) -> bool:
    try:
        return json.dumps(json.loads(content), sort_keys=True) == json.dumps(json.loads(before), sort_keys=True)
    except ValueError:
        return False


@pytest.mark.parametrize(("examples", "steps"), [(25, 20), pytest.param(200, 50, marks=pytest.mark.torture)])
def test_the_store_is_its_model(examples: int, steps: int) -> None:
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        StoreMachine,
        settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=checks),
    )
