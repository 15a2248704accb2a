"""Around the one POST: the lease that outlives it, the deadline before it, its answer, and the mail after it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from service.core.lifecycle import DeliveryState, RefundState
from service.core.policy import SourcePolicy
from service.flow import answers
from service.sandbox.http import Answer
from service.sandbox.order_specs import LineSpec, OrderSpec
from service.store import Settlement
from tests.flow.world import World, dollars

OFFLINE, ONLINE = "000000101", "000000102"
DONE, PERSON, WAITING = DeliveryState.DONE, DeliveryState.NEEDS_PERSON, DeliveryState.WAITING


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.fixture
def store(world):
    return world.settings.stores["main"]


def tee(world, **more):
    return world.say(OFFLINE, ("WS12-M-Orange", 1), **more)


def bag(world, **more):
    return world.say(ONLINE, ("24-MB01", 1), **more)


def at_the_call(world, do):
    """What `do` returned whenever a refund call reached Magento; an Answer is given in place of Magento's."""
    handle, seen = world.sandbox.handle, []

    def handled(request):
        if request.path.endswith("/refund"):
            seen.append(do())
            if isinstance(seen[-1], Answer):
                return seen[-1]
        return handle(request)

    world.sandbox.handle = handled
    return seen


@pytest.mark.parametrize("lease_seconds", [30, 249, 250, 300])
def test_the_lease_outlives_the_longest_call_by_a_minute(world, store, lease_seconds):
    needed_seconds = store.refund_read_timeout_seconds + store.send_deadline_seconds + 60
    service = replace(world.settings.service, lease_seconds=lease_seconds)
    runtime = replace(world.runtime, settings=replace(world.settings, service=service))
    left = at_the_call(world, lambda: world.deliveries()[0].lease_until - world.clock.now)
    tee(world)

    world.work(runtime)

    assert left == [timedelta(seconds=max(needed_seconds, lease_seconds))]


@pytest.mark.parametrize(("late", "readings"), [(0, 1), (1, 2)])
def test_a_reading_is_good_until_the_very_deadline(world, store, late, readings):
    world.fault(f"GET */invoices latency seconds={store.send_deadline_seconds + late} times=1")
    received = bag(world)

    world.work_until_idle()

    # A memo is read back with the invoices' numbers of one reading, so every reading asks for them once.
    assert [path.rsplit("/", 1)[-1] for method, path in world.calls() if method == "GET"].count("invoices") == readings
    assert world.state(received) == (DONE, "refunded")


def test_a_reading_that_is_always_too_old_is_said_to_be_the_stores_fault(world, store):
    world.fault(f"GET */invoices latency seconds={store.send_deadline_seconds + 1}")
    received = bag(world)

    world.work()

    assert world.posts() == []
    assert world.state(received) == (WAITING, "store-slow")


@pytest.mark.parametrize("say", [tee, bag], ids=["offline", "online"])
def test_what_magento_refuses_is_shown_with_its_words_and_frees_the_order(world, say):
    said = b'{"message": "You can not refund shipping if there is no shipping amount."}'
    at_the_call(world, lambda: Answer(status=400, body=said))
    received = say(world)

    world.work()

    (row,) = world.refunds()
    (attempt,) = world.runtime.store.refunds.attempts(row.id)
    assert world.state(received) == (PERSON, "refused")
    assert (row.state, attempt.outcome, attempt.status) == (RefundState.REFUSED, "refused", 400)
    assert "no shipping amount" in world.delivery(received).reason
    assert "refundry retry ret_1" in world.delivery(received).reason
    assert len(world.posts()) == 1


def test_every_call_is_kept_with_its_answer(world):
    world.fault("POST */order/*/refund 429 times=1 retry-after=7")
    tee(world)

    world.work_until_idle()

    (row,) = world.refunds()
    assert [(each.outcome, each.status) for each in world.runtime.store.refunds.attempts(row.id)] == [
        ("not_sent", 429),
        ("done", 200),
    ]


def test_what_is_unknown_is_settled_so_long_after_the_answer_and_not_before(world, store):
    world.fault("POST */invoice/*/refund 500-before times=1")
    received = bag(world)

    world.work()

    (row,) = world.refunds()
    assert row.settle_at == world.clock.now + timedelta(seconds=store.settle_seconds)
    assert world.state(received) == (WAITING, "unknown")


