"""The answer for a primary in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from gradts_engine import words
from gradts_engine.report.records import Chosen, Expected, Judgement, PrimaryResults, Trial

FEW = 100
"""Judging rows below which that is said: the share of right answers then has a standard error of up to 5 points."""

NO_FINALIST = "not a finalist"
"""Why a trial has no verdict where others have one."""

NAMED = 3
"""Such trials that are named in a sentence."""


def answer(primary: str, found: PrimaryResults) -> str:
    """What to train `primary` with, as far as the run knows, what that gains, and how sure that is; plain text, as short as it is
    true."""
    chosen = found.proposed if found.confirmed is None else found.confirmed
    if chosen is None:
        return f"No answer for {primary} yet: the run has not come so far."
    judged = found.verdicts.get(" + ".join(a.task for a in chosen)) if chosen else None
    if found.confirmed is None:
        said = [f"Proposed for {primary}: {_with(chosen)}."]
    elif chosen:
        said = [f"Train {primary} {_with(chosen)}."]
    else:
        said = [f"Train {primary} alone: {_why_alone(found)}."]
    if judged:
        said.append(_judged(judged))
    elif not chosen:
        said += [f"{name}: {_open(v)}." for name, v in found.verdicts.items() if v.verdict == "undecided"]
    said += [*_scores(primary, found), *_few(found)]
    return " ".join([*said, *(["Nobody has confirmed it yet."] if found.confirmed is None else [])])


def _with(chosen: tuple[Chosen, ...]) -> str:
    names = [f"{a.task} ({a.instances} instances)" for a in chosen]
    return f"with {', '.join(names)}" if names else "alone"


def _why_alone(found: PrimaryResults) -> str:
    if any(v.verdict == "helps" for v in found.verdicts.values()):
        return "no auxiliary was chosen"
    if found.verdicts:
        return "no candidate is shown to help"
    tried = not found.proposed and len(found.trials) > 1
    return "no candidate helped in the trials" if tried else "no auxiliary was chosen"


def _judged(v: Judgement) -> str:
    """A sentence on the verdict of what was chosen."""
    if v.verdict == "undecided":
        return f"Whether that helps is undecided: {_open(v)}."
    says = {"helps": "That helps", "hurts": "That hurts", "neutral": "That makes no difference that counts"}
    rows = f" and {words.count(v.rows, 'dev row')}" if v.rows else ""
    return f"{says.get(v.verdict, v.verdict)}: {_gain(v)} on {words.count(v.seeds, 'fresh seed')}{rows}."


def _gain(v: Judgement) -> str:
    return words.points(v.gain, v.low, v.high) if v.gain is not None else "the gain is not known"


def _open(v: Judgement) -> str:
    """What is known of what is undecided, and what it would take to know."""
    return f"{_gain(v)}; {to_know(v)}"


def to_know(v: Judgement) -> str:
    """What it would take to decide what is undecided."""
    if v.more is None and v.gain is None:
        return "it cannot be judged on so few dev rows, or the metric has no value on them"
    if v.more is None:
        return f"no number of seeds would tell on {v.rows} dev rows"
    time = f", about {words.duration(v.seconds)}," if v.seconds else ""
    return f"{words.count(v.more, 'more seed')}{time} would tell if the gain stays as it is"


def _scores(primary: str, found: PrimaryResults) -> list[str]:
    """Sentences on what was seen, and what is to be expected."""
    final, metric = found.final, found.judged_by or found.metric
    if final is None or final.score is None:
        return [f"Dev {metric} is {expected(found.expected)}."] if found.expected else []
    luck = f", {expected(found.expected)}" if found.expected else ""
    if not found.confirmed:
        return [f"Dev {metric} {words.score(final.score)}{luck}."] if luck else []
    gains = []
    if final.alone is not None:
        gains = [f"Dev {metric} {words.score(final.score)}, {words.gain(final.score, final.alone)} against {primary} alone{luck}"]
    if final.test is not None and final.alone_test is not None:
        gains.append(f"test {words.score(final.test)}, {words.gain(final.test, final.alone_test)}")
    return [f"{'; '.join(gains)}."] if gains else []


def expected(e: Expected) -> str:
    """What to expect of one of several, in words."""
    return words.expected(e.score, e.gain, e.of, e.how)


def _few(found: PrimaryResults) -> list[str]:
    rows = min((v.rows for v in found.verdicts.values() if v.rows), default=FEW)
    return [f"Only {rows} dev rows judged: small gains cannot be seen on so few."] if rows < FEW else []


def unjudged(trials: Iterable[Trial], judged: Iterable[str]) -> dict[str, str]:
    """Why what was tried is not among the `judged` (names, several as `a + b`), where anything is; the best on its first seed
    comes first, as it is the one that is missed."""
    known = {frozenset(name.split(" + ")) for name in judged}
    scores: dict[tuple[str, frozenset[tuple[str, int]]], list[float | None]] = {}
    for trial in trials:
        if trial.auxiliaries and known and frozenset(trial.auxiliaries) not in known:
            scores.setdefault((" + ".join(trial.auxiliaries), frozenset(trial.instances.items())), []).append(trial.score)
    order = sorted(scores, key=lambda tried: (scores[tried][0] is None, -(scores[tried][0] or 0.0)))
    several = Counter(name for name, _ in scores)
    named = {(name, of): f"{name}, {sum(dict(of).values())} rows" if several[name] > 1 else name for name, of in order}
    return {named[tried]: f"{NO_FINALIST}: {_seen(scores[tried])}" for tried in order}


def _seen(scores: list[float | None]) -> str:
    """What trials of several seeds came to."""
    valid = [score for score in scores if score is not None]
    if len(valid) < len(scores):
        return "a trial failed"
    return f"dev {words.score(sum(valid) / len(valid))} on {words.count(len(valid), 'seed')}"


def without_verdict(unjudged: Mapping[str, str]) -> str:
    """A sentence on them; empty where there is none."""
    if not unjudged:
        return ""
    named = [f"{name} ({why.partition(': ')[2]})" for name, why in list(unjudged.items())[:NAMED]]
    more = [f"{len(unjudged) - NAMED} more"] if len(unjudged) > NAMED else []
    return (
        f"No verdict on {', '.join([*named, *more])}: only finalists are judged, "
        "which are the best by mean dev score of those that were tried on most seeds."
    )
