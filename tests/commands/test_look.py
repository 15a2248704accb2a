"""plan, show and list: what is said, and that nothing is changed by saying it."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from service.app import create_app
from service.runtime import build_runtime
from tests.commands.desk import event

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


@pytest.fixture
def event_file(tmp_path):
    file = tmp_path / "event.json"
    file.write_text(json.dumps(event()))
    return str(file)


def test_a_dry_run_shows_reasons_and_the_exact_call(desk, event_file):
    result = desk.run("plan", "--store", "sandbox", "--event", event_file)

    assert result.exit_code == 0
    assert "refund 22.00 USD in 1 call" in result.stdout
    assert "/rest/default/V1/order/1/refund" in result.stdout
    assert '"return_to_stock_items"' in result.stdout
    assert "'banktransfer' is an offline method" in result.stdout
    assert "Nothing was stored or sent." in result.stdout


def test_a_dry_run_stores_and_sends_nothing(desk, event_file):
    desk.run("plan", "--store", "sandbox", "--event", event_file)

    assert desk.json("list", "deliveries") == {"deliveries": []}
    assert desk.sandbox.store.shop.memos == {}


def test_a_dry_run_as_json_holds_the_body_that_would_be_sent(desk, event_file):
    plan = desk.json("plan", "--store", "sandbox", "--source", "warehouse", "--event", event_file)

    (refund,) = plan["refunds"]
    assert plan["verdict"] == "refund"
    assert plan["base_total"] == "22.00"
    assert refund["url"].endswith("/rest/default/V1/order/1/refund")
    assert refund["body"]["notify"] is True
    assert refund["body"]["arguments"]["shipping_amount"] == 0


def test_a_dry_run_needs_no_database_yet(unmigrated_desk, event_file):
    result = unmigrated_desk.run("plan", "--store", "sandbox", "--event", event_file)

    assert result.exit_code == 0
    assert "refund 22.00 USD" in result.stdout
    assert "Planned as if nothing had been sent before" in result.stderr


def test_an_event_can_be_read_from_standard_input(desk):
    result = desk.run("plan", "--store", "sandbox", "--event", "-", typed=json.dumps(event()))

    assert "refund 22.00 USD" in result.stdout


def test_an_event_that_asks_for_nothing_says_so(desk):
    said = json.dumps({**event(), "type": "return.created"})

    result = desk.run("plan", "--store", "sandbox", "--event", "-", typed=said)

    assert result.stdout.startswith("Ignored: type 'return.created' is not in refund_on")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--store", "nowhere"), "there is no store called 'nowhere'; config/stores/ has: sandbox"),
        (
            ("--store", "sandbox", "--source", "x"),
            "store 'sandbox' has no source called 'x'; it has: portal, warehouse",
        ),
    ],
)
def test_a_dry_run_names_what_there_is(desk, event_file, words, said):
    result = desk.run("plan", *words, "--event", event_file)

    assert (result.exit_code, result.stderr) == (1, f"error: {said}\n")


def test_an_unreadable_event_is_one_line(desk):
    result = desk.run("plan", "--store", "sandbox", "--event", "-", typed="{")

    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr


def test_a_return_is_shown_with_plan_calls_and_journal(desk):
    desk.deliver()
    desk.work()

    page = desk.run("show", "ret_1").stdout

    for part in ("What was said", "Newest plan", "Refunds", "Calls made", "Journal", "What you can do now"):
        assert part in page
    assert "1 × WS12-M-Orange (sellable)" in page
    assert "ref_1   done" in page


def test_a_return_as_json_has_public_ids_throughout(desk):
    desk.deliver()
    desk.work()

    shown = desk.json("show", "ret_1")

    (refund,) = shown["refunds"]
    assert (shown["id"], shown["state"], shown["event_delivery_id"]) == ("ret_1", "done", "del_1")
    assert (refund["id"], refund["return_id"], refund["state"]) == ("ref_1", "ret_1", "done")
    assert [attempt["outcome"] for attempt in refund["attempts"]] == ["done"]


@pytest.mark.parametrize(
    ("name", "path"),
    [("del_1", "deliveries/del_1?raw=1"), ("ret_1", "returns/ret_1"), ("ref_1", "refunds/ref_1")],
)
def test_json_says_the_same_here_and_in_the_api(desk, name, path):
    desk.deliver()
    desk.work()
    token = desk.json("keys", "create", "script", "--scope", "read", "--scope", "raw")["token"]

    here = desk.json("show", name)
    api = create_app(build_runtime(desk.settings())).test_client()
    there = api.get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {token}"}).get_json()

    assert {key: value for key, value in here.items() if key in there} == there
    assert here.keys() - there.keys() <= {"state", "next_steps"}


def test_a_delivery_is_shown_with_its_body(desk):
    name = desk.deliver()

    assert '"increment_id": "000000101"' in desk.run("show", name).stdout
    assert json.loads(desk.json("show", name)["body"]["text"])["return"] == {"id": "RMA-1"}


def test_a_long_body_is_shown_from_its_beginning_and_whole_as_json(desk):
    name = desk.deliver(("S" * 9000, "1", "sellable"))

    shown = desk.run("show", name).stdout
    assert "characters in all; with --json: every one" in shown
    assert len(shown) < 6000
    assert "S" * 9000 in desk.json("show", name)["body"]["text"]


def test_a_reader_that_has_seen_enough_is_no_fault(desk):
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-m", "service", "--config-dir", str(desk.config_dir), "settings"]

    with os.fdopen(write_end, "wb") as closed:
        ended = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, timeout=30, check=False)

    assert ended.stderr == b""


def test_what_needs_a_person_comes_with_the_command_that_helps(desk):
    desk.deliver(("24-MB01", "1", "sellable"), order="000000111")
    desk.work()

    page = desk.run("show", "ret_1").stdout

    assert "payment method 'acmepay' is in neither" in page
    assert "refundry retry ret_1" in page
    assert desk.json("show", "ret_1")["next_steps"][0]["command"] == "refundry retry ret_1"


def test_a_question_about_a_refund_that_may_have_paid_offers_to_settle_it(desk):
    desk.fault("POST */refund lost-before")
    desk.deliver(("24-MB01", "1", "sellable"), order="000000102")
    desk.work()

    commands = [step["command"] for step in desk.json("show", "ref_1")["next_steps"]]

    assert 'refundry settle ref_1 --paid-no-memo --reason "…"' in commands
    assert "refundry reconcile" in commands


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ret_9",), "there is no return ret_9"),
        (("17",), "'17' is not an id of ours: those look like del_17, ret_17, ref_17"),
        (("ret_x",), "'ret_x' is not the id of a return: those look like ret_17"),
    ],
)
def test_an_id_that_is_none_is_named(desk, words, said):
    result = desk.run("show", *words)

    assert (result.exit_code, result.stderr) == (1, f"error: {said}\n")


def test_lists_are_short_and_filtered(desk):
    desk.deliver()
    desk.deliver(("24-MB01", "1", "sellable"), order="000000111", return_id="RMA-2", event_id="evt_2")
    desk.work()

    assert [each["id"] for each in desk.json("list")["returns"]] == ["ret_2", "ret_1"]
    assert [each["id"] for each in desk.json("list", "returns", "--needs-person")["returns"]] == ["ret_2"]
    assert [each["id"] for each in desk.json("list", "deliveries", "--state", "done")["deliveries"]] == ["del_1"]
    assert [each["id"] for each in desk.json("list", "refunds", "--state", "done")["refunds"]] == ["ref_1"]
    assert "22.00 USD" in desk.run("list").stdout


@pytest.mark.parametrize("filters", [("--needs-person",), ("--state", "needs-person")])
def test_a_limit_counts_what_is_asked_for_and_not_what_is_newer(desk, filters):
    desk.deliver(("24-MB01", "1", "sellable"), order="000000111", return_id="RMA-1", event_id="evt_1")
    desk.deliver(return_id="RMA-2", event_id="evt_2")
    desk.work()

    assert [each["id"] for each in desk.json("list", "returns", *filters, "--limit", "1")["returns"]] == ["ret_1"]


def test_what_needs_a_person_includes_what_could_not_be_read(desk):
    desk.deliver()
    desk.deliver(("24-MB01", "one", "sellable"), return_id="RMA-2", event_id="evt_2")
    desk.deliver(("24-MB01", "1", "sellable"), order="000000111", return_id="RMA-3", event_id="evt_3")
    desk.work()

    listed = desk.json("list", "--needs-person")["deliveries"]

    assert [(each["id"], each["state"]) for each in listed] == [("del_3", "needs_person"), ("del_2", "unreadable")]


def test_refused_deliveries_are_counted_and_shown_without_their_bodies(desk):
    refusals = build_runtime(desk.settings()).store.refusals
    refusals.count("warehouse", 401, "no secret matches the signature", 131, NOW)
    refusals.count("warehouse", 401, "header webhook-id is missing", 131, NOW)

    (newest, _) = desk.json("list", "refusals")["refusals"]

    assert (newest["source"], newest["status"], newest["reason"]) == ("warehouse", 401, "header webhook-id is missing")
    shown = " ".join(desk.run("list", "refusals").stdout.split())
    assert "warehouse 401 2 131 header webhook-id is missing" in shown


def test_an_empty_list_says_that_it_is_empty(desk):
    assert desk.run("list", "refunds", "--needs-person").stdout == "no refunds that need a person\n"


def test_an_unknown_state_names_the_known_ones(desk):
    result = desk.run("list", "refunds", "--state", "paid")

    assert result.exit_code == 1
    assert "planned, checking, sending, unknown, done, refused" in result.stderr


def test_why_a_delivery_waits_is_that_its_store_is_left_alone(desk):
    desk.fault("* * 503-before retry-after=240")
    first, second = desk.deliver(), desk.deliver(return_id="RMA-2", event_id="evt_2")
    desk.work()

    reasons = {each["id"]: each["reason"] for each in desk.json("list", "deliveries")["deliveries"]}
    doctor = desk.run("doctor").stdout

    assert "is left alone until" in reasons[first]
    assert reasons[second].startswith("store sandbox is left alone until")
    assert "and asked for 240 s" in reasons[second]
    assert "note: store sandbox is left alone until" in desk.run("show", second).stdout
    assert "warn  store sandbox: left alone until" in doctor