def test_after_twenty_calls_for_one_return_a_person_is_asked_and_may_let_it_go_on(tmp_path):
    many = OrderSpec(
        increment_id="000000301",
        why="One unit on each of its invoices",
        lines=(LineSpec(sku="24-MB01", qty=21),),
        payment="sandboxpay",
        invoices=((1,),) * 21,
    )
    world = World(tmp_path, specs=(many,))
    received = world.say("000000301", ("24-MB01", 21))

    world.work()
    calls, ending, reason = len(world.posts()), world.state(received), world.delivery(received).reason
    answers.retry(world.runtime, world.delivery(received).return_id, "anna")
    world.work()

    assert (calls, ending) == (20, (PERSON, "going-in-circles"))
    assert "refundry retry ret_1" in reason
    assert world.paid_back("000000301") == dollars(*[34] * 21)
    assert world.state(received)[0] is DONE


def lag_behind(world):
    """A replica that goes on saying of the order what it said when it was first asked."""
    handle, said = world.sandbox.handle, {}

    def handled(request):
        if request.method == "GET" and "/orders" in request.path:
            return said.setdefault(request.path, handle(request))
        return handle(request)

    world.sandbox.handle = handled


def test_an_order_that_does_not_show_its_refund_yet_gets_no_second_one(world):
    lag_behind(world)
    handle = world.sandbox.handle

    def made_and_turned_away(request):
        answer = handle(request)
        is_first = request.path.endswith("/refund") and len(world.posts()) == 1
        return Answer(status=429, body=b'{"message": "Too Many Requests"}') if is_first else answer

    world.sandbox.handle = made_and_turned_away
    received = tee(world)

    world.work_until_idle()

    assert len(world.posts()) == len(world.memos(OFFLINE)) == 1
    assert world.state(received)[0] is DONE


def test_an_order_that_does_not_show_its_first_refund_yet_gets_only_what_came_later(world):
    lag_behind(world)
    first = world.say(ONLINE, ("24-MB01", 1))
    world.work_until_idle()
    later = world.say(ONLINE, ("24-MB01", 2))

    world.work_until_idle()

    assert [world.state(each)[0] for each in (first, later)] == [DONE, DONE]
    assert world.paid_back(ONLINE) == dollars(34, 34)


# --- after the call -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "state"),
    [(None, "sent"), ("500-before", "failed"), ("lost-before", "failed")],
)
def test_the_mail_about_an_online_refund_is_asked_for_once_and_its_failure_is_no_failure(world, fault, state):
    if fault:
        world.fault(f"POST */creditmemo/*/emails {fault}")
    received = bag(world)

    world.work_until_idle()

    assert [path.rsplit("/", 1)[-1] for method, path in world.calls() if method == "POST"].count("emails") == 1
    assert [row.email_state for row in world.refunds()] == [state]
    assert world.state(received) == (DONE, "refunded")


def answer_once(world, words, answer):
    """In Magento's place, to the first request whose path holds these words."""
    handle, left = world.sandbox.handle, [answer]

    def handled(request):
        return left.pop() if left and words in request.path else handle(request)

    world.sandbox.handle = handled


def test_a_mail_that_magento_does_not_send_is_kept_as_refused_and_not_asked_for_again(world):
    answer_once(world, "/emails", Answer(status=200, body=b"false"))
    received = bag(world)

    world.work_until_idle()

    assert [row.email_state for row in world.refunds()] == ["refused"]
    assert world.state(received) == (DONE, "refunded")


def test_where_the_merchant_mails_nobody_no_mail_is_asked_for(tmp_path):
    world = World(tmp_path, source_changes={"policy": SourcePolicy(notify_customer=False)})
    bag(world)

    world.work_until_idle()

    assert [path.rsplit("/", 1)[-1] for method, path in world.calls() if method == "POST"].count("emails") == 0
    assert [row.email_state or "" for row in world.refunds()] == [""]


def test_a_memo_that_cannot_be_found_though_magento_made_it_is_read_again_later(world):
    answer_once(world, "/creditmemo/", Answer(status=404, body=b'{"message": "No such entity"}'))
    received = bag(world)

    world.work()
    waiting = world.state(received)[0]
    world.work_until_idle()

    assert waiting is WAITING
    assert world.state(received)[0] is DONE
    assert len(world.posts()) == 1


