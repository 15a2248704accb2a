"""The id that an event gets by what it says: the same for a repeat, another as soon as it asks for something else."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from service.core.content_id import content_id
from service.core.returns import Doubt, Receipt
from tests.core.builders import TODAY, a_part, a_return, came_back

EVENT = a_return(came_back("24-MB01", "2"), fees=Decimal("4.95"), currency="USD").event
LINE = EVENT.lines[0]


def test_it_is_known_for_what_it_is_and_stays_the_same_in_every_version():
    # Written down: ids are kept in databases, and another for the same words would refuse a repeat as a contradiction.
    assert content_id(EVENT) == "content-26d8a3051d6e15659d782bed3ffbd2c3"
    assert content_id(replace(EVENT, return_id="RMA-ä")) == "content-47e0adfe15e7bc89ce9b27a50edca0f8"


@pytest.mark.parametrize(
    "again",
    [
        replace(EVENT, event_id="evt_0002"),
        replace(EVENT, occurred_at=TODAY + timedelta(days=1)),
        replace(EVENT, lines=(replace(LINE, reason="too small after all"),)),
        replace(EVENT, fees=Decimal("4.950")),
        replace(EVENT, lines=(came_back("24-MB01", "2.0"),)),
        replace(EVENT, id_is_of_content=True),
        replace(EVENT, doubts=(Doubt(code="receipt-clash", text="rcv-1 says something else"),)),
    ],
    ids=[
        "another id",
        "said later",
        "a reason reworded",
        "a zero more",
        "a unit written otherwise",
        "known by content",
        "doubted",
    ],
)
def test_what_changes_without_the_return_changing_leaves_it(again):
    assert content_id(again) == content_id(EVENT)


@pytest.mark.parametrize(
    "other",
    [
        replace(EVENT, return_id="RMA-1002"),
        replace(EVENT, type="return.completed"),
        replace(EVENT, fees=Decimal("4.96")),
        replace(EVENT, currency="EUR"),
        replace(EVENT, lines=(came_back("24-MB01", "1"),)),
        replace(EVENT, lines=(came_back("24-MB01", "2", "damaged"),)),
        replace(EVENT, lines=(LINE, LINE)),
        replace(EVENT, lines=(came_back("24-MB01", parts=[a_part("1"), a_part("1", "damaged")]),)),
        replace(EVENT, lines=()),
        replace(EVENT, already_refunded=True),
        replace(EVENT, receipts=(Receipt(id="rcv-1", lines=EVENT.lines),)),
    ],
    ids=[
        "return",
        "type",
        "fees",
        "currency",
        "units",
        "disposition",
        "a line more",
        "a line split",
        "no line",
        "paid by the sender",
        "a receipt",
    ],
)
def test_what_asks_for_something_else_is_another(other):
    assert content_id(other) != content_id(EVENT)
