"""The sender's figure against Magento's computation: what is deducted or added, when a person is asked, and never more.

The bag costs 34.00; where there is tax, it is 3.40 for each.
"""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.plan import Verdict
from service.core.planning import plan_refunds
from service.core.policy import Amounts
from service.core.portal_amounts import AMOUNT_RULES
from service.core.returns import PortalAmount
from tests.core.builders import BAG, a_policy, a_reading, a_return, an_invoice, an_order, came_back, line, made

BAGS = an_order(line(BAG, "24-MB01", "34", 3), shipping="10")
TAXED = an_order(line(BAG, "24-MB01", "34", 3, tax="10.20"))


def by(amounts, *, includes_tax=True, **more):
    policy = a_policy(**more)
    return replace(policy, source=replace(policy.source, amounts=amounts, amounts_include_tax=includes_tax))


def told(amount, includes_tax=None):
    return None if amount is None else PortalAmount(amount=Decimal(amount), includes_tax=includes_tax)


def bags(units=1, *, of_line=None, total=None, currency="USD", **more):
    """A return of bags, with the sender's figure for the line or in all."""
    returned = replace(came_back("24-MB01", units), refund_amount=told(of_line))
    return a_return(returned, refund_total=told(total), currency=currency, **more)


def adjustments(plan):
    requests = [refund.request for refund in plan.refunds]
    return [(request.adjustment_positive, request.adjustment_negative) for request in requests]


def asked(plan):
    return plan.verdict, [question.code for question in plan.questions]


def decided(plan):
    return [note.rule for note in plan.notes if note.rule.startswith("amounts")]


@pytest.mark.parametrize("figure", [{"of_line": "30"}, {"total": "30"}])
def test_compute_goes_by_no_figure(figure):
    plan = plan_refunds(bags(**figure), a_reading(BAGS), by(Amounts.COMPUTE))

    assert (plan.verdict, plan.base_total) == (Verdict.REFUND, 34)


@pytest.mark.parametrize(
    ("amounts", "figure", "positive", "negative", "rule"),
    [
        (Amounts.CAP, {"of_line": "30"}, 0, 4, "amounts.cap"),
        (Amounts.CAP, {"total": "30"}, 0, 4, "amounts.cap"),
        (Amounts.CAP, {"of_line": "34"}, 0, 0, "amounts.agrees"),
        (Amounts.CAP, {"of_line": "33.99"}, 0, 0, "amounts.agrees"),
        (Amounts.CAP, {"of_line": "33.98"}, 0, Decimal("0.02"), "amounts.cap"),
        (Amounts.CAP, {"of_line": "34.01"}, 0, 0, "amounts.agrees"),
        (Amounts.EXACT, {"of_line": "30"}, 0, 4, "amounts.exact"),
        (Amounts.EXACT, {"of_line": "33.99"}, 0, Decimal("0.01"), "amounts.exact"),
        (Amounts.EXACT, {"of_line": "36.50"}, Decimal("2.50"), 0, "amounts.exact"),
        (Amounts.EXACT, {"total": "34"}, 0, 0, "amounts.exact"),
    ],
    ids=str,
)
def test_the_figure_is_met_by_one_adjustment(amounts, figure, positive, negative, rule):
    plan = plan_refunds(bags(**figure), a_reading(BAGS), by(amounts))

    assert (adjustments(plan), decided(plan)) == ([(positive, negative)], [rule])
    assert plan.base_total == 34 + positive - negative


def test_more_than_computed_is_never_given_under_a_cap_and_somebody_must_say_yes():
    plan = plan_refunds(bags(of_line="40"), a_reading(BAGS), by(Amounts.CAP))
    approved = plan_refunds(bags(of_line="40", approved=plan.fingerprint()), a_reading(BAGS), by(Amounts.CAP))

    assert asked(plan) == (Verdict.APPROVAL, ["portal-says-more"])
    assert (approved.verdict, approved.base_total) == (Verdict.REFUND, 34)


def test_no_figure_is_no_limit_and_the_plan_says_so():
    plan = plan_refunds(bags(), a_reading(BAGS), by(Amounts.CAP))

    assert (plan.verdict, decided(plan)) == (Verdict.REFUND, ["amounts.none"])


def test_the_table_names_every_decision_about_a_figure():
    named = {f"amounts.{rule.name}" for rule in AMOUNT_RULES}

    for amounts in (Amounts.CAP, Amounts.EXACT):
        for figure in (None, "30", "34", "40"):
            assert set(decided(plan_refunds(bags(of_line=figure), a_reading(BAGS), by(amounts)))) <= named


def test_fees_come_off_the_line_s_figure_and_are_in_the_total_already():
    of_line = plan_refunds(bags(of_line="34", fees=Decimal(5)), a_reading(BAGS), by(Amounts.CAP))
    total = plan_refunds(bags(total="29", fees=Decimal(5)), a_reading(BAGS), by(Amounts.CAP))

    assert adjustments(of_line) == adjustments(total) == [(0, 5)]


