"""Which order line is named to give money back, and which to put goods back on the shelf.

Magento keeps a configurable or a bundle as a parent line and child lines, and only one of the two carries the money: it
refuses a refund that names the other. Stock hangs on what was picked, so it is the other way round.
Source: recordings/configurable-by-child-refused.json, bundle-dynamic-by-children.json,
bundle-fixed-parent-then-child.json; Magento 2.4.6 Order Item::isDummy.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from service.core.orders import Order, OrderLine


class LineKind(StrEnum):
    STANDALONE = "standalone"  # simple, virtual, downloadable, gift card, member of a group: no family
    CONFIGURABLE = "configurable"
    CONFIGURABLE_CHILD = "configurable child"
    FIXED_BUNDLE = "fixed-price bundle"
    FIXED_BUNDLE_CHILD = "part of a fixed-price bundle"
    DYNAMIC_BUNDLE = "dynamic-price bundle"
    DYNAMIC_BUNDLE_CHILD = "part of a dynamic-price bundle"


class By(StrEnum):
    ITSELF = "itself"
    PARENT = "its parent"
    CHILDREN = "its children"
    NOTHING = "nothing: only the whole bundle"


class Handling(NamedTuple):
    refunds_by: By
    restocks_by: By


HANDLING: dict[LineKind, Handling] = {
    LineKind.STANDALONE: Handling(By.ITSELF, By.ITSELF),
    LineKind.CONFIGURABLE: Handling(By.ITSELF, By.CHILDREN),
    LineKind.CONFIGURABLE_CHILD: Handling(By.PARENT, By.ITSELF),
    LineKind.FIXED_BUNDLE: Handling(By.ITSELF, By.CHILDREN),
    LineKind.FIXED_BUNDLE_CHILD: Handling(By.NOTHING, By.ITSELF),
    LineKind.DYNAMIC_BUNDLE: Handling(By.CHILDREN, By.CHILDREN),
    LineKind.DYNAMIC_BUNDLE_CHILD: Handling(By.ITSELF, By.ITSELF),
}


def kind_of(order: Order, line: OrderLine) -> LineKind:
    """By family, never by SKU: one SKU can be a simple line, a hidden child and a bundle part at once."""
    parent = parent_of(order, line)
    if parent is not None:
        if parent.product_type == "configurable":
            return LineKind.CONFIGURABLE_CHILD
        return LineKind.DYNAMIC_BUNDLE_CHILD if _children_carry_prices(order, parent) else LineKind.FIXED_BUNDLE_CHILD
    if line.product_type == "configurable":
        return LineKind.CONFIGURABLE
    if not order.children_of(line):
        return LineKind.STANDALONE
    return LineKind.DYNAMIC_BUNDLE if _children_carry_prices(order, line) else LineKind.FIXED_BUNDLE


def refund_target(order: Order, line: OrderLine) -> OrderLine | None:
    """The line to name when money for `line` goes back.

    None where no single line can be named: a dynamic bundle is refunded by its parts (`children_of`, each times
    `units_per_parent`), and a part of a fixed-price bundle has no price of its own.
    """
    by = HANDLING[kind_of(order, line)].refunds_by
    if by is By.ITSELF:
        return line
    return parent_of(order, line) if by is By.PARENT else None


def restock_targets(order: Order, line: OrderLine) -> tuple[OrderLine, ...]:
    """The lines to name in `return_to_stock_items` when units of `line` go back on the shelf."""
    by = HANDLING[kind_of(order, line)].restocks_by
    return order.children_of(line) if by is By.CHILDREN else (line,)


def is_dummy(order: Order, line: OrderLine) -> bool:
    """Whether the line carries no money of its own: Magento leaves it out of every sum and refuses it in a request."""
    return HANDLING[kind_of(order, line)].refunds_by is not By.ITSELF


def units_per_parent(order: Order, child: OrderLine) -> Decimal:
    """How many units of `child` are in one unit of its parent; 1 for a line without a parent."""
    parent = parent_of(order, child)
    return child.qty_ordered / parent.qty_ordered if parent is not None and parent.qty_ordered else Decimal(1)


def parent_of(order: Order, line: OrderLine) -> OrderLine | None:
    return None if line.parent_item_id is None else order.line(line.parent_item_id)


def _children_carry_prices(order: Order, bundle: OrderLine) -> bool:
    """Dynamic or fixed price? REST does not say, so the amounts must.

    `price` is not asked: newer versions copy the parent's to children. A bundle that cost nothing at all is told by
    whether Magento calculated its children. A part of a dynamic bundle may be free: one priced part decides for all.
    """
    children = order.children_of(bundle)
    if any(child.base.price or child.base.row_invoiced for child in children):
        return True
    if bundle.base.price or bundle.base.row_invoiced:
        return False
    return any(child.has_own_amounts for child in children)
