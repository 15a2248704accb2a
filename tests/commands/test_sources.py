"""Which sources there are, and what a changed configuration would read differently before it is live."""

import json
import shutil
from dataclasses import fields
from datetime import UTC, datetime

import pytest

from service.commands.captured import as_file, read_captured
from service.errors import BadRequest
from service.runtime import build_runtime
from service.store import Delivery, NewDelivery
from tests.commands.desk import event

DEEP = [[[[[[[["nine levels, with the object around them"]]]]]]]]


def test_sources_are_listed_with_what_came_of_their_deliveries(desk):
    desk.deliver()
    desk.deliver(("24-MB01", "one", "sellable"), return_id="RMA-2", event_id="evt_2")
    desk.work()

    portal, warehouse = desk.json("sources")["sources"]

    assert (warehouse["name"], warehouse["kind"], warehouse["scheme"]) == (
        "warehouse",
        "canonical",
        "standard-webhooks",
    )
    assert warehouse["deliveries"] == {"done": 1, "unreadable": 1}
    assert (portal["deliveries"], portal["last_received_at"]) == ({}, None)
    shown = " ".join(desk.run("sources").stdout.split())
    assert "portal canonical hmac sandbox live never none" in shown
    assert "1 done, 1 unreadable" in shown


def test_a_source_that_only_old_deliveries_name_is_listed_too(desk):
    desk.deliver()
    (desk.config_dir / "sources" / "warehouse.toml").unlink()

    (_, gone) = desk.json("sources")["sources"]

    assert (gone["name"], gone["is_configured"], gone["deliveries"]) == ("warehouse", False, {"received": 1})
    assert "(not configured)" in desk.run("sources").stdout


@pytest.fixture
def stricter(desk, tmp_path):
    """A file for warehouse that takes another type for an approval."""
    file = tmp_path / "warehouse.toml"
    file.write_text(_with_policy(desk.config_dir, 'refund_on = ["return.completed"]'))
    return file


def test_a_changed_file_is_held_against_the_newest_deliveries(desk, stricter):
    desk.deliver()
    desk.deliver_body({**event(return_id="RMA-2", event_id="evt_2"), "type": "return.completed"}, message_id="msg_2")

    result = desk.run("sources", "test", "warehouse", "--with", str(stricter))

    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(
        "del_2 of warehouse\n  before  ignored: type 'return.completed' is not in refund_on"
    )
    assert "after return.completed RMA-2 of order #000000101: 1 × WS12-M-Orange" in " ".join(result.stdout.split())
    assert result.stdout.endswith("2 of 2 would be read differently\n")


def test_only_the_newest_are_tried_where_so_many_are_asked_for(desk, stricter):
    desk.deliver()
    desk.deliver(return_id="RMA-2", event_id="evt_2")

    tried = desk.json("sources", "test", "warehouse", "--with", str(stricter), "--last", "1")["deliveries"]

    assert [each["delivery"] for each in tried] == ["del_2"]


def test_what_becomes_unreadable_fails(desk, tmp_path):
    desk.deliver_body({**event(), "note": DEEP})
    changed = tmp_path / "changed"
    shutil.copytree(desk.config_dir, changed)
    with (changed / "service.toml").open("a") as file:
        file.write("max_json_depth = 8\n")

    result = desk.run("sources", "test", "del_1", "--with", str(changed))

    assert result.exit_code == 1
    assert "after   unreadable: the body is nested deeper than 8" in result.stdout
    assert result.stdout.endswith("1 of 1 would be read differently, 1 not at all any more\n")


def test_nothing_that_differs_is_said(desk):
    desk.deliver()
    same = str(desk.config_dir)

    assert desk.run("sources", "test", "warehouse", "--with", same).stdout == "0 of 1 would be read differently\n"


def test_a_captured_delivery_is_read_elsewhere_as_it_was_here(desk, tmp_path):
    desk.deliver()
    file = tmp_path / "captured.http"
    file.write_bytes(desk.run("show", "del_1", "--raw").stdout_bytes)

    captured = read_captured(file.read_bytes(), "captured.http")
    result = desk.run("sources", "test", str(file))

    assert captured.source == "warehouse"
    assert ("webhook-id", "msg_evt_1") in captured.headers
    assert json.loads(captured.body) == event()
    assert result.exit_code == 0, result.output
    assert "return.approved RMA-1 of order #000000101" in " ".join(result.stdout.split())


def test_the_address_and_its_query_are_captured_too(desk):
    runtime = build_runtime(desk.settings())
    new = NewDelivery(
        source="warehouse", delivery_key="k", body=b"{}", headers={":query": "topic=a%2Fb"}, received_at=runtime.clock()
    )
    delivery = runtime.store.inbox.delivery(runtime.store.inbox.receive(new).delivery_id)
    runtime.store.close()

    assert read_captured(as_file(delivery), "").headers == ((":query", "topic=a%2Fb"),)


def test_a_body_that_was_forgotten_is_no_file():
    now = datetime(2026, 11, 23, tzinfo=UTC)
    values = dict.fromkeys(field.name for field in fields(Delivery)) | {"id": 7, "purged_at": now, "headers": {}}

    with pytest.raises(BadRequest, match=r"the body of del_7 was forgotten \(2026-11-23\)"):
        as_file(Delivery(**values))