def test_shipping_goes_with_the_line_s_figure_and_is_in_the_total_already():
    policy = by(Amounts.CAP, shipping="per_unit:5")

    of_line = plan_refunds(bags(of_line="30"), a_reading(BAGS), policy)
    total = plan_refunds(bags(total="30"), a_reading(BAGS), policy)

    assert (of_line.base_total, total.base_total) == (35, 30)


@pytest.mark.parametrize(
    ("of_line", "includes_tax", "given"), [("37.40", True, "37.40"), ("34", False, "37.40"), ("30", False, "33.40")]
)
def test_a_figure_without_tax_is_compared_without_tax(of_line, includes_tax, given):
    plan = plan_refunds(bags(of_line=of_line), a_reading(TAXED), by(Amounts.CAP, includes_tax=includes_tax))

    assert plan.base_total == Decimal(given)


def test_where_there_is_tax_the_sender_must_say_whether_it_is_in_the_figure():
    plan = plan_refunds(bags(of_line="34"), a_reading(TAXED), by(Amounts.CAP, includes_tax=None))
    untaxed = plan_refunds(bags(of_line="34"), a_reading(BAGS), by(Amounts.CAP, includes_tax=None))

    assert asked(plan) == (Verdict.PERSON, ["amounts-tax-unknown"])
    assert untaxed.verdict is Verdict.REFUND


@pytest.mark.parametrize(
    ("first", "then", "given"),
    [
        ("30", "60", [30, 30]),  # capped both times
        ("34", "60", [34, 26]),  # the second figure takes off what both come to
        ("30", "68", [30, None]),  # raised again: the first one's deduction is owed, and a cap cannot add
    ],
)
def test_a_figure_is_cumulative_like_its_quantities(first, then, given):
    reading, policy = a_reading(BAGS), by(Amounts.CAP)
    one = plan_refunds(bags(1, of_line=first), reading, policy)
    two = plan_refunds(bags(2, of_line=then), made(reading, *one.refunds), policy)

    assert [one.base_total, two.base_total if two.verdict is Verdict.REFUND else None] == given


def test_exact_makes_up_for_what_was_deducted_before():
    reading, policy = a_reading(BAGS), by(Amounts.EXACT)
    one = plan_refunds(bags(1, of_line="30"), reading, policy)
    two = plan_refunds(bags(2, of_line="68"), made(reading, *one.refunds), policy)

    assert (one.base_total, two.base_total, adjustments(two)) == (30, 38, [(4, 0)])


@pytest.mark.parametrize(
    ("amounts", "figure", "code"),
    [
        (Amounts.CAP, {"of_line": "20"}, "over-refunded"),
        (Amounts.EXACT, {"of_line": "20"}, "over-refunded"),
        (Amounts.EXACT, {"of_line": "36"}, "portal-raised"),
        (Amounts.EXACT, {"total": "36"}, "portal-raised"),
    ],
    ids=str,
)
def test_a_figure_changed_after_everything_went_back_is_a_question(amounts, figure, code):
    reading, policy = a_reading(BAGS), by(amounts)
    after = made(reading, *plan_refunds(bags(of_line="34"), reading, policy).refunds)

    assert asked(plan_refunds(bags(**figure), after, policy)) == (Verdict.PERSON, [code])


@pytest.mark.parametrize("amounts", [Amounts.CAP, Amounts.EXACT])
def test_the_same_figure_again_leaves_nothing(amounts):
    reading, policy = a_reading(BAGS), by(amounts)
    for figure in ({"of_line": "30"}, {"total": "31"}, {"of_line": "34", "fees": Decimal(3)}):
        after = made(reading, *plan_refunds(bags(**figure), reading, policy).refunds)

        assert plan_refunds(bags(**figure), after, policy).verdict is Verdict.NOTHING


@pytest.mark.parametrize(
    ("figure", "code"),
    [
        ({"of_line": "0"}, "portal-leaves-nothing"),
        ({"of_line": "3", "fees": Decimal(5)}, "portal-leaves-nothing"),
        ({"total": "1", "currency": None}, "amounts-without-currency"),
        ({"total": "30", "currency": "EUR"}, "currency-mismatch"),
    ],
    ids=str,
)
def test_a_figure_that_cannot_be_met_is_a_question(figure, code):
    assert asked(plan_refunds(bags(**figure), a_reading(BAGS), by(Amounts.CAP))) == (Verdict.PERSON, [code])


def test_figures_for_some_lines_only_are_a_question():
    order = an_order(line(BAG, "24-MB01", "34", 3), line(600, "TEE", "22"))
    lines = replace(came_back("24-MB01", 1), refund_amount=told("34")), came_back("TEE", 1)

    plan = plan_refunds(a_return(*lines, currency="USD"), a_reading(order), by(Amounts.CAP))

    assert asked(plan) == (Verdict.PERSON, ["amounts-incomplete"])


