"""Between the proposal and the final training, somebody decides."""

import json

import numpy as np
import pytest

from gradts_engine import events
from gradts_engine.runtime.artifacts import TAU
from gradts_engine.runtime.inbox import Confirm, send


@pytest.fixture
def waiting(ran):
    """`ran`, whose settings now ask for confirmation; it has stopped for that."""
    ran.settings["selection"]["confirm"] = "ask"
    ran.write()
    result = ran.run()
    assert result.code == 3, result.err
    ran.news()
    return ran


def mood(place) -> dict:
    return place("results --json").json["primaries"]["mood"]


def names(selection) -> list[str]:
    return [auxiliary["task"] for auxiliary in selection]


def test_nobody_is_there_to_ask(waiting):
    result = waiting.run()
    assert result.code == 3
    (line,) = (line for line in result.err.splitlines() if line.startswith("waiting"))
    assert line == result.err.splitlines()[-1]
    assert "waiting for confirmation of mood" in line
    assert line.count(f" {waiting.latest.id} --store {waiting.store.root}`") == 2
    found = waiting("results --json").json
    assert found["state"] == "waiting"
    assert (found["primaries"]["mood"]["confirmed"], found["primaries"]["mood"]["final"]) == (None, None)
    assert found["primaries"]["mood"]["proposed"]
    assert "confirmed: not yet" in waiting("results").out
    (row,) = (row for row in waiting("status --json").json if row["run"] == found["run"])
    assert (row["state"], row["engine"]) == ("waiting", "")


def test_accepted(waiting):
    proposed = mood(waiting)["proposed"]
    result = waiting("confirm --yes")
    assert result.code == 0
    assert result.out.splitlines()[0] == f"mood: train with {', '.join(names(proposed))}"
    assert f"go on with: gradts-engine run {waiting.config} --store {waiting.store.root}\n" in result.out
    (row,) = waiting("status --json").json
    assert row["reason"] == f"mood confirmed; go on with: gradts-engine run {waiting.config} --store {waiting.store.root}"
    assert waiting.run().code == 0
    found = mood(waiting)
    assert found["confirmed"] == proposed
    assert found["final"]["score"] == max(trial["score"] for trial in found["trials"])
    view = waiting.latest.view()
    assert view.confirmations["mood"].by == "person"
    assert [answer.accepted for answer in view.answers.values()] == [True]
    assert list(waiting.latest.inbox.iterdir()) == []
    # the decision stays: the next engine does not ask again, and there is nothing to confirm any more
    waiting.news()
    assert waiting.done() == set()
    again = waiting("confirm --yes")
    assert again.code == 2
    assert again.line == f"run {waiting.latest.id} has no proposal that waits for confirmation"


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        (["--alone"], []),
        (["--primary", "mood", "--alone"], []),
        (["--primary", "mood", "--auxiliaries", "tags"], ["tags"]),
        (["--primary", "mood", "--auxiliaries", "tags, pair"], ["tags", "pair"]),
    ],
)
def test_edited(waiting, options, chosen):
    assert waiting("confirm", *options, "--yes").code == 0
    assert waiting.run().code == 0
    found = mood(waiting)
    assert found["confirmed"] == [{"task": task, "instances": 36} for task in chosen]
    assert found["confirmed"] != found["proposed"]
    scored = {frozenset(trial["auxiliaries"]): trial["score"] for trial in found["trials"]}
    assert found["final"]["score"] == scored[frozenset(chosen)]
    (card,) = waiting.latest.models.glob("mood/README.md")
    auxiliaries = ", ".join(f"{task} (36 instances)" for task in chosen) or "none"
    assert f"- auxiliaries: {auxiliaries}\n" in card.read_text()


def test_edited_instances(ran):
    """Of what was proposed by instances, those are trained; what a person adds comes whole."""
    ran.settings["selection"] = {"confirm": "ask", "strategy": "fine-grained", "keep": 0.25}
    ran.write()
    assert ran.run().code == 3
    proposed = names(mood(ran)["proposed"])
    kept = proposed[0]
    added = next(task for task in ("pair", "stars", "tags") if task not in proposed)
    assert ran(f"confirm --auxiliaries {kept},{added} --yes").code == 0
    assert ran.run().code == 0
    found = mood(ran)
    assert found["proposed"][0] == {"task": kept, "instances": 9}
    assert found["confirmed"] == [{"task": kept, "instances": 9}, {"task": added, "instances": 36}]
    (trained,) = (trial for trial in found["trials"] if trial["instances"] == {kept: 9, added: 36})
    assert found["final"]["score"] == trained["score"]


