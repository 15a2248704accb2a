"""The call that goes wrong, in every way: never twice, never lost, and a person where nobody can know."""

from contextlib import closing, suppress
from dataclasses import replace
from decimal import Decimal

import pytest

from service.core.lifecycle import DeliveryState, RefundState
from service.errors import Conflict, LeaseLost
from service.flow import answers
from service.flow.process import process_delivery
from service.flow.worker import work_once
from service.store import Settlement
from tests.flow.world import World, dollars

OFFLINE, ONLINE, TWO_INVOICES = "000000101", "000000102", "000000106"
DONE = DeliveryState.DONE
PERSON = DeliveryState.NEEDS_PERSON


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request, tmp_path):
    url = request.getfixturevalue("databases").empty() if request.param == "postgresql" else ""
    with closing(World(tmp_path, url=url)) as world:
        yield world


def say_offline(world):
    return world.say(OFFLINE, ("WS12-M-Orange", 1))


def say_online(world):
    return world.say(ONLINE, ("24-MB01", 2))


# Faults of the refund call: (rule, memos that exist at the end, how the delivery ends)
OFFLINE_FAULTS = [
    ("lost-before times=1", 1, (DONE, "refunded")),
    ("lost-after times=1", 1, (DONE, "nothing-left")),
    ("500-before times=1", 1, (DONE, "refunded")),
    ("500-after times=1", 1, (DONE, "nothing-left")),
    ("502-before times=1", 1, (DONE, "refunded")),
    ("502-after times=1", 1, (DONE, "nothing-left")),
    ("503-before times=1", 1, (DONE, "refunded")),
    ("html-200-after times=1", 1, (DONE, "nothing-left")),
    ("truncated times=1", 1, (DONE, "nothing-left")),
    ("429 times=1 retry-after=7", 1, (DONE, "refunded")),
    ("401 times=1", 1, (DONE, "refunded")),
    ("403 times=1", 1, (DONE, "refunded")),
    ("lost-before", 0, (PERSON, "unknown-offline")),
    ("500-before", 0, (PERSON, "unknown-offline")),
]


@pytest.mark.parametrize(("fault", "memos", "ending"), OFFLINE_FAULTS, ids=[each[0] for each in OFFLINE_FAULTS])
def test_an_offline_refund_survives_every_fault_of_its_call(world, fault, memos, ending):
    world.fault(f"POST */order/*/refund {fault}")
    received = say_offline(world)

    world.work_until_idle()

    assert len(world.memos(OFFLINE)) == memos
    assert world.state(received) == ending


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_offline_refund_is_sent_at_most_three_times_and_mailed_once(world, when):
    world.fault(f"POST */order/*/refund lost-{when}")
    say_offline(world)

    world.work_until_idle()

    assert [body["notify"] for _, body in world.posts()] == ([True, False, False] if when == "before" else [True])


ONLINE_FAULTS = [
    ("lost-before times=1", [], (PERSON, "unknown-online")),
    ("lost-after times=1", [68], (DONE, "nothing-left")),
    ("500-before times=1", [], (PERSON, "unknown-online")),
    ("500-after times=1", [68], (DONE, "nothing-left")),
    ("html-200-after times=1", [68], (DONE, "nothing-left")),
    ("truncated times=1", [68], (DONE, "nothing-left")),
    ("decline times=1", [], (PERSON, "unknown-online")),
    # The gateway's payment outlives Magento's transaction: whatever is answered, and whether anything is.
    ("paid-rolled-back times=1", [68], (PERSON, "unknown-online")),
    ("paid-rolled-back times=1, 500-after times=1", [68], (PERSON, "unknown-online")),
    ("paid-rolled-back times=1, lost-after times=1", [68], (PERSON, "unknown-online")),
    ("429 times=1 retry-after=7", [68], (DONE, "refunded")),
    ("401 times=1", [68], (DONE, "refunded")),
]


