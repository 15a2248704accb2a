"""The words of a return: how it names its order and its lines."""

from decimal import Decimal

import pytest

from service.core.returns import OrderReference
from tests.core.builders import a_part, came_back


@pytest.mark.parametrize(
    ("reference", "written"),
    [(OrderReference(increment_id="000000264"), "#000000264"), (OrderReference(entity_id=269), "entity 269")],
)
def test_an_order_is_written_as_it_was_named(reference, written):
    assert str(reference) == written


@pytest.mark.parametrize("names", [{}, {"increment_id": "000000264", "entity_id": 269}], ids=["by none", "by both"])
def test_an_order_is_named_by_exactly_one_of_its_two_numbers(names):
    with pytest.raises(ValueError, match="one of them"):
        OrderReference(**names)


@pytest.mark.parametrize(
    ("sku", "item", "written"),
    [("BAG", None, "BAG"), ("BAG", 510, "item 510 (BAG)"), (None, 510, "item 510")],
)
def test_a_line_is_written_as_its_sender_named_it(sku, item, written):
    assert came_back(sku, item=item).named == written


def test_a_lines_quantity_is_that_of_all_its_parts():
    assert came_back("BAG", parts=[a_part(1), a_part("0.5", "damaged")]).quantity == Decimal("1.5")
