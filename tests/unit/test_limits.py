"""Names, paths and sizes: what comes from outside is checked before it becomes a path or fills the memory."""

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradts_engine import events
from gradts_engine.config import load_experiment
from gradts_engine.errors import UsageError
from gradts_engine.events import from_record
from gradts_engine.hooks.catalog import load_catalog
from gradts_engine.learning.rows import MAX_LINE, read_rows
from gradts_engine.learning.rows.columns import MAX_WORDS
from gradts_engine.names import inside, is_name, slug
from gradts_engine.runtime import inbox
from gradts_engine.runtime.artifacts import MAX_META, META, ArtifactStore
from gradts_engine.runtime.journal import Journal
from gradts_engine.runtime.store import Store

HOSTILE = ["", ".", "..", "../x", "a/b", "/etc", "-x", ".x", "A", "ä", "a b", "a\n", "a\0", "x" * 65, "\u202ea", "a\\b", "１"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_no_names(name, tmp_path):
    assert not is_name(name)
    with pytest.raises(UsageError, match="is not the name of a run"):
        Store(tmp_path).create(name)
    store = ArtifactStore(tmp_path / "artifacts")
    store.save("score", "k1", {})
    (tmp_path / "artifacts" / "score" / "x").mkdir()
    assert store.find("score", name) is None
    assert store.find(name, "k1") is None


@given(st.text(max_size=80))
def test_any_text_has_a_slug_that_is_a_name(text):
    assert is_name(slug(text))
    assert is_name(f"{slug(text, 48)}-12345678")
    if is_name(text) and text[-1] not in "-._":
        assert slug(text) == text


@pytest.mark.parametrize(
    ("stem", "name"),
    [("My Tasks", "my-tasks"), ("tasks", "tasks"), ("../x", "x"), ("漢字", "run"), ("-rf", "rf"), ("a" * 99, "a" * 64)],
)
def test_slugs(stem, name):
    assert slug(stem) == name


# --- links -----------------------------------------------------------------------------------------------------------


def test_a_run_that_is_a_link_out_of_the_store_is_not_taken(tmp_path):
    store, outside = Store(tmp_path / "store"), tmp_path / "outside"
    with Journal(Store(outside).create("run").events) as journal:
        journal.emit(events.Warned("x"))
    (tmp_path / "store" / "runs").mkdir(parents=True)
    (tmp_path / "store" / "runs" / "run").symlink_to(outside / "runs" / "run")
    assert store.runs() == []
    with pytest.raises(UsageError, match="leads out of"):
        store.create("run")


def test_an_inbox_that_is_a_link_out_of_the_store_is_not_taken(tmp_path):
    store = Store(tmp_path / "store")
    run = store.create("run")
    run.inbox.rmdir()
    (tmp_path / "elsewhere").mkdir()
    run.inbox.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="inbox leads out of"):
        store.create("run")


def test_artifacts_behind_links_are_damaged(tmp_path):
    mine, other = ArtifactStore(tmp_path / "mine"), ArtifactStore(tmp_path / "other")
    there = other.save("score", "k1", {"a": 1}, lambda folder: folder.joinpath("f").write_text("x"))
    here = mine.save("score", "k2", {"a": 1}, lambda folder: folder.joinpath("f").write_text("x"))
    (tmp_path / "mine" / "score" / "k1").symlink_to(there.folder)
    warnings: list[str] = []
    assert mine.find("score", "k1", warn=warnings.append) is None
    (here.folder / "f").unlink()
    (here.folder / "f").symlink_to(there.folder / "f")  # the same bytes, but not ours
    assert mine.find("score", "k2", warn=warnings.append) is None
    assert len(warnings) == 2
    assert (there.folder / "f").read_text() == "x"


def test_a_store_behind_a_link_is_as_good_as_any(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "disk")
    run = Store(tmp_path / "store").create("run")
    assert inside(run.path, tmp_path / "disk")


def test_a_run_folder_that_others_could_look_into_is_closed(tmp_path):
    run = Store(tmp_path).create("run")
    for path in (run.path, run.inbox):
        path.chmod(0o777)
    Store(tmp_path).create("run")
    assert [path.stat().st_mode & 0o777 for path in (run.path, run.inbox)] == [0o700, 0o700]


