"""The arithmetic of a sender's figure by itself: what memos come to, what is wanted, and in which words it is said."""

from dataclasses import replace
from decimal import Decimal

import pytest

from service.core.orders import MemoAmounts
from service.core.policy import Amounts, SourcePolicy
from service.core.portal_amounts import Figure, Sums, figure_of, rounding_play, settle
from service.core.returns import PortalAmount
from tests.core.builders import a_return, came_back

CAP, EXACT = SourcePolicy(amounts=Amounts.CAP), SourcePolicy(amounts=Amounts.EXACT)
D = Decimal

#: Goods for 30 with 3 of tax, shipping for 5 with 0.50 of tax.
COMPUTED = Sums(goods=D(30), goods_tax=D(3), shipping=D(5), shipping_tax=D("0.5"))
WITHOUT_TAX = Sums(goods=D(30), shipping=D(5))
NOTHING = Sums()


def figure(amount, *, includes_tax=True, of_lines=False):
    return Figure(amount=D(amount), includes_tax=includes_tax, of_lines=of_lines)


def settled(said, *, fees="0", before=NOTHING, now=COMPUTED, policy=CAP, tolerance="0.01"):
    return settle(said, fees=D(fees), before=before, now=now, policy=policy, currency="USD", tolerance=D(tolerance))


def codes(settlement):
    return [question.code for question in settlement.questions], [question.code for question in settlement.asks]


# --- what memos come to -----------------------------------------------------------------------------------------------


def test_memos_are_summed_without_their_adjustments_and_what_they_gave_with_them():
    memos = [
        MemoAmounts(
            grand_total=D("38.50") + 2 - 4,
            tax=D("3.50"),
            shipping=D(5),
            shipping_tax=D("0.50"),
            adjustment_positive=D(2),
            adjustment_negative=D(4),
        ),
        MemoAmounts(grand_total=D(11), tax=D(1)),
    ]

    sums = Sums.of(memos)

    assert sums == Sums(goods=D(40), goods_tax=D(4), shipping=D(5), shipping_tax=D("0.5"), paid=D("47.5"))
    assert sums.computed == D("49.5")


# --- what is wanted ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("includes_tax", "of_lines", "target"),
    [
        (True, True, D(30) + 5 + D("0.5") - 2),  # shipping with its tax beside the goods, less fees
        (None, True, D(30) + 5 + D("0.5") - 2),
        (False, True, D(30) + 3 + 5 + D("0.5") - 2),
        (True, False, D(30)),  # the whole refund: shipping and fees are in it
        (None, False, D(30)),
        (False, False, D(30) + 3 + D("0.5")),
    ],
)
def test_a_figure_wants_what_it_leaves_out_besides(includes_tax, of_lines, target):
    assert figure(30, includes_tax=includes_tax, of_lines=of_lines).target(COMPUTED, D(2)) == target


# --- which figure it is -----------------------------------------------------------------------------------------------


def said(*amounts, policy=CAP, **more):
    lines = (replace(came_back("BAG"), refund_amount=amount) for amount in amounts)
    return figure_of(a_return(*lines, **{"currency": "USD", **more}).event, policy)


@pytest.mark.parametrize(
    ("shared", "text"),
    [
        (False, "the sender gave no figure: Magento computes"),
        (True, "the sender's total is of several orders: Magento computes"),
    ],
)
def test_no_figure_is_noted_with_its_reason(shared, text):
    found, (note,), questions = said(None, total_is_shared=shared)

    assert (found, questions) == (None, ())
    assert (note.rule, note.subject, note.text) == ("amounts.none", "amounts", text)


def test_figures_with_and_without_tax_are_not_added_up():
    mixed = PortalAmount(amount=D(3), includes_tax=True), PortalAmount(amount=D(4), includes_tax=False)

    found, notes, (question,) = said(*mixed)

    assert (found, notes, question.code, question.subject) == (None, (), "amounts-mixed-tax", "amounts")
    assert question.text == "some of the sender's figures include tax, some do not"


def test_what_one_line_says_of_tax_may_be_what_the_source_says_of_the_other():
    policy = replace(CAP, amounts_include_tax=True)

    found, _, questions = said(PortalAmount(amount=D(3), includes_tax=True), PortalAmount(amount=D(4)), policy=policy)

    assert (found, questions) == (figure(7, of_lines=True), ())


@pytest.mark.parametrize("total", [None, PortalAmount(amount=D(9))])
def test_figures_of_all_lines_make_one_unless_there_is_a_total(total):
    found, _, _ = said(PortalAmount(amount=D(3)), PortalAmount(amount=D(4)), refund_total=total)

    assert found == (figure(9, includes_tax=None) if total else figure(7, includes_tax=None, of_lines=True))


# --- settling ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "policy", "adjustment", "rule"),
    [
        ("38.50", CAP, "0", "agrees"),
        ("38.49", CAP, "0", "agrees"),  # within the tolerance
        ("38.48", CAP, "-0.02", "cap"),
        ("38.51", CAP, "0", "agrees"),
        ("38.52", CAP, "0", "above"),
        ("38.49", EXACT, "-0.01", "exact"),
        ("38.52", EXACT, "0.02", "exact"),
    ],
)
def test_a_cent_of_tolerance_decides_between_what_is_said_and_what_is_computed(wanted, policy, adjustment, rule):
    settlement = settled(figure(wanted), policy=policy)

    assert (settlement.adjustment, settlement.note.rule) == (D(adjustment), f"amounts.{rule}")
    assert codes(settlement) == ([], ["portal-says-more"] if rule == "above" else [])


