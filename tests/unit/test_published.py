"""Pickles that are not what they seem: each is a line of error, exit code 2, and nothing of it has run."""

import os
import pickle
import pickletools
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradts_engine.__main__ import main
from gradts_engine.errors import UsageError
from gradts_engine.published.pickles import read_pickle

MATRIX = np.arange(8, dtype=np.float32).reshape(2, 4) / 8


class Calls:
    """Pickled as a call."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def frame(*parts: bytes) -> bytes:
    return b"\x80\x04" + b"".join(parts) + b"."


def nested(depth: int) -> bytes:
    return frame(b"]" * depth, b"a" * (depth - 1))


def laughs() -> bytes:
    """A list of lists of lists ..., ten of the same each: ten to the power of 40 in all."""
    value: list = []
    for _ in range(40):
        value = [value] * 10
    return pickle.dumps(value)


def with_state(name: bytes, state: object) -> bytes:
    """A global whose state is set."""
    return frame(b"c", name, b"\n", pickle.dumps(state, 2)[2:-1], b"b")


def shaped(*shape: int) -> bytes:
    """Eight bytes as an array of two dimensions."""
    rows, columns = (struct.pack("<i", size) for size in shape)
    values = b"cnumpy._core.numeric\n_frombuffer\n(B" + struct.pack("<I", 8) + b"x" * 8
    return frame(values, b"cnumpy\ndtype\n(X\x02\x00\x00\x00f4tRJ", rows, b"J", columns, b"\x86X\x01\x00\x00\x00CtR")


def hostile(canary: Path) -> dict[str, bytes]:
    command = f"touch {canary}"
    good = pickle.dumps(MATRIX, 4)
    return {
        "a shell": pickle.dumps(Calls(os.system, command)),
        "a shell in a table": pickle.dumps({"rte": Calls(os.system, command)}),
        "a shell, old protocol": pickle.dumps(Calls(os.system, command), 0),
        "eval": pickle.dumps(Calls(eval, f"open({str(canary)!r}, 'w')")),
        "exec through builtins": b"c__builtin__\nexec\n(Vopen(%a, 'w')\ntR." % str(canary),
        "open": pickle.dumps(Calls(open, str(canary), "w")),
        "a path": pickle.dumps(canary),
        "getattr": pickle.dumps(Calls(getattr, "", "join")),
        "a name with a dot": b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93.",
        "numpy's own loader": b"cnumpy\nload\n(V/etc/passwd\ntR.",
        "numpy's runstring": b"cnumpy.testing\nrunstring\n(Vx\n}tR.",
        "instance of os": b"(Vx\nios\nsystem\n.",
        "the state of dtype": with_state(b"numpy\ndtype", {"__setstate__": 1}),
        "the slots of a function": with_state(b"numpy\nndarray", (None, {"_call": 1})),
        "ndarray called": b"cnumpy\nndarray\n)R.",
        "an extension": b"\x80\x02\x82\x01.",
        "a persistent name": b"Pos.system\n.",
        "objects": pickle.dumps(np.array([{}, Calls(os.system, command)], object)),
        "integers": pickle.dumps(np.arange(4)),
        "text": pickle.dumps(np.array(["a"])),
        "structured": pickle.dumps(np.zeros(2, [("a", "f4")])),
        "no values": pickle.dumps(np.zeros((0, 4), np.float32)),
        "a shape that is too large": good.replace(b"K\x02K\x04\x86", b"K\x02K\x7f\x86"),
        "a negative shape": shaped(-1, -2),
        "nested": nested(1_000_000),
        "laughs": laughs(),
        "a long integer": frame(b"\x8b", struct.pack("<i", 2**31 - 1)),
        "bytes that are not there": frame(b"\x8e", struct.pack("<Q", 2**62)),
        "a byte array that is not there": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".",
        "a memo of billions": frame(b"]r", struct.pack("<I", 2**31 - 1)),
        "memory by doubling": frame(b"c_codecs\nencode\n", b"(X", struct.pack("<I", 4), b"aaaaX\x05\x00\x00\x00utf16tR"),
        "a float": pickle.dumps(0.5),
        "a set": pickle.dumps({0.5}),
        "a table of lists": pickle.dumps({"a": [0.5]}),
        "nothing": b"",
        "a stop": b".",
        "a text file": b"hello\n",
        "cut": good[: len(good) // 2],
    }


@pytest.mark.parametrize("name", sorted(hostile(Path("x"))))
def test_a_hostile_pickle_is_an_error_in_a_line_and_runs_nothing(name, tmp_path, capsys):
    canary = tmp_path / "canary"
    source = tmp_path / "gradient_files" / "rte"
    source.mkdir(parents=True)
    (source / "gradient_layer_normal_task.pkl").write_bytes(hostile(canary)[name])
    began = time.monotonic()
    code = main(["import-pickle", str(source.parent), str(tmp_path / "out")])
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "gradient_layer_normal_task.pkl: " in err
    assert not canary.exists()
    assert not (tmp_path / "out").exists()
    assert time.monotonic() - began < 100, "it hangs"


def test_the_canary_would_have_sung(tmp_path):
    """The same bytes, opened as pickles usually are."""
    pickle.loads(hostile(tmp_path / "canary")["a shell"])
    assert (tmp_path / "canary").exists()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("size", [4, 8])
def test_arrays_of_both_byte_orders(order, size, tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(MATRIX.astype(f"{order}f{size}")))
    found = read_pickle(path)
    assert found.dtype == np.dtype(f"f{size}")
    np.testing.assert_array_equal(found, MATRIX)


SEEDS = [
    pickle.dumps(value, protocol)
    for value in (MATRIX, {"rte": np.float64(0.5), "mrpc": np.float64("nan")}, [np.float64(0.25), np.float64(1)])
    for protocol in (2, 4, 5)
]


@settings(max_examples=50)  # each is read in a process of its own
@given(seed=st.sampled_from(SEEDS), data=st.data())
def test_a_damaged_pickle_is_an_error_or_numbers(tmp_path_factory, seed, data):
    path = tmp_path_factory.getbasetemp() / "damaged.pkl"
    content = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        found = read_pickle(path)
    except UsageError:
        return
    values = list(found.values()) if isinstance(found, dict) else found.ravel().tolist()
    assert all(type(x) is float for x in values)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "expected gradient_files/ENCODER"),
        ({"Big/gradient_layer_normal_task.pkl": MATRIX}, "is not that of a task"),
        ({"a/gradient_layer_normal_task.pkl": MATRIX[None]}, "has the shape [1, 2, 4], expected 2 axes"),
        ({"a/gradient_layer_normal_ins.pkl": MATRIX}, "has the shape [2, 4], expected 3 axes"),
        ({"a/gradient_layer_normal_task.pkl": {"x": 0.5}}, "has a table, expected 2 axes"),
        ({"a/gradient_layer_normal_task.pkl": MATRIX, "b/gradient_layer_normal_task.pkl": MATRIX.T.copy()}, "different sizes"),
        ({"x/a/gradient_layer_normal_task.pkl": MATRIX, "y/a/gradient_layer_normal_task.pkl": MATRIX}, "one encoder at a time"),
        ({"a/gradient_correlation/task_level_corr.pkl": {"../x": 0.5}}, "expected tau by the names of tasks"),
        ({"a/gradient_correlation/task_level_corr.pkl": MATRIX}, "expected tau by the names of tasks"),
    ],
)
def test_folders_that_are_not_published(files, message, tmp_path, capsys):
    source = tmp_path / "gradient_files"
    source.mkdir()
    for name, value in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(pickle.dumps(value))
    assert main(["import-pickle", str(source), str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err


def test_correlations_of_other_matrices_are_told(tmp_path, capsys):
    source = tmp_path / "gradient_files"
    files = {
        "a/gradient_layer_normal_task.pkl": MATRIX,
        "b/gradient_layer_normal_task.pkl": MATRIX[::-1].copy(),
        "a/gradient_correlation/task_level_corr.pkl": {"b": np.float64(0.9), "gone": np.float64(0.1)},
    }
    for name, value in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(pickle.dumps(value))
    assert main(["import-pickle", str(source), str(tmp_path / "out")]) == 1
    assert "1 of 1 published correlations are not those of the published matrices" in capsys.readouterr().err
    assert main(["import-pickle", str(source), str(tmp_path / "out")]) == 2
    assert "is not empty" in capsys.readouterr().err


def test_the_examples_are_pickles():
    """Those that are broken on purpose aside: what is refused is refused for what it does, not for its spelling."""
    broken = {
        "nothing",
        "a stop",
        "a text file",
        "cut",
        "a long integer",
        "bytes that are not there",
        "a byte array that is not there",
    }
    for name, content in (hostile(Path("x")) | {"nested": nested(1_000)}).items():
        if name not in broken:
            list(pickletools.genops(content))