@pytest.mark.parametrize(("fault", "paid", "ending"), ONLINE_FAULTS, ids=[each[0] for each in ONLINE_FAULTS])
def test_an_online_refund_is_never_paid_twice_whatever_its_call_does(world, fault, paid, ending):
    for each in fault.split(", "):
        world.fault(f"POST */invoice/*/refund {each}")
    received = say_online(world)

    world.work_until_idle()

    assert world.paid_back(ONLINE) == dollars(*paid)
    assert world.state(received) == ending


def test_a_slow_gateway_is_waited_for_and_found(world):
    world.fault("POST */invoice/*/refund slow-gateway seconds=170")
    received = say_online(world)

    world.work_until_idle()

    assert world.paid_back(ONLINE) == dollars(68)
    assert world.state(received) == (DONE, "refunded")


@pytest.mark.parametrize("order", [OFFLINE, ONLINE], ids=["offline", "online"])
def test_a_client_that_gives_up_does_not_take_not_yet_for_never(world, order):
    world.answer_late(seconds=290)
    received = say_offline(world) if order == OFFLINE else say_online(world)

    world.work_until_idle()

    assert len(world.posts()) == 1
    assert len(world.memos(order)) == 1
    assert world.state(received) == (DONE, "nothing-left")
    assert [row.stock_proven for row in world.refunds()] == [False]


# --- reads that go wrong --------------------------------------------------------------------------------------------

READ_FAULTS = ["lost-before times=4", "502-before times=4", "maintenance times=2", "429 times=2 retry-after=60"]


@pytest.mark.parametrize("fault", READ_FAULTS)
@pytest.mark.parametrize("path", ["*/orders", "*/creditmemo/*", "*/invoices"])
def test_a_read_that_fails_is_tried_again_and_nothing_is_sent_meanwhile(world, path, fault):
    world.fault(f"GET {path} {fault}")
    received = say_online(world)
    world.work()

    world.work_until_idle()

    assert world.paid_back(ONLINE) == dollars(68)
    assert world.state(received)[0] is DONE


# --- a worker that dies ---------------------------------------------------------------------------------------------


class Died(BaseException):
    """kill -9: nothing after it runs."""


class DyingMagento:
    """The real client of a worker that is killed when it is told to."""

    def __init__(self, client, *, at, before):
        self._client, self._at, self._before = client, at, before

    def __getattr__(self, name):
        method = getattr(self._client, name)
        if name != self._at:
            return method

        def dying(*arguments, **more):
            if self._before:
                raise Died
            method(*arguments, **more)
            raise Died

        return dying


CALLS = ["read_order_by_increment", "read_invoices", "send_refund", "read_memo", "ask_email"]


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("at", CALLS)
@pytest.mark.parametrize("order", [OFFLINE, ONLINE], ids=["offline", "online"])
def test_a_worker_killed_around_any_call_leaves_nothing_doubled_or_lost(world, order, at, before):
    received = say_offline(world) if order == OFFLINE else say_online(world)
    dying = world.new_process()
    object.__setattr__(dying, "magento", {"main": DyingMagento(world.client(), at=at, before=before)})
    died = False
    try:
        work_once(dying, "doomed")
    except Died:
        died = True

    world.work_until_idle()

    state, code = world.state(received)
    unknowable = died and order == ONLINE and at == "send_refund" and before
    assert (state, code) == (PERSON, "unknown-online") if unknowable else state is DONE
    assert len(world.memos(order)) == (0 if unknowable else 1)
    assert world.paid_back(ONLINE) == (dollars(68) if order == ONLINE and not unknowable else [])