FORWARDER = """
kind = "generic"
store = "sandbox"
secrets_file = ["secrets/warehouse"]

[map]
return.id = "body.number"
order.increment_id = {{ from = "body.order", strip_prefix = "#" }}
lines = "body.items"
[map.type]
from = "'return.approved'"
[map.line]
sku = "{sku}"
quantity = "line.count"
"""


def test_a_senders_own_body_is_read_by_a_mended_map(desk, tmp_path):
    """The whole way: kept aside, tried with a candidate, put in place, read again, refunded."""
    source, candidate = desk.config_dir / "sources" / "forwarder.toml", tmp_path / "forwarder.toml"
    source.write_text(FORWARDER.format(sku="line.sku.code"))
    candidate.write_text(FORWARDER.format(sku="line.article"))
    items = [{"article": "WS12-M-Orange", "count": 1}]
    desk.deliver_body({"number": "RMA-1", "order": "#000000101", "items": items}, "forwarder")
    desk.work()

    before = desk.json("list", "quarantine")["quarantine"]
    tried = desk.run("sources", "test", "forwarder", "--with", str(candidate), "--plan")
    source.write_text(candidate.read_text())
    desk.run("replay", "--unreadable", "--yes", "--actor", "ann")
    desk.work()

    assert [each["id"] for each in before] == ["del_1"]
    said = " ".join(tried.stdout.split())
    assert "before unreadable: lines[0] = {…}: does not say what was returned" in said
    assert "after return.approved RMA-1 of order #000000101: 1 × WS12-M-Orange" in said
    assert "plan after refund 22.00 USD in 1 call" in said
    assert desk.json("show", "del_1")["state"] == "done"


def test_a_body_alone_needs_the_name_of_its_source(desk, tmp_path):
    file = tmp_path / "body.json"
    file.write_text(json.dumps(event()))

    without = desk.run("sources", "test", str(file))
    named = desk.json("sources", "test", "warehouse", str(file))["deliveries"]

    assert without.exit_code == 1
    assert f"name it: refundry sources test NAME {file}" in without.stderr
    assert [(each["source"], each["after"]["reading"]) for each in named] == [("warehouse", "event")]


def test_a_source_that_is_none_names_those_there_are(desk):
    result = desk.run("sources", "test", "nobody")

    assert (result.exit_code, result.stderr) == (
        1,
        "error: 'nobody' is neither a file nor a source; sources: portal, warehouse\n",
    )


def test_a_body_that_cannot_be_read_fails_with_its_reason(desk, tmp_path):
    file = tmp_path / "body.json"
    file.write_text("{")

    result = desk.run("sources", "test", "warehouse", str(file))

    assert result.exit_code == 1
    assert "unreadable: the body is not JSON" in result.stdout


def test_plans_are_compared_where_they_are_asked_for(desk, tmp_path):
    desk.deliver()
    changed = tmp_path / "changed"
    shutil.copytree(desk.config_dir, changed)
    (changed / "sources" / "warehouse.toml").write_text(_with_policy(changed, 'restock = ["resellable"]'))

    result = desk.run("sources", "test", "del_1", "--with", str(changed), "--plan")

    said = " ".join(result.stdout.split())
    assert result.exit_code == 0, result.output
    assert "plan before refund 22.00 USD in 1 call (return RMA-1, order #000000101), restocks, fingerprint" in said
    assert "plan after refund 22.00 USD in 1 call (return RMA-1, order #000000101), restocks nothing" in said
    assert desk.sandbox.store.shop.memos == {}


def test_a_source_without_deliveries_asks_for_files(desk):
    result = desk.run("sources", "test", "portal")

    assert result.exit_code == 1
    assert "source 'portal' has no deliveries yet; name files: refundry sources test portal FILE…" in result.stderr


@pytest.mark.parametrize(
    ("content", "source", "headers", "body"),
    [
        (b"{}", None, (), b"{}"),
        (b"POST /webhooks/loop HTTP/1.1\r\nA: 1\r\nA:2\r\n\r\n\r\n{}", "loop", (("A", "1"), ("A", "2")), b"\r\n{}"),
        (b"POST /webhooks/loop\n\n{}", "loop", (), b"{}"),
        (b"PUT https://x.example/webhooks/loop HTTP/1.1\nA: b: c\n\n\xff", "loop", (("A", "b: c"),), b"\xff"),
        (b"POST /webhooks/loop?a=%2F HTTP/1.1\n\n{}", "loop", ((":query", "a=%2F"),), b"{}"),
        (b"POST /elsewhere HTTP/1.1\n\n{}", None, (), b"{}"),
    ],
)
def test_a_file_is_a_body_or_a_whole_request(content, source, headers, body):
    captured = read_captured(content, "file")

    assert (captured.source, captured.headers, captured.body) == (source, headers, body)


@pytest.mark.parametrize("content", [b"POST /webhooks/x\nA: 1\n{}", b"POST /webhooks/x\nno header\n\n{}"])
def test_a_request_that_is_cut_short_is_named(content):
    with pytest.raises(BadRequest, match=r"^captured\.http"):
        read_captured(content, "captured.http")


def _with_policy(config_dir, line):
    text = (config_dir / "sources" / "warehouse.toml").read_text()
    return text.partition("[policy]")[0] + f"[policy]\n{line}\n"
