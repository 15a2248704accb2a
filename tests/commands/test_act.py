"""What people do from the command line: each with a named actor, each in the journal."""

import pytest


def test_an_approval_needs_the_plan_that_was_shown(desk):
    store_file = desk.config_dir / "stores" / "sandbox.toml"
    store_file.write_text(store_file.read_text().replace('amount_over = "500.00"', 'amount_over = "10.00"'))
    desk.deliver()
    desk.work()
    fingerprint = desk.json("show", "ret_1")["plan_fingerprint"]

    wrong = desk.run("approve", "ret_1", "--fingerprint", "000000000000", "--actor", "ann")
    right = desk.run("approve", "ret_1", "--fingerprint", fingerprint, "--actor", "ann")
    desk.work()

    assert wrong.exit_code == 1
    assert fingerprint in wrong.stderr
    assert right.exit_code == 0
    assert desk.json("show", "ret_1")["state"] == "done"
    assert ("ann", "return.approved") in journal_of(desk, "ret_1")


def test_an_approval_without_a_fingerprint_shows_the_plan_and_asks(desk):
    store_file = desk.config_dir / "stores" / "sandbox.toml"
    store_file.write_text(store_file.read_text().replace('amount_over = "500.00"', 'amount_over = "10.00"'))
    desk.deliver()
    desk.work()

    refused = desk.run("approve", "ret_1", "--actor", "ann", typed="n\n")
    agreed = desk.run("approve", "ret_1", "--actor", "ann", typed="y\n")

    assert "refund" in refused.stderr
    assert "Approve exactly this?" in refused.stderr
    assert refused.exit_code == 1
    assert agreed.exit_code == 0
    assert agreed.stdout.startswith("approved ")


@pytest.mark.parametrize("public_id", ["ret_1", "del_1"])
def test_a_retry_takes_up_what_waits_for_a_person(desk, public_id):
    desk.deliver(("24-MB01", "1", "sellable"), order="000000111")
    desk.work()

    result = desk.run("retry", public_id, "--actor", "ann")
    desk.work()

    told = [entry["what"] for entry in desk.json("show", "del_1")["journal"]]
    assert result.stdout == f"{public_id} is due now; the worker takes it up at once\n"
    assert "delivery.needs_person" in told[told.index("delivery.woken") :]


@pytest.mark.parametrize("public_id", ["ret_1", "del_1"])
def test_a_question_is_dismissed_when_nothing_is_to_be_done(desk, public_id):
    desk.deliver(("24-MB01", "1", "sellable"), order="000000111")
    desk.work()

    said = desk.run("dismiss", public_id, "--reason", "refunded by hand last week", "--actor", "ann")

    assert said.exit_code == 0, said.output
    assert ids_that_need_a_person(desk) == []
    shown = desk.json("show", "del_1")
    assert (shown["state"], shown["reason_code"], shown["reason"]) == (
        "ignored",
        "dismissed",
        "refunded by hand last week",
    )
    assert ("ann", "delivery.dismissed") in journal_of(desk, "ret_1")


def test_a_newer_event_of_a_dismissed_return_asks_anew(desk):
    desk.deliver(("24-MB01", "1", "sellable"), order="000000111")
    desk.work()
    desk.run("dismiss", "ret_1", "--reason", "a typing error", "--actor", "ann")

    desk.deliver(("24-MB01", "2", "sellable"), order="000000111", event_id="evt_2")
    desk.work()

    assert ids_that_need_a_person(desk) == ["ret_1"]


def test_what_is_done_is_not_dismissed(desk):
    desk.deliver()
    desk.work()

    said = desk.run("dismiss", "ret_1", "--reason", "x", "--actor", "ann")
    of_delivery = desk.run("dismiss", "del_1", "--reason", "x", "--actor", "ann")

    assert "nothing of ret_1 waits for a person" in said.stderr
    assert "only what waits for a person, or could not be read, is dismissed" in of_delivery.stderr


def test_a_replay_gives_nothing_back_again(desk):
    desk.deliver()
    desk.work()

    desk.run("replay", "del_1", "--actor", "ann")
    desk.work()

    assert len(desk.sandbox.store.shop.memos) == 1
    assert desk.json("show", "del_1")["reason_code"] == "nothing-left"


def test_a_lost_answer_is_settled_by_what_the_gateway_says(desk):
    desk.fault("POST */refund lost-before")
    desk.deliver(("24-MB01", "1", "sellable"), order="000000102")
    desk.work()

    result = desk.run("settle", "ref_1", "--paid-no-memo", "--reason", "seen at the gateway", "--actor", "ann")

    assert (result.exit_code, result.stdout) == (0, "ref_1 is done: paid-no-memo\n")
    assert ("ann", "refund.settled") in journal_of(desk, "ref_1")


@pytest.mark.parametrize("said", [(), ("--not-paid", "--paid-no-memo"), ("--memo", "3", "--not-paid")])
def test_settling_says_exactly_one_thing(desk, said):
    result = desk.run("settle", "ref_1", *said, "--reason", "x")

    assert result.exit_code == 2
    assert "say one of --memo ID, --paid-no-memo and --not-paid" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("settle", "ref_1", "--not-paid", "--reason", "x"), "--paid-no-memo"),
        (("answer", "ret_1", "--memo", "1", "--something-else"), "--this-return"),
    ],
)
def test_a_further_payment_is_said_of_a_payment_alone(desk, words, said):
    result = desk.run(*words, "--further")

    assert result.exit_code == 2
    assert f"--further goes with {said} alone" in result.stderr


