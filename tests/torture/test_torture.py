"""Fifty kills of the real processes, and that the verdict would see what it says is not there."""

import json
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from decimal import Decimal
from random import Random

import pytest

from service.core.plan import Route
from service.flow.worker import work_once
from service.magento.outcomes import OutcomeKind, classify
from service.sandbox.faults import build_faults, parse_fault
from service.sandbox.gateway import Gateway
from service.sandbox.http import JSON, Answer, ConnectionDropped, Request
from service.sandbox.server import create_sandbox
from service.store import Settlement, migrate
from tests.flow.world import MONDAY, World, dollars
from tests.torture.load import Load, Return, choose_load
from tests.torture.person import Question, answer_questions
from tests.torture.shop import FAULTS, Books, Shop
from tests.torture.verdict import (
    Verdict,
    approved_by,
    check_database,
    check_pragmas,
    count_calls_in_flight,
    judge,
    judge_questions,
    judge_so_far,
)

OFFLINE, ONLINE = "000000101", "000000102"
ONE_BAG, TWO_BAGS = {("24-MB01", True): 1}, {("24-MB01", True): 2}


@pytest.mark.timeout(240)
def test_fifty_kills_double_nothing_lose_nothing_and_leave_nothing_stuck():
    command = [sys.executable, "-m", "tests.torture", "--kills", "50", "--seed", "7", "--rest", "150"]

    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.timeout(240)
