"""The decision table: every combination of facts reaches one rule, and every rule is reached."""

from dataclasses import fields
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
