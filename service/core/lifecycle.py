"""States of a delivery and of a refund, and the moves between them: the tables are the program.

The store refuses a move that is not in the table, and docs/lifecycle.md is printed from it. Needing a person is not a
state but a flag with a reason: a refund that may have paid stays `unknown`, keeps its order's slot, and its units count
as given back until a person settles it.
"""

from __future__ import annotations

from enum import StrEnum


class RefundState(StrEnum):
    PLANNED = "planned"  # in a saved plan; nothing was sent, or provably nothing arrived
    CHECKING = "checking"  # holds the order's slot while the order is read and planned again
    SENDING = "sending"  # committed before the call; from here on Magento may have acted
    UNKNOWN = "unknown"  # the call's outcome is not known; looked for after settle_seconds
    DONE = "done"  # a memo with our marker is known
    REFUSED = "refused"  # Magento validated and said no


#: Those that hold their order's slot: at most one per (instance, order), enforced by a unique index.
SLOT_STATES = (RefundState.CHECKING, RefundState.SENDING, RefundState.UNKNOWN)

REFUND_MOVES: dict[RefundState, dict[RefundState, str]] = {
    RefundState.PLANNED: {
        RefundState.CHECKING: "its turn came and the order's slot was free",
    },
    RefundState.CHECKING: {
        RefundState.SENDING: "the fresh reading gave this refund; committed before the call",
        RefundState.PLANNED: "not sent: the reading failed, waits for approval, or the send deadline passed",
        RefundState.DONE: "the memo was found: an earlier call had arrived",
    },
    RefundState.SENDING: {
        RefundState.DONE: "200 with a memo id",
        RefundState.REFUSED: "400 with a known validation text",
        RefundState.PLANNED: "provably not begun: no connection, too late, 401, 404 or 429 of Magento's own",
        RefundState.UNKNOWN: "anything else, every 5xx and time-out included; or the worker died",
    },
    RefundState.UNKNOWN: {
        RefundState.DONE: "the marker was found, or a person named the memo or said that it was paid without one",
        RefundState.PLANNED: "offline and settled without a marker, or a person said that nothing was paid",
    },
    RefundState.DONE: {},
    RefundState.REFUSED: {},
}


class DeliveryState(StrEnum):
    RECEIVED = "received"  # stored durably and due
    WAITING = "waiting"  # due again at a time, for a reason
    NEEDS_PERSON = "needs_person"  # not due; a reason and what can be done are shown
    SHADOWED = "shadowed"  # planned and shown; the store is in shadow mode, nothing was sent
    DONE = "done"
    IGNORED = "ignored"  # asks for nothing, with the reason
    UNREADABLE = "unreadable"  # authentic, but says nothing we understand; kept for replay


#: Nobody works on them any more, and nobody is asked: their bodies may be forgotten.
PURGEABLE_STATES = (DeliveryState.DONE, DeliveryState.IGNORED, DeliveryState.UNREADABLE, DeliveryState.SHADOWED)

DELIVERY_MOVES: dict[DeliveryState, tuple[DeliveryState, ...]] = {
    DeliveryState.RECEIVED: tuple(state for state in DeliveryState if state is not DeliveryState.RECEIVED),
    DeliveryState.WAITING: tuple(state for state in DeliveryState if state is not DeliveryState.RECEIVED),
    # A person's answer, a retry or a replay makes it due again; or they say that nothing is to be done.
    DeliveryState.NEEDS_PERSON: (DeliveryState.RECEIVED, DeliveryState.IGNORED),
    DeliveryState.SHADOWED: (DeliveryState.RECEIVED,),
    DeliveryState.DONE: (DeliveryState.RECEIVED,),
    DeliveryState.IGNORED: (DeliveryState.RECEIVED,),
    DeliveryState.UNREADABLE: (DeliveryState.RECEIVED, DeliveryState.IGNORED),
}
