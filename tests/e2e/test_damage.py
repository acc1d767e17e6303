"""Stored results that are damaged, and the list of what is stored."""

import shutil

import pytest

from gradts_engine import events


def test_damaged_results_are_reported_and_computed_again(ran):
    """A tuned model, the importance made from it, and the final model: the results are the same ones as before."""
    before = ran.outcome()
    view = ran.latest.view()
    final = " + ".join(["mood", *sorted(view.proposals["mood"].auxiliaries)])
    flipped = {("tune", "pair"): "model.safetensors", ("score", "pair"): "raw.safetensors", ("trial", final): "model.safetensors"}
    paths = []
    for (stage, subject), name in flipped.items():
        paths.append(ran.store.root / "artifacts" / stage / view.stage(stage, subject).key / name)
        content = bytearray(paths[-1].read_bytes())
        content[-5] ^= 4
        paths[-1].write_bytes(content)
    bad = ran("cache verify")
    good = len(list(ran.store.artifacts))
    assert bad.code == 1
    assert bad.out.splitlines()[-1] == f"{good} intact, 3 damaged"
    for path in paths:
        assert f"{path} is damaged; moved to {ran.store.root}/artifacts/damaged/" in bad.out
    assert ran.done() == set(flipped)
    assert ran.outcome() == before
    fine = ran("cache verify")
    assert (fine.code, fine.out) == (0, f"{good + 3} intact, 0 damaged\n")


@pytest.mark.parametrize(
    ("stage", "name"), [("score", "raw.safetensors"), ("trial", "model.safetensors"), ("embed", "meta.json")]
)
def test_damage_that_a_run_finds_is_a_warning(ran, stage, name):
    """In what it only looks up, in the model that it exports, and in the small values."""
    view = ran.latest.view()
    final = " + ".join(["mood", *sorted(view.proposals["mood"].auxiliaries)])
    subject = {"score": "pair", "trial": final, "embed": "tags"}[stage]
    path = ran.store.root / "artifacts" / stage / view.stage(stage, subject).key / name
    path.write_bytes(path.read_bytes()[:-1])
    shutil.rmtree(ran.latest.models)  # so that the weights of a trial are needed
    result = ran.run()
    assert result.code == 0
    (warning,) = (e.message for e in ran.news() if isinstance(e, events.Warned) and "damaged" in e.message)
    assert f"{path} is damaged" in warning
    assert f"warning: {warning}" in result.err
    assert f"{stage} {subject}: done in" in result.err
    assert path.is_file()


def test_verify_leaves_the_work_of_a_running_engine_alone(ran):
    unfinished = ran.store.root / "artifacts" / "unfinished" / "score-at-work"
    artifact = next(iter(ran.store.artifacts))
    shutil.copytree(artifact.folder, unfinished)
    result = ran("cache verify")
    assert (result.code, unfinished.is_dir()) == (0, True)
    assert ran("cache list --json").json


def test_the_list_of_what_is_stored(ran):
    rows = {row["stage"]: row for row in ran("cache list --json").json}
    assert {stage: rows[stage]["results"] for stage in ("embed", "tune", "score", "correlate", "reliability", "proposal")} == {
        "embed": 4,
        "tune": 4,
        "score": 4,
        "correlate": 1,
        "reliability": 1,
        "proposal": 1,
    }
    files = [path for path in (ran.store.root / "artifacts" / "tune").rglob("*") if path.is_file()]
    assert rows["tune"]["MB"] == round(sum(path.stat().st_size for path in files) / 1e6, 2) > 0
    assert "correlate" in ran("cache list").out