# --- sizes -----------------------------------------------------------------------------------------------------------

RUN = '[run]\nencoder = "gpt2"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("".join(f"[tasks.t{i}]\n" for i in range(1001)), "1001 tables [tasks.NAME], expected at most 1000"),
        ("x = " + "{a=" * 40 + "1" + "}" * 40, "nested deeper than 32 levels"),
        ("x = " + "[" * 300 + "]" * 300, "nested deeper than 32 levels"),
        ("x." + ".".join("a" * 5000) + " = 1", "TOML key has more than"),
        ("\n".join(f"k{i} = 1" for i in range(5000)), "4900 more problems"),
        ("x = [\n" + '"]",\n' * 150_000 + "]\n", "unknown key 'x'"),  # every line might end the statement
    ],
)
def test_settings_that_are_made_to_be_large(text, message, tmp_path):
    path = tmp_path / "tasks.toml"
    path.write_text(RUN + text)
    began = time.monotonic()
    with pytest.raises(UsageError) as caught:
        load_experiment(path, load_catalog())
    assert message in str(caught.value)
    assert len(str(caught.value)) < 30_000
    assert time.monotonic() - began < 120, "it hangs"


def rows_fail(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        list(read_rows(str(path)))
    return str(caught.value)


@pytest.mark.parametrize(("suffix", "first"), [(".jsonl", b"{}\n"), (".csv", b"a\n"), (".tsv", b"a\n"), (".conll", b"a b\n")])
def test_a_line_without_end(suffix, first, tmp_path):
    message = rows_fail(tmp_path / f"a{suffix}", first + b"x" * (MAX_LINE + 1))
    assert message.endswith(f"a{suffix}:2: the line is longer than 1 MiB, expected a row")


def test_a_sentence_without_end(tmp_path):
    message = rows_fail(tmp_path / "a.conll", b"w O\n" * (MAX_WORDS + 1))
    assert message.endswith("a.conll:1: more than 10000 words without an empty line, expected sentences")


def test_a_pipe_is_no_data(tmp_path):
    os.mkfifo(tmp_path / "a.jsonl")
    with pytest.raises(UsageError, match="is not a regular file"):
        list(read_rows(str(tmp_path / "a.jsonl")))


def test_what_is_no_command_is_not_read(tmp_path):
    """A pipe would be waited for, a large file fill the memory, a link lead elsewhere."""
    command = inbox.Pause()
    inbox.send(tmp_path, command)
    os.mkfifo(tmp_path / "a.json")
    (tmp_path / "b.json").write_bytes(b" " * inbox.MAX_BYTES + b"{}")
    (tmp_path / "c.json").symlink_to(tmp_path / f"{command.id}.json")
    (tmp_path / "d.json").symlink_to(tmp_path / "nowhere")
    (tmp_path / "e.json").mkdir()
    assert [found for _, found in inbox.read(tmp_path)] == [command]


def test_a_meta_file_of_another_size(tmp_path):
    store = ArtifactStore(tmp_path)
    artifact = store.save("score", "k1", {})
    with (artifact.folder / META).open("ab") as file:
        file.truncate(MAX_META * 100)  # takes no place on the disk
    assert store.find("score", "k1") is None


# --- records ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"event": "TrialScored", "primary": "a", "auxiliaries": [], "score": 1, "key": "k"},
        {"event": "TrialScored", "primary": "a", "auxiliaries": {"b": "many"}, "score": 1, "key": "k"},
        {"event": "TrialScored", "primary": {}, "auxiliaries": {}, "score": 1, "key": "k"},
        {"event": "EpochScored", "stage": "s", "subject": "t", "epoch": "x", "metric": "m", "score": 1},
        {"event": "Warned", "message": ["x"]},
        {"event": "Warned", "message": "x", "more": 1},
        {"event": ["Warned"]},
        {"event": "Event"},
    ],
)
def test_events_of_the_wrong_types_are_none(fields):
    assert from_record(json.loads(json.dumps(fields))) is None
