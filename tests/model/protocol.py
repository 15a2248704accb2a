"""The protocol of one return's refund, as states and steps: what service/flow does, without everything else.

One return of one unit on an order of two; two workers, the event's delivery and perhaps a second one. A step of a
worker is one transaction or one call, because that is where others can come between; crashes, leases and time-outs may
come between any two. Moves of the refund and of a delivery are those of core/lifecycle.py and no others. Time is not
counted: what is assumed of it is which event cannot come before which other.

Assumed, and nothing else: (1) settle_seconds outlasts a call: it does not end before the send deadline, the client's
time-out and Magento's own work; (2) the reading made under the order's slot shows what Magento has committed, while the
look for a lost answer may be answered with something old; (3) a person says what the gateway's books say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import NamedTuple

from service.core.lifecycle import DELIVERY_MOVES, REFUND_MOVES, SLOT_STATES, DeliveryState, RefundState

Move = tuple[RefundState, RefundState]
Table = Mapping[RefundState, Mapping[RefundState, str]]
DeliveryTable = Mapping[DeliveryState, Collection[DeliveryState]]

#: Units that were ordered and paid: one more than the return has, so that paying twice is possible.
_UNITS = 2


class Pc(IntEnum):
    """Where a worker is: what its next step will do."""

    IDLE = 0
    TAKE = 1  # the delivery is claimed; the order's slot comes next
    READ = 2  # the slot is held
    DECIDE = 3  # a reading is in hand; `data` is a Seen
    POST = 4  # `sending` is committed; `data`: what its reading says against it, "" if nothing
    WAIT = 5  # the call is made; `data` is its Stage
    ANSWER = 6  # `data` is the Outcome, still to be written down
    LOOK = 7  # a refund of unknown outcome; `data`: whether it was settled before the look began
    LOOKED = 8  # `data` is (found, settled)
    FINISH = 9  # `data` is the delivery's next End


class Stage(IntEnum):
    """A refund call inside Magento."""

    ARRIVED = 0
    VALID = 1
    PAID = 2  # the gateway has paid, nothing is committed yet


class Outcome(IntEnum):
    DONE = 0
    REFUSED = 1
    NOT_SENT = 2
    UNKNOWN = 3


class End(IntEnum):
    """A delivery: not there yet, due or worked on, waiting for a person, done."""

    ABSENT = 0
    DUE = 1
    PERSON = 2
    DONE = 3


#: The code's states that each of them stands for. Received and waiting are both due: when does not matter here.
_STANDS_FOR = {
    End.DUE: (DeliveryState.RECEIVED, DeliveryState.WAITING),
    End.PERSON: (DeliveryState.NEEDS_PERSON,),
    End.DONE: (DeliveryState.DONE,),
}

#: The code's state of a delivery that its worker has finished with.
_LEFT_AS = {
    End.DUE: DeliveryState.WAITING,
    End.PERSON: DeliveryState.NEEDS_PERSON,
    End.DONE: DeliveryState.DONE,
}


class Said(IntEnum):
    """What a person said of somebody else's memo."""

    NOTHING = 0
    THIS_RETURN = 1
    SOMETHING_ELSE = 2


class Seen(NamedTuple):
    """A reading: whose memos are there."""

    ours: bool
    staff: bool
    plugin: bool


class Row(NamedTuple):
    """The refund's row. `is_held`: with the fence of its delivery's present claim."""

    state: RefundState
    delivery: int
    is_held: bool
    sends: int = 0
    is_settled: bool = False
    is_flagged: bool = False


class Delivery(NamedTuple):
    end: End
    is_leased: bool = False


class Worker(NamedTuple):
    """`is_current`: nobody has claimed its delivery since. `is_fresh`: its reading may still be sent on.

    Where two are at the same `pc`, their `data` is of one kind, so workers can be sorted.
    """

    pc: Pc = Pc.IDLE
    delivery: int = 0
    is_current: bool = False
    is_fresh: bool = False
    data: object = 0


IDLE = Worker()


