"""Evidence that is made for a run takes the place of what was stored."""

from types import SimpleNamespace

from gradts_engine.contracts import StoredTrial
from gradts_engine.runtime import gathering
from gradts_engine.runtime.gathering import Gathering


def test_a_pilot_takes_the_place_of_the_same_training_that_was_stored(monkeypatch):
    """Of an earlier version, too, which did not say of which run's seed it is; not that of another seed."""

    def stored(score: float, run_seed: str) -> StoredTrial:
        return StoredTrial(primary="a", auxiliaries=("b",), repeat=0, score=score, run_seed=run_seed)

    made = Gathering.__new__(Gathering)
    made.experiment, made.facts, made.needed = None, SimpleNamespace(seed=3), {"trials"}
    made.stored = [stored(0.1, ""), stored(0.2, "3"), stored(0.3, "4")]
    monkeypatch.setattr(gathering, "pilot_trials", lambda experiment, facts: {"a": ["b"]})
    made.pilots(SimpleNamespace(trials=lambda *of, pilot: [[SimpleNamespace(result={"score": 0.5})]]))
    assert sorted((t.run_seed, t.score) for t in made.stored) == [("3", 0.5), ("4", 0.3)]