def test_cut_by_tau(ran, tmp_path):
    """A person moves the share or the threshold: what is trained, told and exported are the instances that it chooses."""
    ran.settings["selection"] = {"confirm": "ask", "strategy": "fine-grained", "keep": 0.25}
    ran.write()
    assert ran.run().code == 3
    (proposed, *_) = names(mood(ran)["proposed"])
    taus = ran.store.artifacts.find("correlate", ran.latest.view().stage("correlate", "mood").key).arrays(TAU)[proposed]
    for option, kept in (
        ("--keep 0.5", np.argsort(-taus, kind="stable")[:18]),
        ("--threshold 0.1", np.flatnonzero(taus >= 0.1)),
    ):
        assert 0 < len(kept) < 36
        result = ran(f"confirm --primary mood --auxiliaries {proposed} {option} --yes")
        assert result.code == 0, result.err
        assert ran.run().code == 0
        found = mood(ran)
        assert found["confirmed"] == [{"task": proposed, "instances": len(kept)}]
        (trained,) = (trial for trial in found["trials"] if trial["instances"] == {proposed: len(kept)})
        assert found["final"]["score"] == trained["score"]
        assert ran("export selection mood", str(tmp_path / "rows.jsonl")).code == 0
        lines = (tmp_path / "rows.jsonl").read_text().splitlines()
        assert {json.loads(line)["row"] for line in lines} == set(kept.tolist())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--alone --keep 0.5", "--keep, --threshold and --alone exclude each other"),
        ("--threshold 0.5 --keep 0.5", "--keep, --threshold and --alone exclude each other"),
        ("--primary moot", "unknown primary 'moot'; did you mean 'mood'? (a primary with a proposal in run "),
        ("--alone --auxiliaries tags", "--auxiliaries and --alone exclude each other"),
        ("--primary mood --auxiliaries tag", "unknown candidate 'tag'; did you mean 'tags'?"),
        ("--primary mood --auxiliaries mood", "unknown candidate 'mood'"),
    ],
)
def test_what_cannot_be_confirmed(waiting, options, message):
    result = waiting("confirm", *options.split(), "--yes")
    assert result.code == 2
    assert result.line.startswith(message)
    assert list(waiting.latest.inbox.iterdir()) == []


@pytest.mark.parametrize("option", ["--keep", "--threshold"])
def test_nan_is_no_share_and_no_tau(waiting, option):
    result = waiting("confirm", option, "nan", "--yes")
    assert result.code == 2
    assert result.err.endswith(f"Error: Invalid value for '{option}': nan is not a number.\n")
    assert list(waiting.latest.inbox.iterdir()) == []


def test_a_confirmation_of_another_proposal_is_refused(waiting):
    """It was sent, but what it answers is not what is proposed now."""
    send(waiting.latest.inbox, Confirm(primary="mood", digest="0" * 64))
    result = waiting.run()
    assert result.code == 3
    assert "confirm: refused, it answers another proposal than the present one; look again and confirm again" in result.err
    (answer,) = (e for e in waiting.news() if isinstance(e, events.CommandAnswered))
    assert not answer.accepted
    assert mood(waiting)["confirmed"] is None
    assert list(waiting.latest.inbox.iterdir()) == []
    assert waiting.run().err.count("refused") == 0


@pytest.mark.parametrize(
    ("primary", "auxiliaries", "reason"),
    [
        ("mood", ["mood"], "mood not among the candidates of mood"),
        ("mood", ["tags", "nothing"], "nothing not among the candidates of mood"),
        ("tags", None, "there is no proposal"),
        ("elsewhere", ["tags"], "there is no proposal"),
    ],
)
def test_a_confirmation_that_makes_no_sense_is_refused(waiting, primary, auxiliaries, reason):
    names = None if auxiliaries is None else tuple(auxiliaries)
    send(waiting.latest.inbox, Confirm(primary=primary, digest=mood(waiting)["digest"], auxiliaries=names))
    result = waiting.run()
    assert result.code == 3
    assert f"confirmation of {primary} refused: {reason}" in result.err


def test_one_confirmation_sent_twice_is_done_once(waiting):
    assert waiting("confirm --yes").code == 0
    (path,) = waiting.latest.inbox.iterdir()
    content = path.read_bytes()
    assert waiting.run().code == 0
    path.write_bytes(content)  # an engine was killed between the answer and the removal of the file
    waiting.news()
    assert waiting.run().code == 0
    assert not [e for e in waiting.news() if isinstance(e, events.CommandAnswered | events.Confirmed)]
    assert not path.exists()


