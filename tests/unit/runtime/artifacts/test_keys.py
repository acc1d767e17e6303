"""Keys of results."""

import json

from hypothesis import given
from hypothesis import strategies as st

from gradts_engine.digests import canonical
from gradts_engine.runtime.artifacts import content_key
from tests.unit.runtime.artifacts.made import same

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
PARTS = st.dictionaries(st.sampled_from(["data", "seed", "settings", "encoder"]), JSON, max_size=4)


def reordered(value):
    """The same JSON value, with the keys of all objects the other way round."""
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@given(PARTS)
def test_order_and_spelling_do_not_matter(parts):
    key = content_key("tune", 1, **parts)
    assert content_key("tune", 1, **reordered(parts)) == key
    for indent, ascii_only in ((None, True), (4, False)):
        assert content_key("tune", 1, **json.loads(json.dumps(parts, indent=indent, ensure_ascii=ascii_only))) == key


@given(PARTS, PARTS)
def test_any_other_part_is_another_key(one, two):
    assert (content_key("tune", 1, **one) == content_key("tune", 1, **two)) == same(one, two)


@given(PARTS.filter(bool), st.data(), JSON)
def test_every_single_part_counts(parts, data, other):
    name = data.draw(st.sampled_from(sorted(parts)))
    changed = parts | {name: other}
    without = {key: value for key, value in parts.items() if key != name}
    assert (content_key("tune", 1, **changed) == content_key("tune", 1, **parts)) == same(changed, parts)
    assert content_key("tune", 1, **without) != content_key("tune", 1, **parts)


def test_stage_and_version_count_and_the_spelling_is_pinned():
    keys = {content_key(stage, version, seed=1) for stage in ("tune", "trial") for version in (1, 2)}
    assert len(keys) == 4
    assert canonical({"b": [1.5, None], "a": "é"}) == b'{"a":"\\u00e9","b":[1.5,null]}'
