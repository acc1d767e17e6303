"""What is read of a file."""

import pytest

from gradts_engine.contracts import Dialect
from gradts_engine.errors import UsageError
from gradts_engine.learning.rows import read_rows

TWO = [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}]


def values(source, **dialect):
    return [dict(record.values) for record in read_rows(source, None, Dialect(**dialect))]


def fails(source, needs=(), **dialect) -> str:
    with pytest.raises(UsageError) as caught:
        list(read_rows(source, None, Dialect(**dialect), needs))
    assert "\n" not in str(caught.value)
    return str(caught.value)
