"""Tasks of which it is known which help the primary, since their rows are generated so (plugin gradts-planted)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gradts_engine.config.file import as_toml

HELPS, NOT, LESS = "helps", "does not help", "helps less"
"""What is planted. What helps less is a helper that was made worse, and counts for neither."""


@dataclass(frozen=True)
class Candidate:
    """A planted task with its dials set."""

    name: str
    base: str
    planted: str
    options: Mapping[str, Any] = field(default_factory=dict)


def _task(short: str, planted: str, **options: Any) -> Candidate:
    dials = "-".join(f"{key}{value}".replace("_rows", "") for key, value in options.items())
    return Candidate(f"{short}-{dials}" if dials else short, f"planted-{short}", planted, options)


STARS, BETTER, TOPIC = _task("stars", HELPS), _task("better", HELPS), _task("topic", NOT)
SCENARIOS: Mapping[str, tuple[str, tuple[Candidate, ...]]] = {
    "unrelated": ("planted-review", (STARS, BETTER, TOPIC, _task("tense", NOT), _task("names", NOT))),
    "conflicting": ("planted-review", (STARS, TOPIC, _task("literal", NOT), _task("strength", NOT))),
    "degrees": ("planted-review", (STARS, _task("stars", LESS, noise=0.15), _task("stars", NOT, noise=0.5), TOPIC)),
    "duplicates": ("planted-review", (STARS, Candidate("copy", "planted-review", NOT), _task("names", NOT), TOPIC)),
    "sizes": ("planted-review", (_task("stars", LESS, train_rows=48), STARS, _task("topic", NOT, train_rows=1024), TOPIC)),
    "mixtures": ("planted-review", (_task("stars", LESS, mix=0.5), _task("better", LESS, mix=0.5), STARS, TOPIC)),
    "another primary": ("planted-crowd", (_task("headcount", HELPS), _task("larger", HELPS), TOPIC, _task("tense", NOT))),
}
"""Primary and candidates of each."""


@dataclass(frozen=True)
class Plan:
    """What is asked: which encoder and predictors, how many seeds a verdict, how many steps a trial."""

    encoder: str
    predictors: tuple[str, ...]
    seeds: int
    steps: int

    @property
    def marks(self) -> dict[str, Any]:
        """What tells a row of another plan."""
        return {"encoder": self.encoder, "seeds": self.seeds, "steps": self.steps}


def tasks_toml(scenario: str, draw: int, plan: Plan) -> str:
    """The experiment of a scenario, with another draw of its sentences. One look at the dev split, at the end of a trial, so that
    no score is the best of several."""
    primary, candidates = SCENARIOS[scenario]
    head: dict[str, dict[str, Any]] = {
        "run": {"encoder": plan.encoder, "primary": ["primary"], "seed": 2018 + draw},
        "training": {"epochs": 4, "batch_size": 16, "learning_rate": 2e-4, "seeds": plan.seeds},
        "multitask": {"epochs": 1, "steps": plan.steps, "batch_size": 16, "accumulation": 1, "learning_rate": 2e-4},
    }
    tables: list[tuple[str, dict[str, Any]]] = [(f"[{name}]", values) for name, values in head.items()]
    for task in (Candidate("primary", primary, ""), *candidates):
        tables.append((f"[tasks.{as_toml(task.name)}]", {"base": task.base, "options": {**task.options, "seed": draw}}))
    return "\n".join("\n".join([name, *(f"{key} = {as_toml(value)}" for key, value in of.items()), ""]) for name, of in tables)
