"""A program of its own that reads ONE pickle of numbers from standard input, and runs nothing that the pickle asks for.

Started by `pickles.read_pickle` with the size of the file as argument. It imports the standard library alone and limits its own
memory, time and files first. A pickle is a program that may call whatever it can name. Here it can name what `KNOWN` lists, by
exact module and name, and behind those names stand a few lines of ours, not numpy: an array stays the bytes that it is made of.

Standard output: a line of JSON (`kind` array, numbers or table, or `error`), then the values as bytes, little or big endian as
`dtype` says. Nothing else leaves this process, so nothing has to be unpickled again.
"""

import json
import math
import pickle
import resource
import struct
import sys
from typing import Any

MEMORY = 256 << 20
"""Bytes besides three times those of the file."""
SECONDS = 60
ITEM_SIZES = {"f4": 4, "f8": 8}


def limit(size: int) -> None:
    """No more memory, time, files or processes than reading a pickle of this size takes."""
    memory = MEMORY + 3 * size
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 3),
    ):
        resource.setrlimit(what, (most, most))


class Refused(Exception):
    """What the file holds is not what the published code writes."""


class DType:
    """Stands for `numpy.dtype`: 4 or 8 byte floats, in one of the two byte orders."""

    def __init__(self, name: object, *_: object) -> None:
        if not isinstance(name, str) or name not in ITEM_SIZES:
            raise Refused(f"it holds values of type {name!r}, expected float32 or float64")
        self.name = name
        self.order = "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1] if state[1] in ("<", ">") else "<"

    def __str__(self) -> str:
        return self.order + self.name


class Array:
    """Stands for `numpy.ndarray`: shape, type and bytes, in C order."""

    shape: tuple[int, ...]
    dtype: DType
    data: bytes

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, self.shape, self.dtype, fortran, self.data = state
        if fortran:
            raise Refused("it holds an array in Fortran order, expected C order")


class Known:
    """A callable that a pickle may name and call, and do nothing else with."""

    __slots__ = ("_call",)
    _call: Any

    def __init__(self, call: Any) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: object) -> None:
        raise Refused("it changes what it names")


def frombuffer(data: bytes, dtype: DType, shape: tuple[int, ...], order: str = "C", *_: object) -> Array:
    """Protocol 5 writes arrays so."""
    array = Array()
    array.__setstate__((1, shape, dtype, order == "F", data))
    return array


def scalar(dtype: DType, data: bytes) -> float:
    """A numpy scalar."""
    (value,) = struct.unpack(dtype.order + {"f4": "f", "f8": "d"}[dtype.name], data)
    return float(value)


def encode(text: str, encoding: str) -> bytes:
    """Protocol 2 has no bytes and writes them as text."""
    if encoding != "latin1":
        raise Refused(f"it holds bytes as {encoding!r}")
    return text.encode("latin1")


KNOWN = {
    ("numpy", "ndarray"): Known(None),
    ("numpy", "dtype"): Known(DType),
    ("_codecs", "encode"): Known(encode),
    **{(f"{core}.multiarray", "_reconstruct"): Known(lambda *_: Array()) for core in ("numpy.core", "numpy._core")},
    **{(f"{core}.multiarray", "scalar"): Known(scalar) for core in ("numpy.core", "numpy._core")},
    **{(f"{core}.numeric", "_frombuffer"): Known(frombuffer) for core in ("numpy.core", "numpy._core")},
}


class Unpickler(pickle.Unpickler):
    """Knows `KNOWN`."""

    def find_class(self, module: str, name: str) -> Any:
        """Looks the name up, and imports nothing."""
        if (module, name) not in KNOWN:
            raise Refused(f"it names {module}.{name}, which no array needs")
        return KNOWN[module, name]


def described(value: Any) -> tuple[dict[str, Any], bytes]:
    """The header and the values of what was read."""
    if isinstance(value, Array):
        dtype, shape, data = value.dtype, value.shape, value.data
        if not isinstance(dtype, DType) or not isinstance(shape, tuple) or not isinstance(data, bytes | bytearray):
            raise Refused("it holds an array without a type, a shape or values")
        if not all(type(n) is int and n > 0 for n in shape) or math.prod(shape) * ITEM_SIZES[dtype.name] != len(data):
            raise Refused(f"it holds an array whose shape {list(shape)} does not fit its {len(data)} bytes")
        return {"kind": "array", "dtype": str(dtype), "shape": shape}, bytes(data)
    if isinstance(value, list) and all(type(x) is float for x in value):
        return {"kind": "numbers", "dtype": "<f8", "shape": [len(value)]}, struct.pack(f"<{len(value)}d", *value)
    if isinstance(value, dict) and all(type(k) is str and type(x) is float for k, x in value.items()):
        return {"kind": "table", "dtype": "<f8", "names": list(value)}, struct.pack(f"<{len(value)}d", *value.values())
    raise Refused(f"it holds a {type(value).__name__}, expected an array, a list of numbers or a table of numbers")


def main() -> None:
    """Read, describe, write."""
    limit(int(sys.argv[1]))
    try:
        header, data = described(Unpickler(sys.stdin.buffer).load())
    except Refused as error:
        header, data = {"error": str(error)[:300]}, b""
    except MemoryError:
        header, data = {"error": "it takes more memory than its size allows for"}, b""
    except Exception as error:  # whatever a broken pickle leads to
        header, data = {"error": f"it is damaged ({type(error).__name__})"}, b""
    sys.stdout.buffer.write(json.dumps(header).encode() + b"\n" + data)


if __name__ == "__main__":
    main()