def test_the_latest_word_counts(waiting):
    assert waiting("confirm --alone --yes").code == 0
    assert waiting("confirm --yes").code == 0
    assert waiting.run().code == 0
    assert mood(waiting)["confirmed"] == mood(waiting)["proposed"] != []


def test_yes_accepts_what_was_not_decided(waiting):
    assert waiting.run("--yes").code == 0
    assert mood(waiting)["confirmed"] == mood(waiting)["proposed"]
    assert waiting.latest.view().confirmations["mood"].by == "policy"


def test_yes_does_not_overrule_a_person(waiting):
    assert waiting("confirm --alone --yes").code == 0
    assert waiting.run("--yes").code == 0
    assert mood(waiting)["confirmed"] == []


def test_several_primaries_are_decided_one_by_one(ran):
    ran.settings["run"]["primary"], ran.settings["selection"]["confirm"] = ["mood", "pair"], "ask"
    ran.write()
    assert ran.run().code == 3
    assert ran("confirm --auxiliaries tags --yes").line == "--auxiliaries needs --primary, one of mood, pair"
    assert ran("confirm --primary pair --alone --yes").code == 0
    assert ran(f"status {ran.latest.id} --json").json["reason"].startswith("waiting for confirmation of mood, pair: ")
    result = ran.run()
    assert result.code == 3
    assert "waiting for confirmation of mood:" in result.err
    found = ran("results --json").json["primaries"]
    assert (found["mood"]["final"], found["pair"]["final"]["score"]) == (None, found["pair"]["trials"][0]["score"])
    result = ran("confirm --yes")
    assert result.out.startswith("mood: train with ")
    assert "pair:" not in result.out
    assert ran.run().code == 0
    assert all(primary["final"] for primary in ran("results --json").json["primaries"].values())


def test_a_primary_that_is_decided_while_another_trains_goes_on_at_once(ran):
    """One engine does both: the second decision is sent while the first primary's final training is suspended in the middle."""
    ran.settings["run"]["primary"] = ["mood", "tags"]
    ran.settings["multitask"] |= {"steps": 400, "epochs": 40}
    ran.settings["selection"] = {"strategy": "none", "confirm": "ask"}
    ran.write()
    assert ran.run().code == 3
    assert ran("confirm --yes --primary mood --auxiliaries pair,stars").code == 0
    engine = ran.start("run", str(ran.config))
    for line in engine.stderr:
        if line.startswith("trial mood + pair + stars: epoch 1,"):
            break
    ran.suspend(engine.pid)
    ran.news()
    assert ran("confirm --yes --primary tags").code == 0
    _, err = engine.communicate(timeout=240)
    assert engine.returncode == 0, err
    news = ran.news()
    assert {e.primary for e in news if isinstance(e, events.FinalModel)} == {"mood", "tags"}
    decided = next(i for i, e in enumerate(news) if isinstance(e, events.Confirmed))
    trained = next(i for i, e in enumerate(news) if isinstance(e, events.StageFinished) and e.subject == "mood + pair + stars")
    assert decided < trained, "it was too late to show anything"


def test_asked_and_not_answered(waiting, monkeypatch):
    """`confirm` without --yes and without anybody who could answer says so and sends nothing."""
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: SIM115
    result = waiting("confirm")
    assert (result.code, result.err.splitlines()[-1]) == (2, "nobody is there to answer: give --yes, or ask in a terminal")
    assert list(waiting.latest.inbox.iterdir()) == []
    assert json.loads(waiting("results --json").out)["state"] == "waiting"


@pytest.mark.parametrize("change", ["data", "settings", "gone"])
def test_what_has_changed_since_is_not_confirmed(waiting, change):
    run = waiting.latest.id
    if change == "data":
        waiting.rows["mood"]["train"][0]["label"] = "good"
        waiting.rows["mood"]["train"][1]["label"] = "bad"
    elif change == "settings":
        waiting.settings["multitask"]["learning_rate"] = 0.001
    waiting.write()
    if change == "gone":
        waiting.config.unlink()
    line = waiting(f"confirm {run} --yes").line
    if change == "gone":
        assert line == f"{waiting.config}: no such file; gradts-engine init writes one"
        return
    other = waiting("plan --json", str(waiting.config)).json["run"]
    assert f"changed since run {run}" in line
    assert f"this would be run {other}" in line
    assert other != run
    assert not list(waiting.latest.inbox.glob("*"))
    assert waiting("results --json").json["primaries"]["mood"]["confirmed"] is None


def test_what_changes_no_result_changes_no_confirmation(waiting):
    waiting.settings["scoring"]["batch_tokens"] = 100
    waiting.write()
    assert waiting("confirm --yes").code == 0
