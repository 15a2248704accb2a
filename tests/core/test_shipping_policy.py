"""How much shipping is left, and how much of it a return gives back."""

from dataclasses import replace
from decimal import Decimal

import pytest

from service.core.orders import ShippingAmounts
from service.core.policy import ShippingRule, ShippingRuleKind, StorePolicy
from service.core.shipping_policy import choose_shipping, shipping_left
from tests.core.builders import TEE, a_memo, a_reading, an_order, line

ORDER = an_order(line(TEE, "TEE", "22", 3), shipping="15", rate="0.5", currency="EUR")
PER_UNIT = ShippingRule(kind=ShippingRuleKind.PER_UNIT, amount=Decimal("2.50"))


def shipped(*, refunded="0", tax_refunded="0"):
    amounts = ShippingAmounts(
        amount=Decimal(15),
        tax=Decimal("1.20"),
        including_tax=Decimal("16.20"),
        refunded=Decimal(refunded),
        tax_refunded=Decimal(tax_refunded),
    )
    return replace(ORDER, base_shipping=amounts)


def memo(shipping, tax):
    made = a_memo(900, {TEE: 1}, shipping=shipping)
    seen = replace(made.shown, shipping=Decimal(99), shipping_tax=Decimal(99))
    return replace(made, base=replace(made.base, shipping_tax=Decimal(tax)), shown=seen)


@pytest.mark.parametrize(
    ("order", "memos", "without_tax", "with_tax"),
    [
        (shipped(), (), "15", "16.20"),
        (shipped(), (memo("5", "0.40"),), "10", "10.80"),
        (shipped(refunded="6", tax_refunded="0.48"), (memo("5", "0.40"),), "9", "9.72"),
        (shipped(refunded="4", tax_refunded="0.32"), (memo("5", "0.40"),), "10", "10.80"),
        (shipped(), (memo("20", "1.20"),), "0", "0"),
    ],
)
def test_the_counter_or_the_memos_whichever_is_more_leave_the_rest(order, memos, without_tax, with_tax):
    reading = a_reading(order, memos=memos)

    left = [shipping_left(reading, includes_tax=includes) for includes in (False, True)]

    assert left == [Decimal(without_tax), Decimal(with_tax)]


def chosen(rule, *, units="2", full=False, given="0", left="15"):
    return choose_shipping(
        rule,
        ORDER,
        returned_units=Decimal(units),
        is_full_return=full,
        given=Decimal(given),
        left=Decimal(left),
    )


@pytest.mark.parametrize(
    ("asked", "amount", "why"),
    [
        ({}, "5.00", "shipping 5.00: 2.50 for each of 2 units returned so far"),
        ({"given": "2.50"}, "2.50", "shipping 2.50: 2.50 for each of 2 units returned so far, less 2.50 given before"),
        ({"given": "9"}, "0", "shipping 0.00: 2.50 for each of 2 units returned so far, less 9.00 given before"),
        (
            {"left": "4"},
            "4",
            "shipping 4.00: 2.50 for each of 2 units returned so far, limited to the 4.00 that is left",
        ),
        ({"left": "5"}, "5", "shipping 5.00: 2.50 for each of 2 units returned so far"),
    ],
    ids=str,
)
def test_per_unit_counts_all_units_of_the_return_and_says_why(asked, amount, why):
    given, note = chosen(PER_UNIT, **asked)

    assert (given, note.text) == (Decimal(amount), why)
    assert (note.rule, note.subject) == ("shipping.per_unit", "flatrate_flatrate")


def test_per_unit_of_what_is_sold_by_the_metre_is_a_whole_number_of_cents():
    given, _ = chosen(PER_UNIT, units="1.13")

    assert given == Decimal("2.83")


@pytest.mark.parametrize(
    ("full", "amount", "why"),
    [
        (True, "15", "shipping 15.00: everything has come back: all shipping that is left"),
        (False, "0", "shipping 0.00: not everything has come back"),
    ],
)
def test_the_rest_goes_back_with_the_last_unit(full, amount, why):
    given, note = chosen(ShippingRule(kind=ShippingRuleKind.REMAINING_ON_FULL_RETURN), full=full)

    assert (given, note.text) == (Decimal(amount), why)


def test_without_a_rule_none_goes_back():
    given, note = chosen(ShippingRule())

    assert (given, note.text) == (0, "shipping 0.00: the rule gives none back")


def test_an_order_without_a_shipping_method_is_named_so():
    _, note = choose_shipping(
        ShippingRule(),
        replace(ORDER, shipping_method=""),
        returned_units=Decimal(1),
        is_full_return=True,
        given=Decimal(0),
        left=Decimal(0),
    )

    assert note.subject == "no shipping method"


@pytest.mark.parametrize(
    ("rule", "written"),
    [
        (ShippingRule(), "none"),
        (ShippingRule(kind=ShippingRuleKind.REMAINING_ON_FULL_RETURN), "remaining_on_full_return"),
        (PER_UNIT, "per_unit:2.50"),
    ],
)
def test_a_rule_is_written_as_it_is_set(rule, written):
    assert str(rule) == written


@pytest.mark.parametrize(
    ("rules", "rule"),
    [
        ({"flatrate_flatrate": PER_UNIT, "default": ShippingRule()}, PER_UNIT),
        ({"ups_ground": ShippingRule(), "default": PER_UNIT}, PER_UNIT),
        ({"ups_ground": PER_UNIT}, ShippingRule()),
    ],
)
def test_a_methods_own_rule_comes_before_the_default_and_none_before_nothing(rules, rule):
    assert StorePolicy(shipping=rules).shipping_rule("flatrate_flatrate") == rule
