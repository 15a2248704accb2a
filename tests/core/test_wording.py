"""How quantities and money are written for people."""

from decimal import Decimal

import pytest

from service.core.wording import money, units


@pytest.mark.parametrize(
    ("quantity", "written"), [("2", "2"), ("2.0000", "2"), ("0.750", "0.75"), ("100", "100"), ("0", "0")]
)
def test_a_quantity_has_no_zeros_that_say_nothing(quantity, written):
    assert units(Decimal(quantity)) == written


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        ("22", "USD", "22.00 USD"),
        ("22.5000", "USD", "22.50 USD"),
        ("17.485", "EUR", "17.485 EUR"),
        ("0.3333", "", "0.3333"),
        ("1000", "", "1000.00"),
        ("-5", "USD", "-5.00 USD"),
    ],
)
def test_money_has_two_places_or_as_many_as_magento_keeps(amount, currency, written):
    assert money(Decimal(amount), currency) == written
