"""Bodies that two readers could understand differently, or that cost a reader too much, are unreadable."""

import time
from decimal import Decimal

import pytest

from service.errors import Unreadable
from service.sources import Limits
from service.sources.json_body import read_json_object

LIMITS = Limits()


def test_numbers_are_exact():
    assert read_json_object(b'{"a": 0.1, "b": 12345678901234567890, "c": 1e2}', LIMITS) == {
        "a": Decimal("0.1"),
        "b": 12345678901234567890,
        "c": Decimal("1e2"),
    }


@pytest.mark.parametrize("raw", [b'\xef\xbb\xbf{"a": 1}', b' \n{"a": 1}\t\n', b'{"\\u0061": 1}'])
def test_spellings_of_one_object_are_one_object(raw):
    assert read_json_object(raw, LIMITS) == {"a": 1}


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"[]", "an array, not an object"),
        (b"null", "null, not an object"),
        (b"true", "true or false, not an object"),
        (b"7", "a number, not an object"),
        (b"7.5", "a number, not an object"),
        (b'"text"', "a string, not an object"),
        (b"hello", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b'{"a": 1} {"a": 1}', "not JSON"),
        (b'{"a": "tab\there"}', "not JSON"),
        (b"\xef\xbb\xbf", "not JSON"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'\xff\xfe{\x00"\x00', "not UTF-8"),
        (b'{"a": 1, "a": 2}', "'a' stands twice"),
        (b'{"x": {"a": 1, "b": 2, "a": 1}}', "'a' stands twice"),
        (b'{"a": 1, "\\u0061": 2}', "'a' stands twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": Infinity}', "Infinity"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": ' + b"9" * 41 + b"}", "41 characters"),
        (b'{"a": ' + b"9" * 5000 + b"}", "5000 characters"),
        (b'{"a": 0.' + b"9" * 5000 + b"}", "5002 characters"),
        (b'{"a": 1e9999999999999999999}', "exponent"),
        (b'{"a": ' + b"[" * 32 + b"]" * 32 + b"}", "deeper than 32"),
        (b"[" * 1_000_000, "deeper than 32"),
        (b'{"a":' * 100_000, "deeper than 32"),
    ],
)  # fmt: skip
def test_what_is_not_one_clear_object_is_unreadable_with_its_reason(raw, problem):
    with pytest.raises(Unreadable, match=problem) as refused:
        read_json_object(raw, LIMITS)

    assert refused.value.context["remedy"]


def test_brackets_inside_strings_and_beside_each_other_are_not_depth():
    body = read_json_object(b'{"a": "[[\\"[[' + b"[" * 50 + b'", "b": [' + b",".join([b"[]"] * 50) + b"]}", LIMITS)

    assert len(body["b"]) == 50


def test_the_depth_limit_is_the_operators():
    with pytest.raises(Unreadable, match="deeper than 2"):
        read_json_object(b'{"a": {"b": []}}', Limits(json_depth=2))


@pytest.mark.parametrize("raw", [b'"\\"' * 300_000, b'\\"' * 500_000, b"[]" * 500_000, b'"' + b"\\" * 1_000_000])
def test_a_megabyte_made_to_be_slow_is_not(raw):
    started = time.perf_counter()

    with pytest.raises(Unreadable):
        read_json_object(raw, LIMITS)

    assert time.perf_counter() - started < 5