class State(NamedTuple):
    #: The live row; two only where a mutant has no slot.
    rows: tuple[Row | None, ...]
    deliveries: tuple[Delivery, ...]
    #: Sorted: which of them is called A means nothing.
    workers: tuple[Worker, ...]
    #: Calls that nobody waits for any more, sorted.
    orphans: tuple[Stage, ...] = ()
    our_memos: int = 0
    our_payments: int = 0
    #: Of the memo that staff made, 0 where they made none.
    staff_units: int = 0
    has_plugin_memo: bool = False
    said_of_staff: Said = Said.NOTHING
    said_of_plugin: Said = Said.NOTHING
    is_paid_without_memo: bool = False
    is_refused: bool = False
    #: A call was made, and neither Magento nor a person has said that it moved nothing.
    may_have_paid: bool = False

    @property
    def units_left(self) -> int:
        return max(_UNITS - self.our_memos - self.has_plugin_memo - self.staff_units, 0)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Every call inside Magento, waited for or not."""
        return self.orphans + tuple(worker.data for worker in self.workers if worker.pc is Pc.WAIT)


class Kind(Enum):
    """Who takes a step."""

    MACHINE = "machine"  # workers, Magento, time: what goes on by itself
    TROUBLE = "trouble"
    PERSON = "person"


class Step(NamedTuple):
    kind: Kind
    text: str
    after: State
    #: Of the refund.
    move: Move | None = None
    #: What must never happen and did, where the state alone does not show it.
    wrong: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """The world around the protocol."""

    is_online: bool
    has_order_lock: bool
    has_plugin: bool = False
    has_redelivery: bool = True
    has_staff: bool = True
    max_sends: int = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Guards:
    """What the protocol rests on; a mutant lacks one."""

    looks_for_marker: bool = True
    waits_until_settled: bool = True
    has_slot: bool = True
    has_fence: bool = True
    has_deadline: bool = True
    asks_about_online: bool = True
    asks_about_foreign_memos: bool = True
    heeds_answers: bool = True


class IllegalMoveError(Exception):
    """The protocol took a move that core/lifecycle.py does not have, or that a test took out of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Protocol:
    setting: Setting
    guards: Guards = Guards()
    #: The one that the store enforces; another to show what leans on it.
    table: Table = field(default_factory=lambda: REFUND_MOVES)
    delivery_table: DeliveryTable = field(default_factory=lambda: DELIVERY_MOVES)

    def start(self) -> State:
        second = (Delivery(End.ABSENT),) if self.setting.has_redelivery else ()
        return State(
            rows=(None,) if self.guards.has_slot else (None, None),
            deliveries=(Delivery(End.DUE), *second),
            workers=(IDLE, IDLE),
        )

    def steps(self, state: State) -> Iterator[Step]:
        """Everything that can happen next."""
        for index, worker in enumerate(state.workers):
            if worker.pc is Pc.IDLE:
                if index == 0 or state.workers[0].pc is not Pc.IDLE:
                    yield from self._claims(state, index)
                continue
            yield from _WORKER_STEPS[worker.pc](self, state, index, worker)
            yield Step(Kind.TROUBLE, f"a worker dies before it can {worker.pc.name}", _crashed(state, index))
        yield from self._magento(state)
        yield from self._time(state)
        yield from self._others(state)
        yield from self._person(state)

    # --- a worker, in the order of its work ---------------------------------------------------------------------------

    def _claims(self, state: State, index: int) -> Iterator[Step]:
        for number, delivery in enumerate(state.deliveries):
            if delivery.end is not End.DUE or delivery.is_leased:
                continue
            workers = tuple(
                other._replace(is_current=False) if other.pc and other.delivery == number else other
                for other in state.workers
            )
            rows = tuple(
                row._replace(is_held=False) if row is not None and row.delivery == number else row for row in state.rows
            )
            claimed = state._replace(
                workers=workers, rows=rows, deliveries=_put(state.deliveries, number, delivery._replace(is_leased=True))
            )
            after = _with_worker(claimed, index, Worker(Pc.TAKE, number, is_current=True))
            yield _machine(f"a worker claims delivery {number + 1}", after)

    def _take(self, state: State, index: int, worker: Worker) -> Iterator[Step]:
        if self._is_void(worker):
            yield _void(state, index)
            return
        row = state.rows[self._slot(worker)]
        mine = {"delivery": worker.delivery, "is_held": True}
        if row is None:
            new = Row(RefundState.CHECKING, worker.delivery, is_held=True)
            yield self._went(state, index, worker, Pc.READ, row=new, text="takes the slot")
        elif row.state is RefundState.PLANNED:
            yield self._went(
                state, index, worker, Pc.READ, row=row._replace(**mine), to=RefundState.CHECKING, text="takes the slot"
            )
        elif row.delivery != worker.delivery:
            yield self._went(state, index, worker, Pc.FINISH, End.DUE, text="finds the slot taken")
        elif row.state is RefundState.CHECKING:
            yield self._went(state, index, worker, Pc.READ, row=row._replace(**mine), text="takes the slot over")
        elif row.state is RefundState.SENDING:
            after = row._replace(**mine)
            text = "finds a call without an answer"
            yield self._went(state, index, worker, Pc.LOOK, False, row=after, to=RefundState.UNKNOWN, text=text)
        else:
            text = "comes back to an unknown outcome"
            yield self._went(state, index, worker, Pc.LOOK, row.is_settled, row=row._replace(**mine), text=text)

    def _look(self, state: State, index: int, worker: Worker) -> Iterator[Step]:
        """Searches for the marker; an answer may be older than the question."""
        found = {False, state.our_memos > 0} if self.guards.looks_for_marker else {False}
        for is_found in sorted(found):
            text = f"looks for the marker: {'found' if is_found else 'not found'}"
            yield self._went(state, index, worker, Pc.LOOKED, (is_found, worker.data), text=text)

    def _looked(self, state: State, index: int, worker: Worker) -> Iterator[Step]:
        row = self._held_row(state, worker)
        if row is None:
            yield _void(state, index)
            return
        is_found, is_settled = worker.data
        if is_found:
            yield self._went(state, index, worker, Pc.TAKE, row=row, to=RefundState.DONE, text="writes: memo found")
        elif not is_settled and self.guards.waits_until_settled:
            yield self._went(state, index, worker, Pc.FINISH, End.DUE, text="will look again")
        elif (not self.setting.is_online and row.sends < self.setting.max_sends) or (
            self.setting.is_online and not self.guards.asks_about_online
        ):
            plain = row._replace(is_settled=False)
            text = "writes: nothing happened, may be sent again"
            yield self._went(state, index, worker, Pc.TAKE, row=plain, to=RefundState.PLANNED, text=text)
        else:
            flagged = row._replace(is_flagged=True)
            yield self._went(state, index, worker, Pc.FINISH, End.PERSON, row=flagged, text="asks a person")

    def _read(self, state: State, index: int, worker: Worker) -> Iterator[Step]:
        seen = Seen(
            ours=state.our_memos > 0 and self.guards.looks_for_marker,
            staff=state.staff_units > 0,
            plugin=state.has_plugin_memo,
        )
        reading = worker._replace(pc=Pc.DECIDE, is_fresh=True, data=seen)
        yield _machine("a worker reads the order and its memos", _with_worker(state, index, reading))
        yield Step(
            Kind.TROUBLE,
            "Magento cannot be read",
            _with_worker(state, index, worker._replace(pc=Pc.FINISH, data=End.DUE)),
        )

    def _decide(self, state: State, index: int, worker: Worker) -> Iterator[Step]:
        row = self._held_row(state, worker)
        if row is None:
            yield _void(state, index)
            return
        seen = worker.data
        assert isinstance(seen, Seen)
        is_named = (seen.staff and state.said_of_staff is Said.THIS_RETURN) or (
            seen.plugin and state.said_of_plugin is Said.THIS_RETURN
        )
        is_given = seen.ours or state.is_paid_without_memo or (is_named and self.guards.heeds_answers)
        is_foreign = (seen.staff and not state.said_of_staff) or (seen.plugin and not state.said_of_plugin)
        is_asked = is_foreign and self.guards.asks_about_foreign_memos
        if seen.ours and row.sends:
            yield self._went(state, index, worker, Pc.TAKE, row=row, to=RefundState.DONE, text="writes: memo found")
        elif is_given:
            yield self._went(state, index, worker, Pc.FINISH, End.DONE, text="finds nothing left to give back")
        elif is_asked:
            yield self._went(state, index, worker, Pc.FINISH, End.PERSON, text="asks about somebody else's memo")
        elif not worker.is_fresh and self.guards.has_deadline:
            yield self._went(state, index, worker, Pc.TAKE, text="finds its reading too old")
        else:
            # Sends are counted as far as they are looked at.
            sends = min(row.sends + 1, self.setting.max_sends)
            sending = row._replace(sends=sends, is_settled=False, is_flagged=False)
            lease = _put(state.deliveries, worker.delivery, state.deliveries[worker.delivery]._replace(is_leased=True))
            extended = state._replace(deliveries=lease) if worker.is_current else state
            yield self._went(
                extended,
                index,
                worker,
                Pc.POST,
                _against(state, seen),
                row=sending,
                to=RefundState.SENDING,
                text="commits that it sends",
                keeps_fresh=True,
            )

    def _post(self, state: State, index: int, worker: Worker) -> Iterator[Step]:
        if self.guards.has_deadline and not worker.is_fresh:
            yield self._went(state, index, worker, Pc.ANSWER, Outcome.NOT_SENT, text="is too late to send")
            return
        sent = state._replace(may_have_paid=True)
        step = self._went(sent, index, worker, Pc.WAIT, Stage.ARRIVED, text="sends the refund")
        wrong = worker.data
        assert isinstance(wrong, str)
        if not wrong and self.setting.is_online and state.may_have_paid:
            wrong = "an online refund of unknown outcome was sent again by a machine"
        yield step._replace(wrong=wrong)
        text = "is told that nothing was begun (no connection, 429)"
        yield self._went(state, index, worker, Pc.ANSWER, Outcome.NOT_SENT, text=text)._replace(kind=Kind.TROUBLE)

    def _wait(self, state: State, index: int, worker: Worker) -> Iterator[Step]:
        orphaned = state._replace(orphans=_sorted(state.orphans, worker.data))
        text = "gives up waiting; Magento does not know"
        yield self._went(orphaned, index, worker, Pc.ANSWER, Outcome.UNKNOWN, text=text)

    def _answer(self, state: State, index: int, worker: Worker) -> Iterator[Step]:
        row = self._held_row(state, worker)
        if row is None or (worker.data is not Outcome.UNKNOWN and row.state is not RefundState.SENDING):
            yield _void(state, index)
            return
        to, end, text = _WRITTEN[worker.data]
        if worker.data is Outcome.NOT_SENT:
            row = row._replace(sends=max(row.sends - 1, 0))
        known = state._replace(may_have_paid=False) if worker.data is Outcome.REFUSED else state
        yield self._went(known, index, worker, Pc.FINISH, end, row=row, to=to, text=text)

    def _finish(self, state: State, index: int, worker: Worker) -> Iterator[Step]:
        if self._is_void(worker):
            yield _void(state, index)
            return
        end = worker.data
        assert isinstance(end, End)
        if not self.guards.has_fence and not self._may_move(state, worker.delivery, _LEFT_AS[end]):
            yield _void(state, index)  # as in _went
            return
        finished = self._ended(state, worker.delivery, end, _LEFT_AS[end])
        slot = self._slot(worker)
        row = state.rows[slot]
        move: Move | None = None
        if row is not None and row.delivery == worker.delivery and row.state is RefundState.CHECKING:
            if row.sends:
                finished, move = self._moved(finished, slot, row, RefundState.PLANNED)
            else:
                finished = finished._replace(rows=_put(finished.rows, slot, None))
        after = _with_worker(finished, index, IDLE)
        yield Step(Kind.MACHINE, f"delivery {worker.delivery + 1} is finished: {end.name}", after, move)

    # --- Magento ------------------------------------------------------------------------------------------------------

    def _magento(self, state: State) -> Iterator[Step]:
        for stage in set(state.orphans):
            rest = list(state.orphans)
            rest.remove(stage)
            for text, changed, next_stage, _ in self._call(state, stage):
                left = tuple(sorted([*rest, next_stage])) if next_stage is not None else tuple(rest)
                yield _machine(f"Magento, on a call nobody waits for: {text}", changed._replace(orphans=left))
        for index, worker in enumerate(state.workers):
            if worker.pc is not Pc.WAIT:
                continue
            for text, changed, next_stage, outcome in self._call(state, worker.data):
                waiting = (
                    worker._replace(pc=Pc.ANSWER, data=outcome)
                    if next_stage is None
                    else worker._replace(data=next_stage)
                )
                yield _machine(f"Magento: {text}", _with_worker(changed, index, waiting))

    def _call(self, state: State, stage: Stage) -> Iterator[tuple[str, State, Stage | None, Outcome]]:
        """What a call can do next: its text, the world after it, its next stage (None: answered), the answer."""
        unknown = Outcome.UNKNOWN
        if stage is Stage.ARRIVED:
            is_locked = any(other is not Stage.ARRIVED for other in state.stages)
            if self.setting.has_order_lock and is_locked:
                return
            if state.units_left:
                yield "finds the refund valid", state, Stage.VALID, unknown
            else:
                yield "refuses", state, None, Outcome.REFUSED
            yield "fails before anything happened", state, None, unknown
        elif stage is Stage.VALID and self.setting.is_online:
            paid = state._replace(our_payments=state.our_payments + 1)
            yield "the gateway pays", paid, Stage.PAID, unknown
            yield "the gateway declines", state, None, unknown
        else:
            committed = state._replace(our_memos=state.our_memos + 1)
            yield "commits the memo", committed, None, Outcome.DONE
            yield "rolls back", state, None, unknown

    # --- time, other people, trouble ----------------------------------------------------------------------------------

    def _time(self, state: State) -> Iterator[Step]:
        for number, delivery in enumerate(state.deliveries):
            if delivery.is_leased:
                deliveries = _put(state.deliveries, number, delivery._replace(is_leased=False))
                yield _machine(f"the lease on delivery {number + 1} ends", state._replace(deliveries=deliveries))
        for index, worker in enumerate(state.workers):
            if worker.is_fresh and worker.pc in {Pc.DECIDE, Pc.POST}:
                late = _with_worker(state, index, worker._replace(is_fresh=False))
                yield _machine("the send deadline of a reading passes", late)
        is_call_possible = state.stages or any(worker.pc is Pc.POST and worker.is_fresh for worker in state.workers)
        for slot, row in enumerate(state.rows):
            is_unknown = row is not None and row.state is RefundState.UNKNOWN
            if row is not None and is_unknown and not row.is_settled and not is_call_possible:
                settled = state._replace(rows=_put(state.rows, slot, row._replace(is_settled=True)))
                yield _machine("settle_seconds have passed", settled)

    def _others(self, state: State) -> Iterator[Step]:
        for number, delivery in enumerate(state.deliveries):
            if delivery.end is End.ABSENT:
                deliveries = _put(state.deliveries, number, Delivery(End.DUE))
                yield Step(Kind.TROUBLE, "the event is delivered again", state._replace(deliveries=deliveries))
        if self.setting.has_staff and not state.staff_units:
            # One, and ours is still possible after theirs; all that is left, and Magento refuses ours.
            for units in range(1, state.units_left + 1):
                text = f"staff refund {units} of {state.units_left} units by hand"
                yield Step(Kind.TROUBLE, text, state._replace(staff_units=units))
        if self.setting.has_plugin and state.our_payments and not state.has_plugin_memo and state.units_left:
            text = "the gateway's plugin writes a memo of its own about our payment"
            yield Step(Kind.TROUBLE, text, state._replace(has_plugin_memo=True))

    def _person(self, state: State) -> Iterator[Step]:
        for slot, row in enumerate(state.rows):
            if row is None or not row.is_flagged or row.state is not RefundState.UNKNOWN:
                continue
            if state.deliveries[row.delivery].end is not End.PERSON:
                continue
            settled, text = self._settled(state, slot, row)
            yield settled._replace(text=f"a person says: {text}", after=self._woken(settled.after, row.delivery))
        waiting = [number for number, delivery in enumerate(state.deliveries) if delivery.end is End.PERSON]
        for number in waiting:
            text = f"a person has delivery {number + 1} looked at again"
            yield Step(Kind.PERSON, text, self._woken(state, number))
        if waiting and state.staff_units and not state.said_of_staff:
            for said in (Said.THIS_RETURN, Said.SOMETHING_ELSE):
                answered = self._woken(state._replace(said_of_staff=said), *waiting)
                yield Step(Kind.PERSON, f"a person says of the staff's memo: {said.name}", answered)
        if waiting and state.has_plugin_memo and not state.said_of_plugin:
            answered = self._woken(state._replace(said_of_plugin=Said.THIS_RETURN), *waiting)
            yield Step(Kind.PERSON, "a person says of the plugin's memo: THIS_RETURN", answered)

    def _settled(self, state: State, slot: int, row: Row) -> tuple[Step, str]:
        """What the books say of a flagged refund, and the step that follows from it."""
        plain = row._replace(is_held=False, is_flagged=False, is_settled=False)
        if not (state.our_payments or state.our_memos):
            after, move = self._moved(state._replace(may_have_paid=False), slot, plain, RefundState.PLANNED)
            return Step(Kind.PERSON, "", after, move), "not paid"
        after, move = self._moved(state, slot, plain, RefundState.DONE)
        if state.our_memos:
            return Step(Kind.PERSON, "", after, move), "paid, with our memo"
        if state.has_plugin_memo:
            named = after._replace(said_of_plugin=Said.THIS_RETURN)
            return Step(Kind.PERSON, "", named, move), "paid, with the plugin's memo"
        return Step(Kind.PERSON, "", after._replace(is_paid_without_memo=True), move), "paid, without a memo"

    def _woken(self, state: State, *numbers: int) -> State:
        for number in numbers:
            state = self._ended(state, number, End.DUE, DeliveryState.RECEIVED)
        return state

    # --- how ----------------------------------------------------------------------------------------------------------

    def _slot(self, worker: Worker) -> int:
        return 0 if self.guards.has_slot else worker.delivery

    def _is_void(self, worker: Worker) -> bool:
        """Whether a write of this worker is refused because somebody has claimed since."""
        return self.guards.has_fence and not worker.is_current

    def _held_row(self, state: State, worker: Worker) -> Row | None:
        """The row as this worker may write it; None: not its any more."""
        row = state.rows[self._slot(worker)]
        if row is None or row.delivery != worker.delivery or self._is_void(worker):
            return None
        return row if row.is_held or not self.guards.has_fence else None

    def _went(
        self,
        state: State,
        index: int,
        worker: Worker,
        pc: Pc,
        data: object = 0,
        *,
        text: str,
        row: Row | None = None,
        to: RefundState | None = None,
        keeps_fresh: bool = False,
    ) -> Step:
        """A worker's step: its row written, perhaps moved, and where it is afterwards."""
        move: Move | None = None
        after = state
        if row is not None and to is not None:
            if to not in self.table[row.state] and not self.guards.has_fence:
                return _void(state, index)  # without fences the store's table is what is left to stop a worker
            after, move = self._moved(state, self._slot(worker), row, to)
        elif row is not None:
            after = state._replace(rows=_put(state.rows, self._slot(worker), row))
        gone = Worker(pc, worker.delivery, worker.is_current, worker.is_fresh and keeps_fresh, data)
        return Step(Kind.MACHINE, f"a worker {text}", _with_worker(after, index, gone), move)

    def _moved(self, state: State, slot: int, row: Row, to: RefundState) -> tuple[State, Move]:
        if to not in self.table[row.state]:
            raise IllegalMoveError(f"{row.state} → {to} is not in REFUND_MOVES")
        is_over = to in {RefundState.DONE, RefundState.REFUSED}
        after = state._replace(rows=_put(state.rows, slot, None if is_over else row._replace(state=to)))
        if to is RefundState.REFUSED:
            after = after._replace(is_refused=True)
        return after, (row.state, to)

    def _may_move(self, state: State, number: int, to: DeliveryState) -> bool:
        """Whether the code lets this delivery become `to` from each of the states that it may be in there."""
        return all(to in self.delivery_table[old] for old in _STANDS_FOR[state.deliveries[number].end])

    def _ended(self, state: State, number: int, end: End, to: DeliveryState) -> State:
        """A delivery that nobody works on any more; `to` is what the code calls its end."""
        if not self._may_move(state, number, to):
            names = " or ".join(_STANDS_FOR[state.deliveries[number].end])
            raise IllegalMoveError(f"{names} → {to} is not in DELIVERY_MOVES")
        return state._replace(deliveries=_put(state.deliveries, number, Delivery(end)))


