"""What was wrong with a parcel, in the words of the field, and whether a person must look before money moves.

Where goods and paper disagree, the quantities are what is in doubt: one such word holds the whole return. A word that
is not in the table does too, because a sender that names a discrepancy means something by it.
"""

from __future__ import annotations

from dataclasses import dataclass

from service.core.plan import Note, Question
from service.core.returns import ReturnEvent


@dataclass(frozen=True, kw_only=True, slots=True)
class Discrepancy:
    """`asks` False: told in the plan, and nothing is held."""

    word: str
    asks: bool
    means: str


DISCREPANCIES = (
    Discrepancy(word="over_receipt", asks=True, means="more units came back than were announced"),
    Discrepancy(word="unexpected_item", asks=True, means="something came back that is not in the return"),
    Discrepancy(word="wrong_item", asks=True, means="something else came back than was announced"),
    Discrepancy(word="blind_return", asks=True, means="goods came back without an announced return"),
    Discrepancy(word="empty_parcel", asks=True, means="nothing was in the parcel"),
    Discrepancy(word="damaged_in_transit", asks=True, means="the carrier may have to pay"),
    Discrepancy(word="under_receipt", asks=False, means="fewer units came back than announced; more may follow"),
    Discrepancy(word="partial_receipt", asks=False, means="fewer units came back than announced; more may follow"),
)

_BY_WORD = {each.word: each for each in DISCREPANCIES}

#: Put before a discrepancy that we found in the sender's numbers: which line it is.
OF_LINE = ": "


def judge_discrepancies(event: ReturnEvent) -> tuple[tuple[Note, ...], tuple[Question, ...]]:
    """Notes of those that hold nothing, and a question for each of the others."""
    notes: list[Note] = []
    questions: list[Question] = []
    for said in dict.fromkeys(event.discrepancies):
        word, _, where = said.partition(OF_LINE)
        known = _BY_WORD.get(word)
        text = f"{said}: {known.means}" if known else f"{said}: a discrepancy that this service does not know"
        if known is not None and not known.asks:
            notes.append(Note(rule=f"discrepancy.{word}", subject=where or "return", text=text))
        else:
            text += "; see what is there, and have the sender correct the return, or refund by hand"
            questions.append(Question(code="discrepancy", subject=where or event.return_id, text=text))
    return tuple(notes), tuple(questions)