@pytest.mark.parametrize(
    ("order", "code", "calls"), [(OFFLINE, "unknown-offline", "--sends 3 "), (ONLINE, "unknown-online", "")]
)
def test_a_refund_that_nobody_can_know_of_is_flagged_for_a_person(world, order, code, calls):
    world.fault("POST */*/refund lost-before")
    say_offline(world) if order == OFFLINE else say_online(world)

    world.work_until_idle()

    (row,) = world.refunds()
    assert (row.state, row.needs_person, row.reason_code) == (RefundState.UNKNOWN, True, code)
    assert f"refundry settle ref_1 {calls}--reason TEXT" in row.reason


def test_a_call_whose_worker_was_killed_is_given_time_to_arrive_before_it_is_sent_again(world):
    say_offline(world)
    world.answer_late(seconds=500)
    dying = world.new_process()
    object.__setattr__(dying, "magento", {"main": DyingMagento(world.client(), at="send_refund", before=False)})
    with pytest.raises(Died):
        work_once(dying, "doomed")

    world.work_until_idle()

    assert len(world.posts()) == 1
    assert len(world.memos(OFFLINE)) == 1


class PausedBeforeItsCall:
    """A worker is asked whether it is to end for the last time when its plan is saved; here it is paused then."""

    def __init__(self, world, meanwhile):
        self._world, self._meanwhile = world, meanwhile
        self.was_paused = False

    def __call__(self):
        if not self.was_paused and any(row.request is not None for row in self._world.refunds()):
            self.was_paused = True
            self._meanwhile()
        return False


@pytest.mark.parametrize("has_refunded", [False, True], ids=["has just claimed", "has refunded"])
def test_a_worker_that_lost_its_lease_sends_nothing(world, has_refunded):
    received = say_online(world)
    inbox, taken = world.runtime.store.inbox, []

    def another_takes_over():
        world.clock.advance(6)  # past the lease, and well within the deadline of a reading
        taken.append(inbox.claim("other", world.clock(), 300))
        if has_refunded:
            process_delivery(world.new_process(), taken[0])

    paused = PausedBeforeItsCall(world, another_takes_over)
    claim = inbox.claim("slow", world.clock(), 5)
    with suppress(LeaseLost):
        process_delivery(replace(world.new_process(), is_ending=paused), claim)

    assert paused.was_paused
    assert len(world.posts()) == (1 if has_refunded else 0)
    if not has_refunded:
        process_delivery(world.new_process(), taken[0])
    assert world.paid_back(ONLINE) == dollars(68)
    assert world.state(received)[0] is DONE


def test_a_reading_that_went_stale_is_not_sent_on(world):
    world.fault("GET */invoices latency seconds=11 times=1")
    say_online(world)

    world.work_until_idle()

    assert [path.rsplit("/", 1)[-1] for method, path in world.calls() if method == "GET"][:4] == [
        "orders",
        "invoices",
        str(world.orders[ONLINE]),
        "invoices",
    ]
    assert world.paid_back(ONLINE) == dollars(68)


# --- one order, several returns -------------------------------------------------------------------------------------


def test_while_one_refund_is_unknown_the_order_waits_and_other_orders_do_not(world):
    world.fault(f"POST */invoice/*/refund 500-before times=1 order={ONLINE}")
    world.say(ONLINE, ("24-MB01", 1), return_id="RMA-1")
    world.work()
    behind = world.say(ONLINE, ("24-MB01", 1), return_id="RMA-2")
    elsewhere = world.say(TWO_INVOICES, ("24-WG085", 1), return_id="RMA-3")

    world.work()

    assert world.state(behind) == (DeliveryState.WAITING, "order-busy")
    assert world.state(elsewhere)[0] is DONE