_WORKER_STEPS = {
    Pc.TAKE: Protocol._take,
    Pc.LOOK: Protocol._look,
    Pc.LOOKED: Protocol._looked,
    Pc.READ: Protocol._read,
    Pc.DECIDE: Protocol._decide,
    Pc.POST: Protocol._post,
    Pc.WAIT: Protocol._wait,
    Pc.ANSWER: Protocol._answer,
    Pc.FINISH: Protocol._finish,
}

_WRITTEN = {
    Outcome.DONE: (RefundState.DONE, End.DONE, "writes: done"),
    Outcome.REFUSED: (RefundState.REFUSED, End.PERSON, "writes: refused"),
    Outcome.NOT_SENT: (RefundState.PLANNED, End.DUE, "writes: not sent"),
    Outcome.UNKNOWN: (RefundState.UNKNOWN, End.DUE, "writes: unknown"),
}


# --- what is always true ----------------------------------------------------------------------------------------------


def _against(state: State, seen: Seen) -> str:
    """What a reading's foreign memos and the answers about them say against a refund of the return's unit.

    Worked out apart from what the worker decides, so that a fault there is seen here.
    """
    said = [
        answer
        for is_seen, answer in ((seen.staff, state.said_of_staff), (seen.plugin, state.said_of_plugin))
        if is_seen
    ]
    if Said.NOTHING in said:
        return "a refund was sent though its reading showed a foreign memo that nobody has answered for"
    if Said.THIS_RETURN in said:
        return "a refund was sent for units that a person said a foreign memo had given back"
    return ""