def test_fees_are_deducted_from_what_is_computed():
    settlement = settled(figure("100"), fees="4")

    assert settlement.adjustment == -4
    assert settlement.note.text.endswith("Magento's computation to 34.50; 4.00 USD deducted, fees of 4.00 among them")


@pytest.mark.parametrize(
    ("wanted", "fees", "policy", "ending"),
    [
        ("38.50", "0", CAP, "Magento's computation to 38.50"),  # nothing to say of an adjustment
        ("30", "0", CAP, "38.50; 8.50 USD deducted"),
        ("30", "1", CAP, "37.50; 8.50 USD deducted, fees of 1.00 among them"),
        ("40", "0", EXACT, "38.50; 1.50 USD added"),
        ("39", "0", EXACT, "38.50; 0.50 USD added"),
        ("39", "1", EXACT, "37.50; 0.50 USD added"),
        ("40", "1", EXACT, "37.50; 1.50 USD added"),  # nothing was deducted, whatever the fees
        ("38.50", "1", EXACT, "Magento's computation to 37.50"),
    ],
)
def test_the_note_says_both_sums_and_what_was_done(wanted, fees, policy, ending):
    note = settled(figure(wanted), fees=fees, policy=policy).note

    assert note.subject == "amounts"
    assert note.text.startswith(f"the sender's figure comes to {D(wanted):.2f} USD so far, Magento's computation to ")
    assert note.text.endswith(ending)


def test_what_was_given_before_counts_and_is_said():
    before = Sums(goods=D(10), goods_tax=D(1), shipping=D(2), shipping_tax=D("0.2"), paid=D("13.20"))

    settlement = settled(figure("50"), before=before)

    assert settlement.adjustment == D("50") - D("13.20") - D("38.50")
    assert settlement.note.text.endswith(
        "Magento's computation to 51.70, of which 13.20 were given before; 1.70 USD deducted"
    )


@pytest.mark.parametrize(
    ("now", "asked"),
    [
        (COMPUTED, ["amounts-tax-unknown"]),
        (replace(COMPUTED, shipping_tax=D(0)), ["amounts-tax-unknown"]),
        (replace(COMPUTED, goods_tax=D(0)), ["amounts-tax-unknown"]),
        # Taxes of one cent are taxes too, and of a cent more and a cent less are not none.
        (replace(WITHOUT_TAX, goods_tax=D("0.01")), ["amounts-tax-unknown"]),
        (replace(COMPUTED, goods_tax=D(3), shipping_tax=D(3)), ["amounts-tax-unknown"]),
        (replace(WITHOUT_TAX, goods_tax=D(1)), ["amounts-tax-unknown"]),
        (WITHOUT_TAX, []),
    ],
)
def test_tax_that_may_or_may_not_be_in_the_figure_is_a_question_where_there_is_any(now, asked):
    assert codes(settled(figure(now.computed, includes_tax=None), now=now))[0] == asked


@pytest.mark.parametrize(
    ("wanted", "asked"),
    [
        ("0.01", []),
        ("0", ["portal-leaves-nothing"]),
        ("1", []),
    ],
)
def test_a_figure_that_leaves_nothing_to_give_is_a_question(wanted, asked):
    assert codes(settled(figure(wanted)))[0] == asked


@pytest.mark.parametrize(("paid", "owed"), [("7", "3.00"), ("9.50", "0.50")])
def test_what_a_cap_deducted_before_and_is_owed_again_is_given_by_hand(paid, owed):
    before = Sums(goods=D(10), paid=D(paid))

    (question,) = settled(figure("100"), before=before).questions

    assert (question.code, question.subject) == ("portal-raised", "amounts")
    assert f"{owed} USD that were deducted before are owed again" in question.text


def test_exact_gives_by_itself_what_was_deducted_before():
    settlement = settled(figure("48.50"), before=Sums(goods=D(10), paid=D(7)), policy=EXACT)

    assert (settlement.adjustment, codes(settlement)) == (D(3), ([], []))


@pytest.mark.parametrize(
    ("wanted", "asked"),
    [("38.49", []), ("38.48", ["over-refunded"]), ("38.51", []), ("38.52", ["portal-raised"])],
)
def test_a_figure_changed_after_all_went_back_is_a_question_beyond_the_tolerance(wanted, asked):
    before = replace(COMPUTED, paid=D("38.50"))

    assert codes(settled(figure(wanted), before=before, now=NOTHING, policy=EXACT))[0] == asked


@pytest.mark.parametrize(
    ("lines", "is_converted", "cents"), [(0, False, 1), (1, False, 1), (3, False, 3), (1, True, 2), (3, True, 4)]
)
def test_roundings_differ_by_a_cent_a_line_and_one_for_the_rate(lines, is_converted, cents):
    assert rounding_play(lines, is_converted=is_converted) == D(cents) / 100
