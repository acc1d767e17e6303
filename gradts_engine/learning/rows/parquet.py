"""Parquet files, with the class names that the Hub's data sets keep in them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gradts_engine.contracts import Row
from gradts_engine.errors import UsageError


def parquet(path: Path) -> Iterator[tuple[None, Row]]:
    """The rows; class indices that the file has names for become these, -1 (no label) becomes None."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            if twice := next((name for name, n in Counter(file.schema_arrow.names).items() if n > 1), None):
                raise UsageError(f"{path}: two columns {twice!r}")
            naming = {column: name for column, name in _naming(file.schema_arrow.metadata).items() if name}
            for batch in file.iter_batches():
                for values in batch.to_pylist():
                    for column, name in naming.items():
                        if column in values:
                            values[column] = name(values[column])
                    yield None, values
    except (ArrowException, OSError, ValueError, OverflowError) as error:  # the latter two: text not UTF-8, dates out of range
        reason = str(error).partition("\n")[0]
        raise UsageError(f"{path}: damaged or not a Parquet file: {reason}") from None
    except IndexError as error:
        raise UsageError(f"{path}: {error}") from None


def column_names(path: Path) -> tuple[str, ...]:
    """The columns of a file."""
    from pyarrow import ArrowException
    from pyarrow.parquet import read_schema

    try:
        return tuple(read_schema(path).names)
    except (ArrowException, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"{path}: damaged or not a Parquet file: {reason}") from None


Naming = Callable[[Any], Any]


def _naming(metadata: Mapping[bytes, bytes] | None) -> Mapping[str, Naming | None]:
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return {str(column): _namer(feature) for column, feature in features.items()}
    except (KeyError, TypeError, ValueError, AttributeError):  # none, or of another kind
        return {}


def _namer(feature: Any) -> Naming | None:
    """What to do with the values of a column of this feature, as `datasets` describes it; None: nothing."""
    if isinstance(feature, list) and len(feature) == 1:
        feature = {"feature": feature[0]}
    if not isinstance(feature, Mapping):
        return None
    if feature.get("_type") == "ClassLabel" and isinstance(feature.get("names"), list):
        names = [str(name) for name in feature["names"]]
        return lambda value: class_name(names, value)
    inner = _namer(feature.get("feature"))
    return inner and (lambda values: [inner(value) for value in values] if isinstance(values, list) else values)


def class_name(names: list[str], value: Any) -> Any:
    """A class by its index; None for -1, which stands for no label. Raises IndexError where there is no such class."""
    if not isinstance(value, int):
        return value
    if not -1 <= value < len(names):
        raise IndexError(f"class {value} of {len(names)} ({', '.join(names[:5])}, ...)")
    return names[value] if value >= 0 else None
