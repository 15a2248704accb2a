"""What was wrong with a parcel, and whether it holds the return."""

from dataclasses import replace

import pytest

from service.core.discrepancies import DISCREPANCIES, judge_discrepancies
from service.core.plan import Verdict
from service.core.planning import plan_refunds
from tests.core.builders import TEE, a_policy, a_reading, a_return, an_order, came_back, line


@pytest.mark.parametrize("known", DISCREPANCIES, ids=lambda known: known.word)
def test_a_known_word_is_told_with_its_meaning_and_holds_the_return_where_the_table_says_so(known):
    reading = a_reading(an_order(line(TEE, "TEE", "22")))

    plan = plan_refunds(a_return(came_back("TEE", 1), discrepancies=(known.word,)), reading, a_policy())

    assert plan.verdict is (Verdict.PERSON if known.asks else Verdict.REFUND)
    told = [question.text for question in plan.questions] if known.asks else [note.text for note in plan.notes]
    assert any(known.means in text for text in told)


@pytest.mark.parametrize("said", ["strange", "over_receipt: 2 of TEE, 1 announced"])
def test_a_word_that_nobody_knows_and_one_that_names_its_line_are_asked_about(said):
    event = a_return(came_back("TEE", 1), discrepancies=(said, said)).event

    notes, (question,) = judge_discrepancies(event)

    assert notes == ()
    assert question.text.startswith(said)


def test_no_discrepancy_says_nothing():
    assert judge_discrepancies(replace(a_return(came_back("TEE", 1)).event, discrepancies=())) == ((), ())


def test_a_note_and_a_question_say_which_line_they_are_about_or_the_whole_return():
    of_line, of_all = "under_receipt: 2 of TEE, 3 announced", "partial_receipt"
    event = a_return(came_back("TEE", 1), discrepancies=(of_line, of_all, "wrong_item: TEE", "strange")).event

    notes, questions = judge_discrepancies(event)

    assert [(note.rule, note.subject) for note in notes] == [
        ("discrepancy.under_receipt", "2 of TEE, 3 announced"),
        ("discrepancy.partial_receipt", "return"),
    ]
    assert [(each.code, each.subject) for each in questions] == [("discrepancy", "TEE"), ("discrepancy", "RMA-1001")]


def test_the_words_are_those_of_the_canonical_event_and_shortfalls_alone_hold_nothing():
    assert {each.word: each.asks for each in DISCREPANCIES} == {
        "over_receipt": True,
        "unexpected_item": True,
        "wrong_item": True,
        "blind_return": True,
        "empty_parcel": True,
        "damaged_in_transit": True,
        "under_receipt": False,
        "partial_receipt": False,
    }
