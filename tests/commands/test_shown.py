"""Columns that line up, and texts that are never cut off."""

from datetime import UTC, datetime

import pytest

from service.commands.shown import fields, moment, readable, table


def test_columns_line_up():
    lines = list(table(("id", "amount", "why"), [("ret_1", "22.00", "a"), ("ret_100", "5.00", "b")], width=80))

    assert lines == ["ID       AMOUNT  WHY", "ret_1    22.00   a", "ret_100  5.00    b"]


def test_a_long_last_column_is_wrapped_under_itself():
    lines = list(table(("id", "why"), [("ret_1", "one two three four five six seven")], width=32))

    assert lines == ["ID     WHY", "ret_1  one two three four five", "       six seven"]


def test_every_word_of_a_long_text_is_shown():
    text = "supercalifragilisticexpialidocious " * 5

    shown = " ".join(" ".join(table(("id", "why"), [("ret_1", text)], width=40)).split())

    assert shown.count("supercalifragilisticexpialidocious") == 5


def test_an_empty_cell_leaves_its_column_blank():
    assert list(table(("a", "b", "c"), [(None, "", "x")], width=80))[1] == "      x"


def test_a_line_feed_in_a_cell_does_not_end_its_row():
    assert list(table(("name", "may"), [("a\nb", "read")], width=80)) == ["NAME  MAY", "a b   read"]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("5\u202e00.1", "5\\u202e00.1"),
        ("Grüße 大 😀\tx\u00a0y", "Grüße 大 😀\tx\u00a0y"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_as_what_it_is(said, shown):
    assert readable(said) == shown


def test_fields_without_a_value_are_left_out():
    assert list(fields([("state", "done"), ("why", ""), ("memo", None), ("tries", 0)])) == ["state  done"]


def test_times_are_utc_to_the_second():
    assert moment(datetime(2026, 11, 23, 9, 0, 0, 5, tzinfo=UTC)) == "2026-11-23 09:00:00Z"
    assert moment(None) == ""