@pytest.mark.parametrize("online", [True, False])
def test_exact_never_gives_more_than_was_paid(online):
    order = an_order(line(BAG, "24-MB01", "34", 1), payment="sandbox_card" if online else "banktransfer")
    invoices = [an_invoice(1, {BAG: 1}, order)] if online else []

    plan = plan_refunds(bags(of_line="35"), a_reading(order, *invoices), by(Amounts.EXACT))

    assert plan.verdict is Verdict.PERSON
    assert "more-than-paid" in asked(plan)[1]


def test_a_deduction_that_eats_the_largest_call_is_a_question():
    parts = replace(bags(2, of_line="10"), event=bags(2, of_line="10").event)
    mixed = replace(
        parts.event,
        lines=(
            replace(came_back("24-MB01", 1, "sellable"), refund_amount=told("5")),
            replace(came_back("24-MB01", 1, "damaged"), refund_amount=told("5")),
        ),
    )

    plan = plan_refunds(replace(parts, event=mixed), a_reading(BAGS), by(Amounts.CAP))

    assert asked(plan) == (Verdict.PERSON, ["deduction-does-not-fit"])


def test_a_refund_without_a_memo_leaves_the_amounts_to_a_person():
    reading, policy = a_reading(BAGS), by(Amounts.CAP)
    lost = [refund.request for refund in plan_refunds(bags(1, of_line="30"), reading, policy).refunds]

    plan = plan_refunds(bags(2, of_line="60"), reading, policy, unsettled=lost)

    assert "amounts-without-memo" in asked(plan)[1]


def test_in_another_currency_the_figure_is_the_customer_s():
    order = an_order(line(BAG, "24-MB01", "34", 3), rate="0.5", currency="EUR")

    plan = plan_refunds(bags(of_line="32", currency="EUR"), a_reading(order), by(Amounts.CAP))

    assert adjustments(plan) == [(0, 4)]  # the builder's lines cost 34.00 in both: 2.00 EUR less are 4.00 USD
    assert plan.refunds[0].predicted.grand_total == 32


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([Amounts.CAP, Amounts.EXACT]),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12000)), min_size=1, max_size=5),
)
def test_over_any_series_of_events_no_figure_gives_more_than_was_paid_or_a_call_of_nothing(amounts, said):
    """Units and figure go up and down; what is planned is made, and planned again it leaves nothing to send."""
    reading, policy = a_reading(BAGS), by(amounts)
    for units, cents in said:
        event = bags(units, of_line=str(Decimal(cents) / 100))
        plan = plan_refunds(event, reading, policy)
        if plan.verdict is not Verdict.REFUND:
            continue
        assert all(refund.predicted.base_grand_total > 0 for refund in plan.refunds)
        reading = made(reading, *plan.refunds)
        given_back = sum(memo.base.grand_total for memo in reading.memos)
        assert given_back <= BAGS.base.paid
        if amounts is Amounts.CAP:
            assert given_back <= 34 * units
        assert given_back <= Decimal(cents) / 100 + Decimal("0.01")
        assert plan_refunds(event, reading, policy).verdict is Verdict.NOTHING


@pytest.mark.parametrize(("figure", "adjusted"), [("34.50", (Decimal("0.50"), 0)), ("33.50", (0, Decimal("0.50")))])
def test_less_than_one_is_added_or_deducted_as_more_is(figure, adjusted):
    plan = plan_refunds(bags(of_line=figure), a_reading(BAGS), by(Amounts.EXACT))

    assert (plan.verdict, adjustments(plan)) == (Verdict.REFUND, [adjusted])


def test_a_small_addition_fits_whatever_the_largest_call():
    order = an_order(line(BAG, "24-MB01", "0.10", 3), line(600, "TEE", "22"))

    plan = plan_refunds(bags(of_line="0.60"), a_reading(order), by(Amounts.EXACT))

    assert adjustments(plan) == [(Decimal("0.50"), 0)]


def test_a_deduction_of_all_of_the_largest_call_does_not_fit_and_is_about_the_amounts():
    event = a_return(
        replace(came_back("24-MB01", 1, "sellable"), refund_amount=told("17")),
        replace(came_back("24-MB01", 1, "damaged"), refund_amount=told("17")),
        currency="USD",
    )

    plan = plan_refunds(event, a_reading(BAGS), by(Amounts.CAP))

    assert [(each.code, each.subject) for each in plan.questions] == [("deduction-does-not-fit", "amounts")]


def test_the_amounts_of_a_refund_without_a_memo_are_what_is_asked_about():
    reading, policy = a_reading(BAGS), by(Amounts.CAP)
    lost = [refund.request for refund in plan_refunds(bags(1, of_line="30"), reading, policy).refunds]

    plan = plan_refunds(bags(2, of_line="60"), reading, policy, unsettled=lost)

    assert [each.subject for each in plan.questions if each.code == "amounts-without-memo"] == ["amounts"]
