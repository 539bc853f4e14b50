"""What does not fit a stranger's schema, without a schema that can do anything to who checks."""

import pytest

from connectors.schemas import ForeignSchema

SLOW = "(a+)+$"
WORD = "a" * 40 + "!"
BRANCHES = {f"n{n}": {"anyOf": [{"$ref": f"#/$defs/n{n + 1}"}, {"$ref": f"#/$defs/n{n + 1}"}]} for n in range(40)} | {
    "n40": {"type": "integer"}
}


def wrong(value, schema, **more):
    return [p.message for p in ForeignSchema(schema, **more).problems(value)]


def test_what_certainly_does_not_fit_is_told_and_not_more_than_was_asked_for():
    schema = {"type": "object", "required": ["a"], "additionalProperties": False, "properties": {"a": {"minimum": 3}}}
    assert wrong({"a": 4}, schema) == []
    assert wrong({"a": 1}, schema) == ["1 is less than the minimum of 3"]
    assert len(wrong({"b": 1}, schema)) == 2
    assert wrong({"pattern": 1}, {"properties": {"pattern": {"type": "string"}}}) == ["1 is not of type 'string'"]
    assert len(ForeignSchema({"items": {"type": "string"}}).problems(list(range(50)), 6)) == 6


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"x": {"pattern": SLOW}}},
        {"patternProperties": {SLOW: {}}, "additionalProperties": False},
        {"patternProperties": {SLOW: {}}, "unevaluatedProperties": False},
        {"propertyNames": {"pattern": SLOW}},
        {"properties": {"x": {"format": "regex"}}},
        {"properties": {"x": {"oneOf": [{"pattern": "^b"}, {"pattern": SLOW}]}}},
        {"properties": {"x": {"not": {"pattern": "^b"}}}},
        {"if": {"properties": {"x": {"pattern": "^b"}}}, "then": False},
        {"$ref": "#/default", "default": {"properties": {"x": {"pattern": SLOW}}}},
        {"properties": {"x": {"$schema": "https://json-schema.org/draft/2020-12/schema", "pattern": SLOW}}},
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "properties": {"x": {"pattern": SLOW}, "y": {"$ref": "#"}},
        },
    ],
)
def test_no_pattern_of_a_stranger_is_run_and_none_that_was_not_run_counts(schema):
    assert wrong({"x": WORD, WORD: 1, "y": {"x": WORD}}, schema, formats=True) == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "https://example.com/schema.json"},
        {"$schema": ["no", "name"], "type": "object"},
        {"type": {"no": "type"}},
        {"required": 5},
        {"$ref": "#/$defs/n0", "$defs": BRANCHES},
        {"properties": {"x": {"enum": [f"{n}" for n in range(10_000)]}}, "additionalProperties": {"$ref": "#"}},
    ],
)
def test_a_schema_that_cannot_be_used_is_as_good_as_none(schema):
    assert wrong({"x": "7"}, schema) == []


def test_dialects_keep_their_own_words():
    seven = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}, {"type": "integer"}]}
    assert wrong(["a", "b"], seven) == ["'b' is not of type 'integer'"]
    assert wrong(["a", 1], seven) == []


def test_formats_are_judged_where_that_is_wanted():
    assert wrong("soon", {"format": "date"}) == []
    assert wrong("soon", {"format": "date"}, formats=True) == ["'soon' is not a 'date'"]
