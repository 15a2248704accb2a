"""The protocol of core/lifecycle.py, every state of it visited; and without each of its guards, to see it go wrong."""

import pytest

from service.core.lifecycle import DELIVERY_MOVES, REFUND_MOVES, DeliveryState, RefundState
from tests.model.checker import check
from tests.model.protocol import IllegalMoveError, Protocol
from tests.model.settings import MUTANTS, QUICK

MOVES = [(old, new) for old, moves in REFUND_MOVES.items() for new in moves]
WITH_STAFF = QUICK["offline, staff"]

TWICE = "Magento has two memos of ours for the same unit"
SENT_AGAIN = "an online refund of unknown outcome was sent again by a machine"
UNASKED = "a refund was sent though its reading showed a foreign memo that nobody has answered for"
IGNORED = "a refund was sent for units that a person said a foreign memo had given back"


@pytest.mark.parametrize("name", QUICK)
def test_in_no_reachable_state_is_a_unit_refunded_twice_lost_or_stuck(name):
    result = check(Protocol(setting=QUICK[name]))

    print(f"{name}: {result.states} states, {result.steps} steps, {result.seconds:.1f} s")  # noqa: T201 -- the figures, with pytest -s
    assert result.wrong == "", "\n".join(result.trace)
    assert result.states > 10_000


def test_every_move_of_the_table_is_taken_and_no_other():
    assert check(Protocol(setting=WITH_STAFF)).moves == set(MOVES)


@pytest.mark.parametrize(("old", "new"), MOVES, ids=[f"{old}-{new}" for old, new in MOVES])
def test_the_protocol_cannot_do_without_any_move_of_the_table(old, new):
    table = {
        state: {to: why for to, why in moves.items() if (state, to) != (old, new)}
        for state, moves in REFUND_MOVES.items()
    }

    with pytest.raises(IllegalMoveError, match=f"{old} → {new}"):
        check(Protocol(setting=WITH_STAFF, table=table))


# Of a delivery's moves those of a refund's way; the model has no shadow mode, and no event that asks for nothing.
DELIVERY_MOVES_TAKEN = [
    *((old, new) for old in ("received", "waiting") for new in ("waiting", "needs_person", "done")),
    ("needs_person", "received"),
]


@pytest.mark.parametrize(("old", "new"), DELIVERY_MOVES_TAKEN)
def test_the_protocol_cannot_do_without_a_move_of_the_deliveries_that_it_takes(old, new):
    table = {
        state: [to for to in moves if (state, to) != (DeliveryState(old), DeliveryState(new))]
        for state, moves in DELIVERY_MOVES.items()
    }

    with pytest.raises(IllegalMoveError, match=f"{old}.* → {new}"):
        check(Protocol(setting=WITH_STAFF, delivery_table=table))


def test_a_move_that_nothing_takes_would_be_seen():
    table = {**REFUND_MOVES, RefundState.REFUSED: {RefundState.PLANNED: "somebody added this"}}

    taken = check(Protocol(setting=WITH_STAFF, table=table)).moves

    assert {(old, new) for old, moves in table.items() for new in moves} - taken == {
        (RefundState.REFUSED, RefundState.PLANNED)
    }


# What goes wrong without a guard, offline and online; "" where that route does not lean on it.
WITHOUT = {
    "no marker is looked for": (TWICE, SENT_AGAIN),
    "settle_seconds are not waited for": (TWICE, SENT_AGAIN),
    "no slot per order": (TWICE, SENT_AGAIN),
    "no fence on a claim": (TWICE, SENT_AGAIN),
    "no send deadline": (TWICE, SENT_AGAIN),
    "an unknown online refund is sent again": ("", SENT_AGAIN),
    "foreign memos are not asked about": (UNASKED, UNASKED),
    "a person's answer is ignored": (IGNORED, IGNORED),
}


def test_each_guard_has_its_mutant():
    assert WITHOUT.keys() == MUTANTS.keys()


@pytest.mark.parametrize("name", [name for name, (offline, _) in WITHOUT.items() if offline])
def test_offline_a_missing_guard_is_seen_by_what_goes_wrong(name):
    result = check(Protocol(setting=MUTANTS[name].offline, guards=MUTANTS[name].guards))

    print("\n".join((name, result.wrong, *result.trace)))  # noqa: T201 -- the counterexample, with pytest -s
    assert result.wrong == WITHOUT[name][0]


@pytest.mark.parametrize("name", WITHOUT)
def test_online_a_missing_guard_is_seen_by_what_goes_wrong(name):
    result = check(Protocol(setting=MUTANTS[name].online, guards=MUTANTS[name].guards))

    print("\n".join((name, result.wrong, *result.trace)))  # noqa: T201 -- the counterexample, with pytest -s
    assert result.wrong == WITHOUT[name][1]
