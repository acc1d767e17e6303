"""Texts with labels, as files."""

import json

WORDS = "good bad fine awful great poor nice dull film book play song is was seems".split()


def texts(count, start=0):
    """Different sentences."""
    n = len(WORDS)
    return [f"{WORDS[i % n]} {WORDS[i // n % n]} {WORDS[i // n // n % n]}" for i in range(start, start + count)]


def save(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def labelled(found, labels):
    return [{"text": text, "label": labels[i % len(labels)]} for i, text in enumerate(found)]


def planned(place, task="t"):
    found = place("plan --json", str(place.config))
    assert found.code == 0, found.err
    return next(one for one in found.json["tasks"] if one["task"] == task)


def place_free(place, command):
    """The output of a command that has no store."""
    from gradts_engine.__main__ import main

    place.capture.readouterr()
    assert main(command.split()) == 0
    return place.capture.readouterr().out