def test_a_finished_refund_is_told_with_its_memo_and_order(world):
    received = bag(world)

    world.work()

    (row,) = world.refunds()
    assert world.people.refunded_told == [("ref_1", row.memo_id, ONLINE)]
    assert world.delivery(received).reason == f"34.00 USD given back (credit memo {row.memo_id})"
    assert world.paid_back(ONLINE) == dollars(34)


def test_a_call_that_arrives_after_the_last_look_is_found_in_the_reading_for_the_next(world):
    world.answer_late(seconds=10**9)
    received = tee(world)
    world.work()
    (late,) = [asked for _, asked in world._late]
    handle = world.sandbox.handle

    def arrives_once_the_order_is_read(asked):
        answer = handle(asked)
        if asked.method == "GET" and asked.path.partition("?")[0].endswith(f"/orders/{world.orders[OFFLINE]}"):
            world.sandbox.handle = handle
            handle(late)
        return answer

    world.sandbox.handle = arrives_once_the_order_is_read
    world.work_until_idle()

    assert (len(world.posts()), len(world.memos(OFFLINE))) == (1, 1)
    assert world.state(received) == (DONE, "nothing-left")
    assert [row.stock_proven for row in world.refunds()] == [False]


def test_at_the_moment_at_which_it_is_settled_a_lost_call_is_sent_again(world):
    world.fault("POST */order/*/refund lost-before times=1")
    received = tee(world)
    world.work()
    settle_at = world.refunds()[0].settle_at

    for moment, posts in ((settle_at - timedelta(microseconds=1), 1), (settle_at, 2)):
        world.clock.now = moment
        answers.replay(world.runtime, received.delivery_id, "anna")
        world.work()
        assert len(world.posts()) == posts


# --- what is known of earlier calls -----------------------------------------------------------------------------------


def test_a_memo_of_ours_that_is_not_shown_holds_the_next_call_back_until_it_is(world):
    bag(world)
    world.work()
    memos = world.sandbox.shop.memos
    (memo,) = world.memos(ONLINE)

    del memos[memo["entity_id"]]
    judged_otherwise = world.say(ONLINE, ("24-MB01", 1, "damaged"))
    world.work()
    behind = world.state(judged_otherwise), world.delivery(judged_otherwise).reason
    memos[memo["entity_id"]] = memo
    world.work_until_idle()

    assert behind[0] == (WAITING, "memo-missing")
    assert f"credit memo {memo['entity_id']} of ref_1 is not among the memos of order #{ONLINE}" in behind[1]
    assert world.paid_back(ONLINE) == dollars(34)
    assert world.state(judged_otherwise)[0] is DONE


def test_a_memo_of_ours_that_stays_away_is_asked_about(world):
    bag(world)
    world.work()
    world.sandbox.shop.memos.clear()

    more = world.say(ONLINE, ("24-MB01", 2))
    world.work_until_idle()

    assert world.state(more) == (PERSON, "memo-missing")
    assert world.paid_back(ONLINE) == dollars(34)


def test_what_was_paid_without_a_memo_counts_as_given_when_more_is_approved(world):
    world.fault("POST */invoice/*/refund paid-rolled-back times=1")
    bag(world)
    world.work_until_idle()
    (row,) = world.refunds()
    answers.settle(world.runtime, row.id, Settlement.PAID_NO_MEMO, "anna", text="the gateway has it")
    world.work_until_idle()
    world.requests.clear()

    more = world.say(ONLINE, ("24-MB01", 2))
    world.work_until_idle()

    assert world.paid_back(ONLINE) == dollars(34, 34)
    assert world.state(more)[0] is DONE
    # The order shows no refund; that one was sent is reason enough to read its memos.
    assert ("GET", "/rest/default/V1/creditmemos") in world.calls()


def test_what_magento_did_not_take_goes_again_under_its_own_word(world):
    world.fault("POST */order/*/refund 429 times=1 retry-after=7")
    received = tee(world)

    world.work()

    assert world.state(received) == (WAITING, "not-sent")


def test_a_200_with_its_memo_proves_what_became_of_the_stock(world):
    tee(world)

    world.work()

    assert [row.stock_proven for row in world.refunds()] == [True]


def test_that_a_mail_is_asked_for_is_kept_before_it_is(world):
    handle, seen = world.sandbox.handle, []

    def noting(request):
        if request.path.endswith("/emails"):
            seen.extend(row.email_state for row in world.refunds())
        return handle(request)

    world.sandbox.handle = noting
    bag(world)
    world.work()

    assert seen == ["asked"]
    assert [row.email_state for row in world.refunds()] == ["sent"]
