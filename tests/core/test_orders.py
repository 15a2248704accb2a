"""What an order, an invoice or a memo is taken to hold where Magento says nothing."""

from dataclasses import MISSING, fields

import pytest

from service.core.orders import (
    CreditMemo,
    Invoice,
    InvoiceTax,
    LineAmounts,
    MemoAmounts,
    MemoLineAmounts,
    Order,
    OrderLine,
    OrderTotals,
    ShippingAmounts,
)


def defaults_of(kind):
    return {each.name: each.default for each in fields(kind) if each.default is not MISSING}


@pytest.mark.parametrize(
    "kind",
    [
        CreditMemo,
        Invoice,
        InvoiceTax,
        LineAmounts,
        MemoAmounts,
        MemoLineAmounts,
        OrderLine,
        OrderTotals,
        ShippingAmounts,
    ],
)
def test_what_is_not_said_is_nothing(kind):
    assert defaults_of(kind)
    assert {name: value for name, value in defaults_of(kind).items() if value} == {}


def test_an_order_is_in_the_books_currency_unless_it_says_otherwise():
    assert {name: value for name, value in defaults_of(Order).items() if value} == {"base_to_order_rate": 1}
