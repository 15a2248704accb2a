"""Which returned units go back to stock, and what may not be decided by a machine.

`return_to_stock_items` names order items and has no quantities, so units of one line that differ become two calls. A
unit that never left the warehouse must be named: unlisted, Magento takes a unit off the shelf that never left it.
Source: recordings/restock-simple-shipped-and-not.json, restock-partly-shipped.json.
"""

from __future__ import annotations

from decimal import Decimal

from service.core.lines import parent_of
from service.core.orders import Order, OrderLine
from service.core.plan import Note, Question
from service.core.wording import units

ZERO = Decimal(0)


def goes_back(disposition: str, restock: tuple[str, ...]) -> bool:
    """True only for a configured word; an unknown word, or none, never puts goods on the shelf."""
    return disposition.strip().lower() in restock


def note_stock(subject: str, disposition: str, restock: tuple[str, ...]) -> Note:
    word = disposition.strip()
    if goes_back(disposition, restock):
        return Note(rule="stock.restocked", subject=subject, text=f"'{word}' goes back to stock")
    because = (
        f"'{word}' is not one of {', '.join(restock) or 'no words'}" if word else "nothing was said of its condition"
    )
    return Note(rule="stock.not_restocked", subject=subject, text=f"not restocked: {because}")


def unshipped_units(order: Order, line: OrderLine, refunded: Decimal) -> Decimal:
    """Units of a line that are still on the shelf. Magento takes refunded units from the unshipped ones first."""
    if line.is_virtual:
        return ZERO
    # What ships separately counts on the children, in their units.
    by_children = [
        child.qty_shipped * line.qty_ordered / child.qty_ordered
        for child in order.children_of(line)
        if child.qty_ordered
    ]
    shipped = max([line.qty_shipped, *by_children])
    parent = parent_of(order, line)
    if parent is not None and shipped == 0 and parent.qty_shipped > 0:
        # A kit that ships together counts on the kit's line only.
        shipped = parent.qty_shipped * line.qty_ordered / parent.qty_ordered
    return max(line.qty_ordered - line.qty_canceled - shipped - refunded, ZERO)


def question_unshipped(order: Order, line: OrderLine, *, discarded: Decimal, refunded: Decimal) -> Question | None:
    """A question if units that are not to be restocked would be taken from a shelf they never left."""
    unshipped = unshipped_units(order, line, refunded)
    if discarded <= 0 or unshipped <= 0:
        return None
    return Question(
        code="unsellable-but-unshipped",
        subject=line.sku,
        text=(
            f"{units(discarded)} of '{line.sku}' came back not fit for sale, but Magento says that "
            f"{units(unshipped)} never left: refunded without restocking, Magento would take the stock of goods "
            "that are still on the shelf. Create the missing shipment in Magento and retry, or refund by hand."
        ),
    )