def wrong_in(state: State) -> str:
    """What must never be and is; "" otherwise."""
    if state.our_payments > 1:
        return "the gateway paid the same unit twice"
    if state.our_memos > 1:
        return "Magento has two memos of ours for the same unit"
    is_given = state.our_memos or state.our_payments or state.said_of_staff is Said.THIS_RETURN
    if not is_given and any(delivery.end is End.DONE for delivery in state.deliveries):
        return "a delivery is done and nothing was given back"
    return ""


def is_at_rest(state: State) -> bool:
    """A person has been asked about the held slot, or it is free and every delivery is done or a person's."""
    held = [row for row in state.rows if row is not None and row.state in SLOT_STATES]
    if held:
        return all(row.is_flagged and state.deliveries[row.delivery].end is End.PERSON for row in held)
    return all(delivery.end is not End.DUE for delivery in state.deliveries)


def is_over(state: State) -> bool:
    """Nothing is left to do for anybody, unless Magento refused: that stays with a person."""
    return all(
        delivery.end in {End.DONE, End.ABSENT} or (delivery.end is End.PERSON and state.is_refused)
        for delivery in state.deliveries
    )


# --- small changes ----------------------------------------------------------------------------------------------------


def _machine(text: str, after: State) -> Step:
    return Step(Kind.MACHINE, text, after)


def _void(state: State, index: int) -> Step:
    return _machine("a worker finds that it was overtaken, and stops", _with_worker(state, index, IDLE))


def _crashed(state: State, index: int) -> State:
    worker = state.workers[index]
    orphaned = state._replace(orphans=_sorted(state.orphans, worker.data)) if worker.pc is Pc.WAIT else state
    return _with_worker(orphaned, index, IDLE)


def _with_worker(state: State, index: int, worker: Worker) -> State:
    other = state.workers[1 - index]
    return state._replace(workers=(worker, other) if worker <= other else (other, worker))


def _sorted(stages: tuple[Stage, ...], one_more: object) -> tuple[Stage, ...]:
    assert isinstance(one_more, Stage)
    return tuple(sorted((*stages, one_more)))


def _put(values: tuple, index: int, value: object) -> tuple:
    return (*values[:index], value, *values[index + 1 :])
