"""Which words of a line give money back, which nothing, and which a person decides."""

from dataclasses import replace
from decimal import Decimal

import pytest

from service.core.plan import Verdict
from service.core.planning import plan_refunds
from service.core.policy import SourcePolicy, StoreCredit
from service.core.resolution import CREDIT_IGNORED, RESOLUTION_RULES, Outcome, choose_outcome, resolve_lines
from tests.core.builders import BAG, TEE, a_policy, a_reading, a_return, an_order, came_back, line, made

IGNORES_CREDIT = SourcePolicy(store_credit=StoreCredit.IGNORE)


@pytest.mark.parametrize(
    ("resolution", "destination", "outcome"),
    [
        ("", "", Outcome.REFUND),
        ("refund", "original_payment", Outcome.REFUND),
        ("", "original_payment", Outcome.REFUND),
        ("exchange", "", Outcome.NOTHING),
        ("replacement", "original_payment", Outcome.NOTHING),
        ("repair", "", Outcome.NOTHING),
        ("none", "", Outcome.NOTHING),
        ("store_credit", "", Outcome.PERSON),
        ("gift_card", "", Outcome.PERSON),
        ("refund", "store_credit", Outcome.PERSON),
        ("refund", "gift_card", Outcome.PERSON),
        ("refund", "offline", Outcome.PERSON),
        ("unknown", "", Outcome.PERSON),
        ("refunded?", "", Outcome.PERSON),
        ("", "bank", Outcome.PERSON),
    ],
)
def test_two_words_decide_and_a_plain_refund_needs_both(resolution, destination, outcome):
    assert choose_outcome(resolution, destination, SourcePolicy())[0].outcome is outcome


@pytest.mark.parametrize("words", [("store_credit", ""), ("refund", "store_credit"), ("gift_card", "")])
def test_credit_that_the_sender_gives_itself_is_ignored_where_the_merchant_says_so(words):
    assert choose_outcome(*words, IGNORES_CREDIT)[0].outcome is Outcome.NOTHING


def test_no_word_stands_in_two_rules():
    words = [word for rule in RESOLUTION_RULES for word in rule.words]

    assert len(words) == len(set(words))


def returned(*lines, **more):
    return a_return(*(replace(came_back(sku, 1), resolution=word) for sku, word in lines), **more)


def test_an_exchange_beside_a_refund_leaves_the_refund_alone():
    reading = a_reading(an_order(line(TEE, "TEE", "22"), line(BAG, "BAG", "34")))

    plan = plan_refunds(returned(("TEE", "exchange"), ("BAG", "refund")), reading, a_policy())

    assert plan.verdict is Verdict.REFUND
    assert [[item.order_item_id for item in refund.request.items] for refund in plan.refunds] == [[BAG]]
    assert [(note.rule, note.subject) for note in plan.notes if note.rule.startswith("resolution")] == [
        ("resolution.exchange", "TEE")
    ]


def test_an_exchange_alone_is_nothing_and_says_why():
    reading = a_reading(an_order(line(TEE, "TEE", "22")))

    plan = plan_refunds(returned(("TEE", "exchange")), reading, a_policy())

    assert plan.verdict is Verdict.NOTHING
    assert plan.notes[-1].text == "'exchange': the customer gets other goods instead: no money goes back"


def test_store_credit_holds_the_whole_return():
    reading = a_reading(an_order(line(TEE, "TEE", "22"), line(BAG, "BAG", "34")))

    plan = plan_refunds(returned(("TEE", "store_credit"), ("BAG", "")), reading, a_policy())

    assert (plan.verdict, plan.questions[0].code) == (Verdict.PERSON, "resolution-credit")


def test_an_exchange_after_its_refund_is_a_question():
    reading = a_reading(an_order(line(TEE, "TEE", "22")))
    after = made(reading, *plan_refunds(returned(("TEE", "refund")), reading, a_policy()).refunds)

    plan = plan_refunds(returned(("TEE", "exchange")), after, a_policy())

    assert [question.code for question in plan.questions] == ["over-refunded"]


def test_a_line_of_nothing_so_far_asks_nothing_whatever_its_word():
    assert resolve_lines(a_return(replace(came_back("TEE", 0), resolution="what")).event, SourcePolicy()).lines == ()


@pytest.mark.parametrize(
    ("given", "policy", "codes"),
    [
        ({"store_credit": "5"}, SourcePolicy(), ["store-credit"]),
        ({"exchange_credit": "5"}, SourcePolicy(), ["exchange-credit"]),
        ({"store_credit": "5"}, IGNORES_CREDIT, []),
        ({"exchange_credit": "5"}, IGNORES_CREDIT, ["exchange-credit"]),
    ],
    ids=str,
)
def test_credits_beside_lines_to_be_refunded_are_asked_about(given, policy, codes):
    event = a_return(came_back("TEE", 1), **{name: Decimal(amount) for name, amount in given.items()}).event

    assert [question.code for question in resolve_lines(event, policy).questions] == codes


def test_a_credit_of_an_exchange_alone_asks_nothing():
    event = returned(("TEE", "exchange"), exchange_credit=Decimal(22)).event

    assert resolve_lines(event, SourcePolicy()).questions == ()


def test_of_two_plain_words_the_first_is_the_one_it_is_about():
    assert choose_outcome("refund", "original_payment", SourcePolicy())[1] == "refund"


def test_a_line_of_nothing_keeps_no_other_from_being_looked_at():
    event = a_return(came_back("TEE", 0), came_back("BAG", 1)).event

    assert [each.sku for each in resolve_lines(event, SourcePolicy()).lines] == ["BAG"]


def test_a_credit_is_about_the_totals():
    event = a_return(came_back("TEE", 1), store_credit=Decimal(5)).event

    assert [question.subject for question in resolve_lines(event, SourcePolicy()).questions] == ["totals"]


def test_the_rules_are_told_by_these_names_and_reach_these_words():
    assert {rule.name: rule.words for rule in RESOLUTION_RULES} == {
        "credit": ("store_credit", "gift_card"),
        "exchange": ("exchange", "replacement"),
        "repair": ("repair",),
        "none": ("none",),
        "refund": ("", "refund", "original_payment"),
        "unknown": (),
    }
    assert CREDIT_IGNORED.name == "credit_ignored"
