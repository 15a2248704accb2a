"""Which returned units go back to stock, and what may not be decided by a machine.

`return_to_stock_items` names order items and has no quantities, so units of one line that differ become two calls. A
unit that never left the warehouse must be named: unlisted, Magento takes a unit off the shelf that never left it.
Named, it only takes back the reservation that the order holds and leaves the shelf alone; so that is right as well
where a warehouse system counts the shelves and has not told Magento of the shipment.
Source: recordings/restock-simple-shipped-and-not.json, restock-partly-shipped.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from service.core.lines import parent_of
from service.core.orders import Order, OrderLine
from service.core.plan import Note, Question
from service.core.policy import SourcePolicy, StockOwner
from service.core.wording import units

ZERO = Decimal(0)


class Shelf(StrEnum):
    """What is said to Magento of a returned unit."""

    NAMED = "named in return_to_stock_items"
    UNNAMED = "not named"
    PERSON = "a person decides"


@dataclass(frozen=True, kw_only=True, slots=True)
class StockRule:
    """`sellable` and `shipped` None: either way."""

    owner: StockOwner
    sellable: bool | None
    shipped: bool | None
    then: Shelf
    because: str


#: First match decides. A line ships unit by unit: those that Magento has not shipped are refunded first.
STOCK_RULES = (
    StockRule(
        owner=StockOwner.MAGENTO,
        sellable=True,
        shipped=None,
        then=Shelf.NAMED,
        because="Magento puts it back, or frees what it had reserved",
    ),
    StockRule(
        owner=StockOwner.MAGENTO, sellable=False, shipped=True, then=Shelf.UNNAMED, because="it is not fit for sale"
    ),
    StockRule(
        owner=StockOwner.MAGENTO,
        sellable=False,
        shipped=False,
        then=Shelf.PERSON,
        because="unnamed, Magento would take a unit off the shelf that never left it",
    ),
    StockRule(
        owner=StockOwner.WMS,
        sellable=None,
        shipped=True,
        then=Shelf.UNNAMED,
        because="the warehouse system puts it back and tells Magento: restocked here it would count twice",
    ),
    StockRule(
        owner=StockOwner.WMS,
        sellable=None,
        shipped=False,
        then=Shelf.NAMED,
        because="frees what Magento had reserved and leaves the shelf's count to the warehouse system",
    ),
    StockRule(
        owner=StockOwner.NONE, sellable=None, shipped=True, then=Shelf.UNNAMED, because="nothing goes back to stock"
    ),
    StockRule(
        owner=StockOwner.NONE,
        sellable=None,
        shipped=False,
        then=Shelf.PERSON,
        because="unnamed, Magento would take a unit off the shelf that never left it",
    ),
)


def choose_shelf(owner: StockOwner, *, sellable: bool, shipped: bool) -> StockRule:
    return next(
        rule
        for rule in STOCK_RULES
        if rule.owner is owner and rule.sellable in (None, sellable) and rule.shipped in (None, shipped)
    )


def is_restocked(disposition: str, policy: SourcePolicy) -> bool:
    """Whether a shipped unit is named: never for an unknown word or none, nor where others own the stock."""
    sellable = disposition.strip().lower() in policy.restock
    return choose_shelf(policy.stock_owner, sellable=sellable, shipped=True).then is Shelf.NAMED


def names_unshipped(policy: SourcePolicy) -> bool:
    """Whether units that are not fit for sale are named all the same where Magento has not shipped them."""
    return choose_shelf(policy.stock_owner, sellable=False, shipped=False).then is Shelf.NAMED


def note_stock(subject: str, disposition: str, policy: SourcePolicy) -> Note:
    word = disposition.strip()
    if policy.stock_owner is not StockOwner.MAGENTO:
        rule = choose_shelf(policy.stock_owner, sellable=False, shipped=True)
        text = f"not restocked (stock_owner = {policy.stock_owner}): {rule.because}"
        return Note(rule="stock.not_restocked", subject=subject, text=text)
    if is_restocked(disposition, policy):
        return Note(rule="stock.restocked", subject=subject, text=f"'{word}' goes back to stock")
    because = (
        f"'{word}' is not one of {', '.join(policy.restock) or 'no words'}"
        if word
        else "nothing was said of its condition"
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
