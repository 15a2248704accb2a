"""Which line is named for money and which for stock: the table of kinds, and how a kind is told from REST's amounts."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from service.core.lines import LineKind, is_dummy, kind_of, refund_target, restock_targets, units_per_parent
from service.core.orders import LineAmounts, Order, OrderLine, OrderTotals, ShippingAmounts

PARENT, CHILD, OTHER_CHILD = 1, 2, 3


def order_of(*lines):
    return Order(
        entity_id=1,
        increment_id="1",
        store_id=1,
        state="complete",
        status="complete",
        created_at=datetime(2026, 11, 23, tzinfo=UTC),
        currency="USD",
        base_currency="USD",
        payment_method="checkmo",
        base=OrderTotals(),
        shown=OrderTotals(),
        base_shipping=ShippingAmounts(),
        shown_shipping=ShippingAmounts(),
        lines=lines,
    )


def a_line(item_id, product_type="simple", *, price="0", parent=None, qty="1", invoiced=None):
    amounts = LineAmounts(price=Decimal(price), row_invoiced=Decimal(price if invoiced is None else invoiced))
    return OrderLine(
        item_id=item_id,
        parent_item_id=parent,
        product_type=product_type,
        sku=f"SKU-{item_id}",
        qty_ordered=Decimal(qty),
        base=amounts,
        shown=amounts,
    )


STANDALONE = order_of(a_line(PARENT, price="14"))
CONFIGURABLE = order_of(a_line(PARENT, "configurable", price="69"), a_line(CHILD, parent=PARENT))
FIXED = order_of(
    a_line(PARENT, "bundle", price="63", qty="2"),
    a_line(CHILD, parent=PARENT, qty="2"),
    a_line(OTHER_CHILD, parent=PARENT, qty="6"),
)
DYNAMIC = order_of(
    a_line(PARENT, "bundle", price="61", invoiced="0", qty="2"),
    a_line(CHILD, parent=PARENT, price="23", qty="2"),
    a_line(OTHER_CHILD, parent=PARENT, qty="4"),
)


@pytest.mark.parametrize(
    ("order", "item_id", "kind", "refund_by", "restock_by"),
    [
        (STANDALONE, PARENT, LineKind.STANDALONE, PARENT, [PARENT]),
        (CONFIGURABLE, PARENT, LineKind.CONFIGURABLE, PARENT, [CHILD]),
        (CONFIGURABLE, CHILD, LineKind.CONFIGURABLE_CHILD, PARENT, [CHILD]),
        (FIXED, PARENT, LineKind.FIXED_BUNDLE, PARENT, [CHILD, OTHER_CHILD]),
        (FIXED, CHILD, LineKind.FIXED_BUNDLE_CHILD, None, [CHILD]),
        (DYNAMIC, PARENT, LineKind.DYNAMIC_BUNDLE, None, [CHILD, OTHER_CHILD]),
        (DYNAMIC, CHILD, LineKind.DYNAMIC_BUNDLE_CHILD, CHILD, [CHILD]),
        (DYNAMIC, OTHER_CHILD, LineKind.DYNAMIC_BUNDLE_CHILD, OTHER_CHILD, [OTHER_CHILD]),
    ],
)
def test_each_kind_names_its_line_for_money_and_its_lines_for_stock(order, item_id, kind, refund_by, restock_by):
    line = order.line(item_id)

    target = refund_target(order, line)

    assert kind_of(order, line) is kind
    assert (target.item_id if target else None) == refund_by
    assert is_dummy(order, line) == (refund_by != item_id)
    assert [stocked.item_id for stocked in restock_targets(order, line)] == restock_by


@pytest.mark.parametrize("product_type", ["simple", "virtual", "downloadable", "grouped", "giftcard"])
def test_a_line_without_a_family_stands_alone_whatever_its_type(product_type):
    order = order_of(a_line(PARENT, product_type, price="14"))

    assert kind_of(order, order.lines[0]) is LineKind.STANDALONE


def test_a_dynamic_bundle_that_was_not_invoiced_yet_is_told_by_its_parts_prices():
    order = order_of(
        a_line(PARENT, "bundle", price="61", invoiced="0"), a_line(CHILD, parent=PARENT, price="61", invoiced="0")
    )

    assert kind_of(order, order.lines[0]) is LineKind.DYNAMIC_BUNDLE


def test_a_bundle_that_cost_nothing_is_told_by_whether_its_parts_were_calculated():
    parent, part = a_line(PARENT, "bundle"), a_line(CHILD, parent=PARENT)

    fixed = order_of(replace(parent, has_own_amounts=True), part)
    one_of_two = (replace(part, has_own_amounts=True), a_line(OTHER_CHILD, parent=PARENT))
    dynamic = order_of(parent, *one_of_two)

    assert kind_of(fixed, parent) is LineKind.FIXED_BUNDLE
    assert kind_of(dynamic, parent) is LineKind.DYNAMIC_BUNDLE


@pytest.mark.parametrize("amount", ["price", "row_invoiced"])
def test_a_bundle_too_cheap_to_show_in_the_customers_currency_is_told_by_the_books(amount):
    a_cent = LineAmounts(**{amount: Decimal("0.01")})
    parent, part = a_line(PARENT, "bundle"), a_line(CHILD, parent=PARENT)

    dynamic = order_of(parent, replace(part, base=a_cent))
    fixed = order_of(replace(parent, base=a_cent), replace(part, has_own_amounts=True))

    assert kind_of(dynamic, dynamic.line(PARENT)) is LineKind.DYNAMIC_BUNDLE
    assert kind_of(fixed, fixed.line(PARENT)) is LineKind.FIXED_BUNDLE


def test_one_bundle_holds_several_units_of_a_part():
    assert units_per_parent(FIXED, FIXED.line(OTHER_CHILD)) == 3
    assert units_per_parent(FIXED, FIXED.line(PARENT)) == 1


def test_a_child_whose_parent_is_not_on_the_order_stands_alone():
    order = order_of(a_line(CHILD, parent=PARENT, price="5"))

    assert kind_of(order, order.lines[0]) is LineKind.STANDALONE
