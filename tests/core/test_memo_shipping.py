"""Shipping of one memo: how much in both currencies, on how much its discount, and whether its tax stays behind."""

from dataclasses import replace
from decimal import Decimal

import pytest

from service.core.memo_lines import MemoAsk, WouldBeRefused
from service.core.memo_shipping import choose_memo_shipping
from service.core.orders import InvoiceTax, ShippingAmounts
from tests.core.builders import BAG, a_reading, an_invoice, an_order, line

INVOICE = 70


def amounts(amount="10", tax="2", *, discount="0", refunded="0", tax_refunded="0"):
    return ShippingAmounts(
        amount=Decimal(amount),
        including_tax=Decimal(amount) + Decimal(tax),
        tax=Decimal(tax),
        discount=Decimal(discount),
        refunded=Decimal(refunded),
        tax_refunded=Decimal(tax_refunded),
    )


def chosen(asked, base=None, shown=None, *, by_invoice=False, includes_tax=False, invoiced="10", invoice_tax="2"):
    """What a call gets that asks for so much shipping; `shown` is as `base` unless said otherwise."""
    base = base or amounts()
    order = replace(an_order(line(BAG, "BAG", 34)), base_shipping=base, shown_shipping=shown or base)
    invoice = an_invoice(INVOICE, {BAG: 1}, order, shipping=invoiced)
    invoice = replace(invoice, shown=InvoiceTax(shipping_tax=Decimal(invoice_tax)))
    ask = MemoAsk(shipping_amount=None if asked is None else Decimal(asked), invoice_id=INVOICE if by_invoice else None)
    return choose_memo_shipping(a_reading(order, invoice), ask, includes_tax=includes_tax)


# --- how much ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "base", "given"),
    [
        (None, amounts(refunded="4"), ("6", "3")),
        ("0", amounts(), ("0", "0")),
        ("2.5", amounts(), ("2.5", "1.25")),
        ("10", amounts(), ("10", "5")),
        ("6", amounts(refunded="4"), ("6", "3")),
        ("0", amounts("0", "0"), ("0", "0")),
    ],
    ids=str,
)
def test_a_share_of_shipping_is_the_same_share_in_the_customers_currency(asked, base, given):
    half = amounts(*(str(each / 2) for each in (base.amount, base.tax)), refunded=str(base.refunded / 2))

    found = chosen(asked, base, half)

    assert (found.base, found.shown) == tuple(map(Decimal, given))


@pytest.mark.parametrize(
    ("asked", "base", "given"),
    [
        ("12", amounts(), "10"),
        ("6", amounts(), "5"),
        ("6", amounts(refunded="5", tax_refunded="1"), "5"),
    ],
    ids=str,
)
def test_where_the_store_says_shipping_with_tax_the_amount_is_divided(asked, base, given):
    assert chosen(asked, base, includes_tax=True).base == Decimal(given)


@pytest.mark.parametrize(
    ("base", "includes_tax", "invoiced", "given"),
    [
        (amounts(), False, "7", "7"),
        (amounts(refunded="4"), False, "7", "6"),
        (amounts(), True, "7", "10"),
        (amounts(refunded="5", tax_refunded="1"), True, "7", "5"),
    ],
)
def test_an_invoices_call_without_an_amount_takes_what_is_left_of_its_own(base, includes_tax, invoiced, given):
    found = chosen(None, base, by_invoice=True, includes_tax=includes_tax, invoiced=invoiced)

    assert found.base == Decimal(given)


@pytest.mark.parametrize(
    ("asked", "base", "includes_tax", "said"),
    [
        ("10.01", amounts(), False, "10.01 of shipping asked for, 10 left"),
        ("6.01", amounts(refunded="4"), False, "6.01 of shipping asked for, 6 left"),
        ("12.01", amounts(), True, "12.01 of shipping asked for, 12 left"),
        ("0.01", amounts(refunded="11", tax_refunded="2"), True, "0.01 of shipping asked for, 0 left"),
    ],
)
def test_more_shipping_than_is_left_is_refused(asked, base, includes_tax, said):
    with pytest.raises(WouldBeRefused, match=said):
        chosen(asked, base, includes_tax=includes_tax)


# --- which part, and on how much its discount -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "base", "part", "is_rest"),
    [
        ("4", amounts(), "0.4", False),
        ("10", amounts(), "1", True),
        ("6", amounts(refunded="4"), "0.6", True),
        ("0", amounts("0", "0"), None, True),
    ],
)
def test_the_part_is_of_all_shipping_and_the_rest_is_what_is_left(asked, base, part, is_rest):
    found = chosen(asked, base)

    assert (found.part, found.is_rest) == (None if part is None else Decimal(part), is_rest)


@pytest.mark.parametrize(
    ("asked", "base", "discounted"),
    [
        ("4", amounts(), "0.4"),
        # Nothing asked: the amount with tax less the tax. Zero asked: zero less the tax, below zero as Magento has it.
        (None, amounts(), "1"),
        ("0", amounts(), "-0.2"),
        ("0", amounts(tax="0"), "0"),
        ("0", amounts("0", "0"), "0"),
    ],
)
def test_the_discount_on_shipping_follows_what_the_call_named(asked, base, discounted):
    assert chosen(asked, base).discounted_part == Decimal(discounted)


def test_a_discount_on_shipping_that_the_order_never_had_is_refused():
    with pytest.raises(WouldBeRefused, match="the order has none"):
        chosen("0", ShippingAmounts(tax=Decimal(2)))


# --- whether its tax stays behind -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "base", "shown", "keeps"),
    [
        ("10", amounts(), None, False),
        ("5", amounts(), None, True),
        ("5", amounts(refunded="5", tax_refunded="1"), None, False),
        ("5", amounts(tax="0"), None, False),
        ("5", amounts(tax="0", discount="9.99"), None, False),
        ("5", amounts(tax="0", discount="10"), None, True),
        # In the customer's currency all of it, by rounding, and a cent less than all of it.
        ("9.95", amounts(), amounts("0.05", "0.01"), False),
        ("8.95", amounts(), amounts("0.05", "0.01"), True),
        ("0", amounts("0", "0"), None, False),
    ],
)
def test_by_the_order_tax_stays_behind_while_shipping_does(asked, base, shown, keeps):
    assert chosen(asked, base, shown).keeps_tax is keeps


@pytest.mark.parametrize(
    ("asked", "base", "invoice_tax", "keeps"),
    [
        ("10", amounts(), "2", False),
        ("5", amounts(), "2", True),
        ("5", amounts(refunded="5", tax_refunded="1"), "2", True),
        ("5", amounts(), "0", False),
        ("10", amounts(discount="9.99"), "0", False),
        ("10", amounts(discount="10"), "0", True),
    ],
)
def test_by_an_invoice_tax_stays_behind_unless_all_the_orders_shipping_goes_back(asked, base, invoice_tax, keeps):
    assert chosen(asked, base, by_invoice=True, invoice_tax=invoice_tax).keeps_tax is keeps
