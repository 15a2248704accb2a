"""An event in one line, as lists and comparisons show it."""

from decimal import Decimal

from service.commands.event_words import event_words
from service.core.returns import OrderReference, PortalAmount, Receipt, ReturnedPart, ReturnEvent, ReturnLine


def a_line(sku, *parts, **changes):
    said = tuple(ReturnedPart(quantity=Decimal(quantity), disposition=word) for quantity, word in parts)
    return ReturnLine(sku=sku, parts=said, **changes)


def an_event(*lines, **changes):
    order = OrderReference(increment_id="000000101")
    return ReturnEvent(
        **{"event_id": "e", "type": "return.approved", "return_id": "R", "order": order, "lines": lines} | changes
    )


def test_lines_say_their_units_and_what_is_wished():
    said = an_event(
        a_line("A", ("1.0", "sellable"), ("2", "")),
        a_line("B", ("1", ""), keep_item=True, resolution="exchange"),
        fees=Decimal("4.95"),
        currency="USD",
    )

    assert event_words(said) == (
        "return.approved R of order #000000101: 1 × A (sellable), 2 × A (nothing said), "
        "1 × B (nothing said, kept by the customer, exchange), fees 4.95 USD"
    )


def test_receipts_figures_and_discrepancies_are_said():
    receipts = (
        Receipt(id="G1", lines=(a_line("A", ("1", "sellable")),)),
        Receipt(lines=(a_line("B", ("2", "damaged")),)),
    )
    said = an_event(
        receipts=receipts,
        refund_total=PortalAmount(amount=Decimal(9)),
        already_refunded=True,
        discrepancies=("wrong item",),
    )

    assert event_words(said).partition(": ")[2] == (
        "receipt G1: 1 × A (sellable), receipt (no id): 2 × B (damaged), "
        "9.00 in all, says the sender, refunded by the sender already, wrong item"
    )