def test_a_frozen_and_a_killed_host_double_nothing_and_lose_nothing():
    command = [sys.executable, "-m", "tests.torture.hosts", "--rounds", "2", "--seed", "7"]

    ended = subprocess.run(command, capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1× frozen, 1× killed" in ended.stdout


# --- the load ---------------------------------------------------------------------------------------------------------


def test_a_seed_gives_the_same_load_again():
    assert choose_load(Random(5), returns=20, now=MONDAY) == choose_load(Random(5), returns=20, now=MONDAY)


def test_a_load_has_redeliveries_shared_orders_both_routes_and_splits():
    load = choose_load(Random(5), returns=100, now=MONDAY)

    assert max(Counter(load.messages).values()) > 1
    assert max(Counter(each.order for each in load.returns).values()) == 3
    assert 0 < len(load.online_orders) < len(load.orders)
    assert any({(sku, True), (sku, False)} <= set(each.units) for each in load.returns for sku, _ in each.units)


# --- the verdict ------------------------------------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


class WorldShop(Shop):
    """The sandbox of a world, asked without a socket."""

    def __init__(self, world):
        super().__init__("")
        self._client = create_sandbox(world.sandbox, faults=world.faults).test_client()

    def _ask(self, method, what, text=""):
        answer = self._client.open(f"/sandbox/{what}", method=method, data=text)
        return json.loads(answer.data, parse_float=Decimal, parse_int=Decimal)


def load_of(world, returns):
    """What these returns ask for: (return id, order, units)."""
    made = tuple(Return(return_id=rma, order=order, units=Counter(units)) for rma, order, units in returns)
    return Load(orders=world.specs, returns=made, messages=())


def judged_so_far(world, *returns, paid_back=None, times=1):
    """The verdict in the middle of a run."""
    shop, source, verdict = WorldShop(world), world.settings.sources["warehouse"], Verdict()
    approved = approved_by(load_of(world, returns), source, world.settings.stores["main"], shop.read_order_ids())
    for _ in range(times):
        books = Books(shop=shop)
        changed = books.read_on()
        paid = books.paid_back if paid_back is None else paid_back
        judge_so_far(approved, changed | paid.keys(), given=books.given, paid_back=paid, verdict=verdict)
    return verdict


def answered(world):
    return answer_questions(world.runtime, world.client(), WorldShop(world))


def judged(world, *returns, paid_back=None):
    """The verdict on a world in which these returns were asked for, in the end."""
    load = load_of(world, returns)
    ledger = {OFFLINE: world.paid_back(OFFLINE), ONLINE: world.paid_back(ONLINE)} if paid_back is None else paid_back
    verdict = Verdict()
    source = world.settings.sources["warehouse"]
    judge(world.runtime, world.client(), source, load=load, paid_back=ledger, verdict=verdict)
    return verdict


def test_a_world_in_which_all_went_well_is_good(world):
    world.say(ONLINE, ("24-MB01", 2))
    world.work_until_idle()

    assert judged(world, ("RMA-1001", ONLINE, {("24-MB01", True): 2})).is_good


def test_a_refund_too_many_is_doubled(world):
    world.say(ONLINE, ("24-MB01", 2))
    world.work_until_idle()

    verdict = judged(world, ("RMA-1001", ONLINE, {("24-MB01", True): 1}))

    assert len(verdict.doubled) == 2  # units and money
    assert not verdict.lost


def test_a_refund_missing_is_lost(world):
    verdict = judged(world, ("RMA-1001", OFFLINE, {("WS12-M-Orange", True): 1}))

    assert len(verdict.lost) == 2


def test_units_on_the_wrong_side_of_the_stock_decision_are_seen(world):
    world.say(ONLINE, ("24-MB01", 1, "damaged"))
    world.work_until_idle()

    verdict = judged(world, ("RMA-1001", ONLINE, {("24-MB01", True): 1}))

    assert verdict.doubled
    assert verdict.lost


def test_a_payment_that_no_memo_explains_is_doubled(world):
    world.say(ONLINE, ("24-MB01", 2))
    world.work_until_idle()

    verdict = judged(world, ("RMA-1001", ONLINE, {("24-MB01", True): 2}), paid_back={ONLINE: dollars(68, 68)})

    assert verdict.doubled == [f"order {ONLINE}: the gateway paid {Decimal(68)} 1 times more than memos and people say"]


def test_a_memo_that_nothing_was_paid_for_is_lost_money(world):
    world.say(ONLINE, ("24-MB01", 2))
    world.work_until_idle()

    assert judged(world, ("RMA-1001", ONLINE, {("24-MB01", True): 2}), paid_back={}).lost


def test_money_moved_for_an_offline_order_is_doubled(world):
    world.say(OFFLINE, ("WS12-M-Orange", 1))
    world.work_until_idle()

    verdict = judged(world, ("RMA-1001", OFFLINE, {("WS12-M-Orange", True): 1}), paid_back={OFFLINE: dollars(22)})

    assert verdict.doubled == [
        f"order {OFFLINE}: the gateway paid {Decimal(22)} 1 times more than memos and people say"
    ]


def test_what_is_still_under_way_or_asks_a_person_is_stuck(world):
    world.fault("POST */invoice/*/refund lost-before times=1")
    world.say(ONLINE, ("24-MB01", 2))
    world.work_until_idle()

    verdict = judged(world, ("RMA-1001", ONLINE, {("24-MB01", True): 2}))

    assert len(verdict.stuck) == 3  # the delivery, the refund in the slot, the return


def test_a_mistaken_alarm_about_a_refund_that_is_done_is_stuck(world):
    world.say(ONLINE, ("24-MB01", 2))
    world.work_until_idle()
    (refund,) = world.refunds()
    alarm = {"needs_person": True, "reason_code": "drift-at-once", "reason": "mistaken", "now": world.clock()}
    world.runtime.store.refunds.flag(refund.id, None, **alarm)

    (stuck,) = judged(world, ("RMA-1001", ONLINE, TWO_BAGS)).stuck

    assert "is done and needs a person (drift-at-once: mistaken)" in stuck


# --- a payment without a memo -----------------------------------------------------------------------------------------


def lose_call(world, *, paid, return_id="RMA-1001", bags=2):
    """Magento has rolled back, and the gateway has paid before, or not; a person is asked."""
    world.fault(f"POST */invoice/*/refund 500-before times=1 order={ONLINE}")
    world.say(ONLINE, ("24-MB01", bags), return_id=return_id)
    world.work_until_idle()
    if paid:
        world.sandbox.gateway.refund(at=world.seconds(), method="sandboxpay", order=ONLINE, amount=Decimal(34) * bags)


def test_a_payment_that_a_person_found_without_a_memo_is_that_returns_money(world):
    lose_call(world, paid=True)

    asked = answered(world)
    world.work_until_idle()

    assert asked == {Question("unknown-online", Settlement.PAID_NO_MEMO): 1}
    verdict = judged(world, ("RMA-1001", ONLINE, TWO_BAGS))
    assert verdict.is_good
    assert verdict.settled_without_memo == 1


def test_a_payment_without_a_memo_that_nobody_settled_is_wrong_in_the_end(world):
    lose_call(world, paid=True)

    verdict = judged(world, ("RMA-1001", ONLINE, TWO_BAGS))

    assert len(verdict.doubled) == 1  # for all that anybody knows
    assert len(verdict.lost) == 2  # units and money
    assert verdict.stuck


def test_a_payment_without_a_memo_counts_against_what_was_approved(world):
    lose_call(world, paid=True)
    answered(world)
    world.work_until_idle()

    verdict = judged(world, ("RMA-1001", ONLINE, ONE_BAG))

    assert len(verdict.doubled) == 2  # units and money
    assert not verdict.lost


def test_a_payment_that_a_person_made_up_is_lost_money(world):
    lose_call(world, paid=True)
    answered(world)
    world.work_until_idle()

    assert len(judged(world, ("RMA-1001", ONLINE, TWO_BAGS), paid_back={}).lost) == 1


def test_one_payment_without_a_memo_answers_one_question(world):
    lose_call(world, paid=True, return_id="RMA-1", bags=1)
    first = answered(world)
    world.work_until_idle()
    lose_call(world, paid=False, return_id="RMA-2", bags=1)

    second = answered(world)
    world.work_until_idle()

    assert first == {Question("unknown-online", Settlement.PAID_NO_MEMO): 1}
    assert second == {Question("unknown-online", Settlement.NOT_PAID): 1}
    assert judged(world, ("RMA-1", ONLINE, ONE_BAG), ("RMA-2", ONLINE, ONE_BAG)).is_good


# --- the money so far -------------------------------------------------------------------------------------------------


def test_the_books_are_read_on_from_where_they_were_read_to(world):
    books = Books(shop=WorldShop(world))
    world.say(ONLINE, ("24-MB01", 1), return_id="RMA-1")
    world.work_until_idle()
    first = books.read_on()
    world.say(OFFLINE, ("WS12-M-Orange", 1), return_id="RMA-2")
    world.work_until_idle()

    second, third = books.read_on(), books.read_on()

    assert (first, second, third) == ({ONLINE}, {OFFLINE}, set())
    assert [memo.amount for memo in books.given[ONLINE]] == books.paid_back[ONLINE] == dollars(34)
    assert [memo.amount for memo in books.given[OFFLINE]] == dollars(22)


def test_what_is_still_to_come_is_not_wrong_yet(world):
    world.say(ONLINE, ("24-MB01", 1))
    world.work_until_idle()

    assert judged_so_far(world, ("RMA-1001", ONLINE, TWO_BAGS), ("RMA-1002", OFFLINE, ONE_BAG)).is_good


def test_a_payment_whose_memo_is_being_made_is_not_wrong_yet(world):
    assert judged_so_far(world, ("RMA-1001", ONLINE, TWO_BAGS), paid_back={ONLINE: dollars(68)}).is_good


def test_a_refund_too_many_is_seen_before_the_end_and_told_once(world):
    world.say(ONLINE, ("24-MB01", 2))
    world.work_until_idle()

    verdict = judged_so_far(world, ("RMA-1001", ONLINE, ONE_BAG), times=2)

    assert len(verdict.doubled) == 3  # units, money and the gateway's


def test_units_on_the_wrong_side_of_the_stock_decision_are_seen_before_the_end(world):
    world.say(ONLINE, ("24-MB01", 1, "damaged"))
    world.work_until_idle()

    assert len(judged_so_far(world, ("RMA-1001", ONLINE, ONE_BAG)).doubled) == 1


def test_a_memo_of_no_return_is_seen_before_the_end(world):
    world.say(ONLINE, ("24-MB01", 1), return_id="RMA-1")
    world.work_until_idle()

    verdict = judged_so_far(world, ("RMA-2", ONLINE, ONE_BAG))

    assert verdict.doubled == [f"order {ONLINE}: memo 1 belongs to no return"]


def test_a_second_payment_is_seen_before_the_end_though_the_order_is_owed_as_much(world):
    world.say(ONLINE, ("24-MB01", 2), return_id="RMA-1")
    world.work_until_idle()
    returns = [("RMA-1", ONLINE, TWO_BAGS), ("RMA-2", ONLINE, ONE_BAG), ("RMA-3", ONLINE, ONE_BAG)]

    verdict = judged_so_far(world, *returns, paid_back={ONLINE: dollars(68, 68)})

    assert verdict.doubled == [
        f"order {ONLINE}: the gateway paid 68 without a memo, and 34 is the most a return is owed"
    ]


def test_two_payments_under_way_at_once_are_seen_before_the_end(world):
    returns = [("RMA-1", ONLINE, ONE_BAG), ("RMA-2", ONLINE, ONE_BAG)]

    verdict = judged_so_far(world, *returns, paid_back={ONLINE: dollars(34, 34)})

    assert verdict.doubled == [f"order {ONLINE}: the gateway paid 34, 34 without memos, one refund at a time may"]


def test_money_moved_for_an_offline_order_is_seen_before_the_end(world):
    orange = {("WS12-M-Orange", True): 1}

    verdict = judged_so_far(world, ("RMA-1001", OFFLINE, orange), paid_back={OFFLINE: dollars(22)})

    assert verdict.doubled == [f"order {OFFLINE}: the gateway paid 22, 0 were approved"]


# --- the questions ----------------------------------------------------------------------------------------------------

NOT_PAID = Question("unknown-online", Settlement.NOT_PAID)


def judged_questions(asked, *, lost_calls):
    verdict = Verdict()
    judge_questions(Counter(asked), lost_calls=lost_calls, verdict=verdict)
    return verdict


def test_a_question_for_every_lost_answer_is_good():
    assert judged_questions({NOT_PAID: 2}, lost_calls=2).is_good


def test_more_questions_than_lost_answers_are_needless():
    verdict = judged_questions({NOT_PAID: 3}, lost_calls=2)

    assert verdict.needless == ["3 questions, and 2 calls can have lost their answer"]
    assert not verdict.is_good


def test_a_question_about_a_refund_whose_memo_is_there_is_needless():
    assert judged_questions({Question("unknown-online", Settlement.MEMO): 1}, lost_calls=9).needless


def test_a_question_about_an_offline_refund_is_needless(world):
    world.fault("POST */order/*/refund lost-before times=3")
    world.say(OFFLINE, ("WS12-M-Orange", 1))
    world.work_until_idle()

    (needless,) = judged_questions(answered(world), lost_calls=9).needless

    assert needless.startswith("1× unknown-offline → ")


def loses_an_answer(faults):
    """Whether a refund call that works ends in the unknown under these faults."""
    request = Request(method="POST", path="/rest/default/V1/invoice/2/refund", headers={}, body=b"{}")

    def refunds(_request):
        if faults.gateway.takes_rollback():
            said = b'{"message": "Could not save a Creditmemo, see error log for details"}'
            return Answer(status=400, content_type=JSON, body=said)
        return Answer(status=200, content_type=JSON, body=b'"37"')

    try:
        answer = faults.apply(request, refunds)
    except ConnectionDropped:
        return True
    is_whole = int(answer.headers.get("Content-Length", len(answer.body))) == len(answer.body)
    outcome = classify(answer.status, answer.content_type, answer.body, Route.INVOICE)
    return not is_whole or outcome.kind is OutcomeKind.UNKNOWN


@pytest.mark.parametrize(("rule", "lost_calls"), FAULTS.items(), ids=FAULTS)
def test_a_fault_counts_for_the_refund_calls_of_which_it_takes_the_answer(rule, lost_calls):
    faults = build_faults([parse_fault(rule)], gateway=Gateway(), sleep=lambda _seconds: None)

    assert sum(loses_an_answer(faults) for _ in range(10)) == lost_calls


class Killed(BaseException):
    """kill -9: nothing after it runs."""


def test_a_call_whose_worker_was_killed_is_counted_by_its_process(world):
    handle = world.sandbox.handle

    def dies(request):
        if request.path.endswith("/refund"):
            raise Killed
        return handle(request)

    world.sandbox.handle = dies
    world.say(ONLINE, ("24-MB01", 2))
    with pytest.raises(Killed):
        work_once(world.runtime, "host:4711/1")

    assert count_calls_in_flight(world.runtime, [4711, 5]) == 1
    assert count_calls_in_flight(world.runtime, [471, 5]) == 0


# --- the database -----------------------------------------------------------------------------------------------------


def test_an_acknowledged_delivery_that_is_not_there_or_has_other_bytes_is_lost(world, tmp_path):
    received = world.say(OFFLINE, ("WS12-M-Orange", 1))
    file = tmp_path / "refundry.db"
    sha256 = world.delivery(received).body_sha256
    verdict = Verdict()

    check_database(file, {received.delivery_id: sha256}, verdict)
    assert verdict.is_good

    check_database(file, {received.delivery_id: "0" * 64, received.delivery_id + 1: sha256}, verdict)
    assert len(verdict.lost) == 2


def test_a_damaged_file_is_seen(tmp_path):
    file = tmp_path / "refundry.db"
    migrate(f"sqlite:///{file}")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET rootpage = 3 WHERE name = 'journal'")
    verdict = Verdict()

    check_database(file, {}, verdict)

    assert verdict.damaged


def test_the_settings_that_a_power_cut_would_test_are_in_force(world):
    assert check_pragmas(world.runtime) == "synchronous=FULL journal_mode=wal"
