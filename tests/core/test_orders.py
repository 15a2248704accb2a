"""What an order, an invoice or a memo is taken to hold where Magento says nothing."""

from dataclasses import MISSING, fields

import pytest

from service.core.orders import (
    InvoiceTax,
    LineAmounts,
    MemoAmounts,
    MemoLineAmounts,
    OrderLine,
    OrderTotals,
    ShippingAmounts,
)


@pytest.mark.parametrize(
    "kind", [InvoiceTax, LineAmounts, MemoAmounts, MemoLineAmounts, OrderLine, OrderTotals, ShippingAmounts]
)
def test_what_is_not_said_is_nothing(kind):
    defaults = [each.default for each in fields(kind) if each.default is not MISSING]

    assert defaults
    assert [each for each in defaults if each] == []