@pytest.mark.parametrize(
    ("settlement", "paid", "ending"),
    [
        (Settlement.NOT_PAID, [34, 34], (DONE, "refunded")),
        (Settlement.PAID_NO_MEMO, [34], (DONE, "nothing-left")),
    ],
)
def test_a_person_settles_what_nobody_could_know(world, settlement, paid, ending):
    world.fault(f"POST */invoice/*/refund 500-before times=1 order={ONLINE}")
    received = world.say(ONLINE, ("24-MB01", 1), return_id="RMA-1")
    behind = world.say(ONLINE, ("24-MB01", 1), return_id="RMA-2")
    world.work_until_idle()
    (stuck,) = [row for row in world.refunds() if row.state is RefundState.UNKNOWN]

    answers.settle(world.runtime, stuck.id, settlement, "anna", text="looked in the gateway")
    world.work_until_idle()

    assert world.state(received) == ending
    assert world.state(behind) == (DONE, "refunded")
    assert world.paid_back(ONLINE) == dollars(*paid)


def test_nothing_was_paid_cannot_be_said_while_magento_may_still_be_working(world):
    world.answer_late(250)
    received = world.say(ONLINE, ("24-MB01", 1))
    world.work()
    (stuck,) = world.refunds()

    with pytest.raises(Conflict, match=rf"ref_1 may still be paid.* until {stuck.settle_at:%H:%M:%S} UTC; look again"):
        answers.settle(world.runtime, stuck.id, Settlement.NOT_PAID, "anna", text="not in the gateway")
    world.work()
    world.clock.advance(100)
    world.let_late_effects_happen()
    world.work_until_idle()

    assert world.state(received)[0] is DONE
    assert world.paid_back(ONLINE) == dollars(34)


def test_an_answer_about_one_call_is_not_taken_for_one_about_the_next(world):
    world.fault(f"POST */invoice/*/refund 500-before times=2 order={ONLINE}")
    received = world.say(ONLINE, ("24-MB01", 1))
    world.work_until_idle()
    answers.settle(world.runtime, 1, Settlement.NOT_PAID, "anna", text="not in the gateway")
    world.work_until_idle()

    for known in (None, 1):
        with pytest.raises(Conflict, match=r"sent 2 times, .* then settle it with --sends 2"):
            answers.settle(world.runtime, 1, Settlement.NOT_PAID, "bert", text="not in the gateway", sends=known)
    assert "settle ref_1 --sends 2" in world.delivery(received).reason
    answers.settle(world.runtime, 1, Settlement.NOT_PAID, "bert", text="neither is there", sends=2)
    world.work_until_idle()

    assert world.state(received)[0] is DONE
    assert world.paid_back(ONLINE) == dollars(34)


def test_a_memo_that_is_not_what_was_asked_is_shown_with_both_sides(tmp_path):
    world = World(tmp_path, policy_changes={"shipping_includes_tax": False})
    received = world.say(ONLINE, ("24-MB01", 2))
    spoil_next_memo(world)

    world.work_until_idle()

    state, code = world.state(received)
    (refund,) = world.refunds()
    assert (state, code) == (PERSON, "receipt-differs")
    assert "base total: asked 68.00, the memo says 67.00" in world.delivery(received).reason
    assert (refund.needs_person, refund.reason_code) == (True, "receipt-differs")


def spoil_next_memo(world):
    """A plugin in the shop that changes memos as they are read."""
    handle = world.sandbox.handle

    def spoiled(request):
        if request.method == "GET" and "/creditmemo/" in request.path:
            for memo in world.sandbox.shop.memos.values():
                memo["base_grand_total"] = Decimal(67)
        return handle(request)

    world.sandbox.handle = spoiled


def test_a_database_that_forgot_what_it_sent_asks_before_money_moves(world, tmp_path_factory):
    world.say(ONLINE, ("24-MB01", 1), return_id="RMA-1")
    world.work()
    restored = World(tmp_path_factory.mktemp("restored"))
    restored.sandbox, restored.orders, restored.faults = world.sandbox, world.orders, world.faults
    restored.runtime = restored.new_process()

    other = restored.say(ONLINE, ("24-MB01", 1), return_id="RMA-2")
    restored.work()

    assert restored.state(other) == (PERSON, "database-behind")
    assert world.paid_back(ONLINE) == dollars(34)
