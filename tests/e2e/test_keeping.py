"""What stays on the disk once a run is done, and that other runs and later ones do not miss what was freed."""

import pytest

from gradts_engine import events
from gradts_engine.runtime.artifacts import MODEL
from gradts_engine.runtime.shelving import size


def weights(place) -> set[tuple[str, str]]:
    """Stage and subject of the trainings of the latest run whose weights are there."""
    root, stages = place.store.artifacts.root, place.latest.view().stages.values()
    return {(s.name, s.subject) for s in stages if (root / s.name / s.key / MODEL).exists()}


def final(place) -> tuple[str, str]:
    view = place.latest.view()
    return ("trial", view.stages[view.finals["mood"].key].subject)


def test_the_weights_of_final_models_stay_and_nothing_is_missed(ran):
    assert weights(ran) == {final(ran)}
    freed = [event for event in ran.latest.view().stages.values() if event.name in ("tune", "trial")]
    assert len(freed) > 4
    assert ran("cache gc --dry-run").out.endswith("would free 0.00 MB\n")
    assert ran("cache verify").code == 0
    model = ran.latest.models / "mood" / "model.safetensors"
    before = model.read_bytes()
    assert ran.run().code == 0
    assert not [event for event in ran.news() if isinstance(event, events.StageStarted | events.Freed)]
    assert model.read_bytes() == before
    assert weights(ran) == {final(ran)}
    # what needs freed weights computes them again, and frees them again
    ran.settings["scoring"]["head_axis"] = "input"
    ran.write()
    assert {("tune", "mood"), ("score", "mood")} <= ran.done()
    assert weights(ran) <= {final(ran)}


def test_all_weights_stay_where_it_is_asked_for_until_it_is_no_longer(place):
    place.settings["run"]["keep"] = "all"
    place.write()
    computed = place.done()
    assert weights(place) == {name for name in computed if name[0] in ("tune", "trial")}
    (row,) = place("status --json").json
    found = place("results --json").json
    assert found["size"] == size(place.store, place.latest) == pytest.approx(row["MB"] * 1e6, abs=5e3)
    assert f"{found['size'] / 1e6:.2f} MB" in place("results").out
    assert f"{row['MB']}" in place("status").out
    place.settings["run"]["keep"] = "final"
    place.write()
    assert place.run().code == 0
    news = place.news()
    assert not [event for event in news if isinstance(event, events.StageStarted)]
    (freed,) = (event for event in news if isinstance(event, events.Freed))
    assert weights(place) == {final(place)}
    assert freed.results == len([name for name in computed if name[0] in ("tune", "trial")]) - 1
    assert found["size"] - size(place.store, place.latest) > 0.9 * freed.size > 0


def test_another_run_that_waits_keeps_what_it_needs(place):
    """Two runs in processes share trainings; one is done first, and the other one may choose any of its trials."""
    other = place.folder / "other.toml"
    place.settings["selection"]["confirm"] = "ask"
    place.write()
    place.config.rename(other)
    place.settings["selection"]["confirm"] = "auto"
    place.settings["selection"]["strategy"] = "all"
    place.write()
    store = ("--store", str(place.store.root))
    engines = [place.start("run", str(config), "--plain", *store) for config in (other, place.config)]
    codes = [engine.wait(timeout=240) for engine in engines]
    assert codes == [3, 0], [engine.stderr.read() for engine in engines]
    waits, done = sorted(place.store.runs(), key=lambda run: run.state(), reverse=True)
    assert (waits.state(), done.state()) == ("waiting", "done")
    tried = [(s.name, s.key) for s in waits.view().stages.values() if s.name in ("tune", "trial")]
    assert all((place.store.artifacts.root / stage / key / MODEL).exists() for stage, key in tried)
    freed = [(s.name, s.key) for s in done.view().stages.values() if s.name == "trial"]
    assert {(place.store.artifacts.root / stage / key / MODEL).exists() for stage, key in freed} == {True}
    assert place("confirm", waits.id, "--alone", "--yes").code == 0
    result = place("run", str(other))
    assert result.code == 0, result.err
    kept = {run.view().finals["mood"].key for run in (waits, done)}
    assert {folder.parent.name for folder in place.store.artifacts.root.glob(f"t*/*/{MODEL}")} == kept


def test_a_trial_that_a_person_chooses_after_all_is_trained_again(place):
    """Its weights were freed; they, and its score, are the same as before."""
    place.settings["selection"]["confirm"] = "ask"
    place.write()
    assert place.run().code == 3
    assert place("confirm --alone --yes").code == 0
    place.done()
    before = place("results --json").json["primaries"]["mood"]["trials"]
    tried = before[1]["auxiliaries"]
    assert place("confirm --primary mood --yes --auxiliaries", ",".join(tried)).code == 0
    subject = " + ".join(["mood", *sorted(tried)])
    assert place.done() == {("trial", subject), ("test", subject)}
    found = place("results --json").json["primaries"]["mood"]
    assert sorted(found["trials"], key=str) == sorted(before, key=str)
    assert found["final"]["score"] == before[1]["score"]
    assert weights(place) == {("trial", subject)}
