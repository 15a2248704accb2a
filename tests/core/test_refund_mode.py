"""The decision table: every combination of facts reaches one rule, and every rule is reached."""

from dataclasses import fields, replace
from decimal import Decimal
from itertools import product

import pytest

from service.core.policy import PaymentRules
from service.core.refund_mode import RULES, PaymentFacts, RefundMode, choose_mode, needs_invoices, payment_facts
from tests.core.builders import BAG, a_reading, an_invoice, an_order, line

SWITCHES = [field.name for field in fields(PaymentFacts) if field.name != "method"]
ALL_FACTS = [
    PaymentFacts(method="m", **dict(zip(SWITCHES, values, strict=True)))
    for values in product([False, True], repeat=len(SWITCHES))
]


def test_every_rule_is_reached_and_every_case_decided():
    assert {choose_mode(facts).name for facts in ALL_FACTS} == {rule.name for rule in RULES}


@pytest.mark.parametrize("facts", ALL_FACTS, ids=str)
def test_money_captured_by_a_gateway_is_never_booked_offline(facts):
    if facts.captured_online or facts.has_transaction:
        assert choose_mode(facts).mode is not RefundMode.OFFLINE


@pytest.mark.parametrize("facts", ALL_FACTS, ids=str)
def test_online_needs_a_configured_method_a_paid_invoice_and_a_transaction(facts):
    if choose_mode(facts).mode is RefundMode.ONLINE:
        assert facts.listed_online
        assert facts.has_paid_invoice
        assert facts.has_transaction


@pytest.mark.parametrize(
    ("method", "mode"),
    [
        ("banktransfer", RefundMode.OFFLINE),
        ("adyen_cc", RefundMode.ONLINE),
        ("Adyen_cc", RefundMode.REVIEW),
        ("adyen", RefundMode.REVIEW),
    ],
)
def test_method_codes_are_matched_exactly_with_stars(method, mode):
    payments = PaymentRules(offline=("banktransfer",), online=("adyen_*",))
    order = an_order(line(BAG, "24-MB01", "34"), payment=method)
    invoice = an_invoice(1, {BAG: 1}, order, transaction=None if method == "banktransfer" else "t")

    assert choose_mode(payment_facts(a_reading(order, invoice), payments)).mode is mode


def test_an_offline_order_needs_no_look_at_its_invoices():
    payments = PaymentRules(offline=("banktransfer",), online=("adyen_*",))
    order = an_order(line(BAG, "24-MB01", "34"), payment="banktransfer")

    assert not needs_invoices("banktransfer", payments)
    assert needs_invoices("adyen_cc", payments)
    assert choose_mode(payment_facts(a_reading(order), payments)).mode is RefundMode.OFFLINE


def test_a_gateway_capture_is_seen_whatever_the_configuration_says():
    order = an_order(line(BAG, "24-MB01", "34"), payment="banktransfer", base_paid_online=Decimal(34))

    assert payment_facts(a_reading(order), PaymentRules(offline=("*",))).captured_online


def test_the_table_says_what_each_case_comes_to():
    assert {rule.name: rule.mode for rule in RULES} == {
        "method-unknown": RefundMode.REVIEW,
        "costs-nothing": RefundMode.REVIEW,
        "nothing-paid": RefundMode.WAIT,
        "offline-but-captured": RefundMode.REVIEW,
        "offline": RefundMode.OFFLINE,
        "no-transaction": RefundMode.REVIEW,
        "online": RefundMode.ONLINE,
    }


def facts_of(order, *invoices):
    return payment_facts(a_reading(order, *invoices), PaymentRules(offline=("banktransfer",)))


@pytest.mark.parametrize(("captured", "online"), [("0", False), ("0.01", True)])
def test_one_cent_captured_is_captured(captured, online):
    order = an_order(line(BAG, "BAG", "34"), base_paid_online=Decimal(captured))

    assert facts_of(order).captured_online is online


@pytest.mark.parametrize(("price", "rate", "nothing"), [("0", "1", True), ("1", "1", False), ("0.01", "0.1", False)])
def test_an_order_costs_nothing_when_the_books_say_so(price, rate, nothing):
    order = an_order(line(BAG, "BAG", price), rate=rate, currency="EUR")
    order = replace(order, shown=replace(order.shown, grand_total=Decimal(0)))

    assert facts_of(order).costs_nothing is nothing


@pytest.mark.parametrize(("paid", "is_paid"), [("0", False), ("0.50", True)])
def test_where_invoices_were_not_read_what_was_paid_says_whether_there_is_one(paid, is_paid):
    order = an_order(line(BAG, "BAG", "34"))
    order = replace(
        order,
        base=replace(order.base, paid=Decimal(paid)),
        shown=replace(order.shown, paid=Decimal(1) - Decimal(paid)),
    )

    assert facts_of(order).has_paid_invoice is is_paid
    assert not facts_of(order, an_invoice(1, {BAG: 1}, order, state=1)).has_paid_invoice
