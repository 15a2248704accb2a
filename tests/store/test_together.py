"""A group of deliveries is stored by a few statements, and looks as if each had come alone."""

from dataclasses import replace

import pytest
from sqlalchemy import exc as sql

from service.store.inbox import _receive, _receive_group
from service.store.together import insert_together
from tests.store.examples import delivery


@pytest.fixture
def database():
    return "sqlite"


def test_a_group_leaves_the_same_rows_as_one_after_the_other(store):
    with store.database.write() as tx:
        alone = [_receive(tx, delivery(f"alone-{number}")) for number in range(3)]
        group = _receive_group(tx, [delivery(f"group-{number}") for number in range(3)])

    assert [each.delivery_id for each in group] == [alone[-1].delivery_id + number for number in (1, 2, 3)]
    for number in range(3):
        first, second = alone[number].delivery_id, group[number].delivery_id
        expected = replace(store.inbox.delivery(first), id=second, delivery_key=f"group-{number}")
        assert store.inbox.delivery(second) == expected
        (entry,), (other) = store.journal.of(delivery_id=second), store.journal.of(delivery_id=first)
        assert entry == replace(other[0], id=entry.id, delivery_id=second)


def test_one_that_is_known_is_recognised_and_the_others_are_stored(store):
    known = store.inbox.receive(delivery("known"))
    with store.database.write() as tx:
        new, again, twice, twin = _receive_group(
            tx, [delivery("new"), delivery("known"), delivery("twice"), delivery("twice")]
        )

    assert (again.delivery_id, again.duplicate) == (known.delivery_id, True)
    assert not new.duplicate
    assert not twice.duplicate
    assert (twin.delivery_id, twin.duplicate) == (twice.delivery_id, True)
    assert store.inbox.delivery(known.delivery_id).redeliveries == 1


def test_a_known_key_leaves_nothing_of_its_group_behind(store):
    store.inbox.receive(delivery("known"))
    with store.database.write() as tx, pytest.raises(sql.IntegrityError):
        insert_together(tx, [delivery("new"), delivery("known")])

    assert [each.delivery_key for each in store.inbox.list()] == ["known"]


def test_a_group_never_takes_the_number_of_a_delivery_that_is_gone(store):
    last = store.inbox.receive(delivery("gone"))
    with store.database.write() as tx:
        tx._cursor.execute("DELETE FROM deliveries")
        group = _receive_group(tx, [delivery("a"), delivery("b")])

    assert [each.delivery_id for each in group] == [last.delivery_id + 1, last.delivery_id + 2]