def test_the_memo_that_books_a_payment_is_offered_where_it_is_asked_about(desk):
    desk.fault("POST */refund lost-before times=1")
    desk.deliver(("24-MB01", "1", "sellable"), order="000000102")
    desk.work()
    desk.run("settle", "ref_1", "--paid-no-memo", "--reason", "seen at the gateway", "--actor", "ann")
    desk.work()
    (order_id,) = {refund["order_entity_id"] for refund in desk.json("list", "refunds")["refunds"]}
    item_id = desk.sandbox.store.shop.orders[order_id]["items"][0]["item_id"]
    memo_id = desk.refund_by_hand(order_id=order_id, item_id=item_id)
    desk.deliver(("24-MB01", "2", "sellable"), order="000000102", event_id="evt_2")
    desk.work()

    commands = [step["command"] for step in desk.json("show", "ret_1")["next_steps"]]

    assert commands[0] == f'refundry settle ref_1 --memo {memo_id} --reason "…"'


def test_reconcile_finds_the_memo_of_a_lost_answer(desk):
    desk.fault("POST */refund lost-after times=1")
    desk.deliver()
    desk.work()

    (seen,) = desk.json("reconcile", "--actor", "ann")["refunds"]
    desk.work()

    assert (seen["id"], seen["sight"], seen["memo_id"]) == ("ref_1", "found", 1)
    assert desk.json("show", "ref_1")["state"] == "done"


def test_reconcile_decides_nothing_about_a_memo_that_is_not_there(desk):
    desk.fault("POST */refund lost-before")
    desk.deliver()
    desk.work()

    result = desk.run("reconcile", "--actor", "ann")

    assert result.exit_code == 0
    assert "not found" in result.stdout
    assert "Magento may still be working" in result.stdout
    assert desk.json("show", "ref_1")["state"] == "unknown"


def test_reconcile_with_a_store_that_is_down_fails(desk):
    desk.fault("POST */refund lost-before")
    desk.deliver()
    desk.work()
    desk.fault("GET * 503-before")

    result = desk.run("reconcile", "--actor", "ann")

    assert result.exit_code == 1
    assert "not read" in result.stdout


def test_nothing_to_reconcile_is_said(desk):
    assert desk.run("reconcile", "--actor", "ann").stdout.splitlines() == [
        "no refund is of unknown outcome",
        "",
        "Store sandbox: 0 memos of ours ever, 0.00 in all",
        "  all of them are known here",
    ]


def test_somebody_elses_memo_is_answered_about(desk):
    memo_id = desk.refund_by_hand(order_id=1, item_id=1)
    desk.deliver()
    desk.work()

    result = desk.json("answer", "ret_1", "--memo", str(memo_id), "--something-else", "--actor", "ann")

    assert result == {"return": "ret_1", "memo_id": memo_id, "is_this_return": False}
    assert desk.json("show", "ret_1")["memo_answers"] == {str(memo_id): False}


def test_a_memo_that_the_order_does_not_have_is_not_answered_about(desk):
    memo_id = desk.refund_by_hand(order_id=2, item_id=10)
    desk.deliver()
    desk.work()

    result = desk.run("answer", "ret_1", "--memo", str(memo_id), "--this-return", "--actor", "ann")

    assert result.exit_code == 1
    assert "has no credit memo with the entity id" in result.output
    assert desk.json("show", "ret_1")["memo_answers"] == {}


def test_a_stop_holds_every_refund_until_go(desk):
    desk.run("stop", "--reason", "stocktaking", "--actor", "ann")
    desk.deliver()
    desk.work()
    held = desk.json("show", "del_1")

    released = desk.run("go", "--actor", "ann")

    assert (held["state"], held["reason_code"]) == ("waiting", "stopped")
    assert "stocktaking" in held["reason"]
    assert released.stdout == "all: refunds run again\n"


def test_going_on_says_what_is_still_stopped(desk):
    desk.run("stop", "store:sandbox", "--actor", "ann")

    assert desk.run("go", "--actor", "ann").stdout == "all was not stopped; still stopped: store:sandbox\n"


def test_a_scope_that_is_none_names_those_there_are(desk):
    result = desk.run("stop", "store:x", "--actor", "ann")

    assert result.exit_code == 1
    assert "all, store:sandbox, source:portal, source:warehouse" in result.stderr


def test_an_action_of_nobody_is_refused(desk):
    result = desk.run("stop", "--actor", " ")

    assert (result.exit_code, result.stderr) == (1, "error: an action needs the name of who does it: --actor NAME\n")


def journal_of(desk, public_id):
    return [(entry["actor"], entry["what"]) for entry in desk.json("show", public_id)["journal"]]


def ids_that_need_a_person(desk):
    return [each["id"] for each in desk.json("list", "returns", "--needs-person")["returns"]]
