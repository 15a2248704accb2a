"""Files of events: what is stored, what is refused and why, and that nothing is stored twice."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from service.commands.event_files import LINE_COLUMNS, RETURN_COLUMNS, EventFile, _Seen
from service.core.policy import Amounts
from service.errors import BadRequest
from service.runtime import build_runtime
from service.sources import Limits, parse
from tests.commands.desk import event

CSV = """\
return,order,sku,quantity,disposition
RMA-1,000000101,WS12-M-Orange,1,sellable
RMA-1,000000101,24-MB01,2,damaged
RMA-2,000000102,24-MB01,1,sellable
"""


def jsonl(*events):
    return "".join(json.dumps(each) + "\n" for each in events)


@pytest.fixture
def write(tmp_path):
    def write(text, name="events"):
        file = tmp_path / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(file)

    return write


def test_an_imported_event_is_refunded_as_a_webhooks_is(desk, write):
    result = desk.run("import", write(jsonl(event())), "--source", "warehouse", "--actor", "ann")
    desk.work()

    assert (result.exit_code, result.stdout) == (0, "1 stored, 0 known already, 0 refused\n")
    assert desk.json("show", "ret_1")["state"] == "done"
    assert len(desk.sandbox.store.shop.memos) == 1


def test_the_same_file_again_stores_nothing(desk, write):
    file = write(CSV)
    first = desk.json("import", file, "--source", "warehouse", "--actor", "ann")
    again = desk.json("import", file, "--source", "warehouse", "--actor", "ann")

    assert (first["stored"], first["known"]) == (2, 0)
    assert (again["stored"], again["known"]) == (0, 2)
    assert len(desk.json("list", "deliveries")["deliveries"]) == 2


def test_the_journal_says_who_imported_what(desk, write):
    desk.run("import", write(CSV), "--source", "warehouse", "--actor", "ann")

    runtime = build_runtime(desk.settings())
    (entry,) = [each for each in runtime.store.journal.of() if each.what == "deliveries.imported"]
    runtime.store.close()
    assert entry.actor == "ann"
    assert entry.text.endswith("for source warehouse: 2 stored, 0 known already, 0 refused")


def test_rows_of_one_return_are_one_event(desk, write):
    desk.run("import", write(CSV), "--source", "warehouse", "--actor", "ann")

    body = json.loads(desk.json("show", "del_1")["body"]["text"])
    assert body["return"] == {"id": "RMA-1"}
    assert body["order"] == {"increment_id": "000000101"}
    assert body["lines"] == [
        {"sku": "WS12-M-Orange", "quantity": "1", "disposition": "sellable"},
        {"sku": "24-MB01", "quantity": "2", "disposition": "damaged"},
    ]


def test_a_bad_line_is_refused_with_its_number_and_does_not_hold_up_the_others(desk, write):
    lines = jsonl(event(), {**event(event_id="evt_2"), "lines": []}) + "{\n" + jsonl(event(event_id="evt_4"))

    result = desk.run("import", write(lines), "--source", "warehouse", "--actor", "ann")

    assert result.exit_code == 1
    said = " ".join(result.stdout.split())
    assert "2 lines: names no line." in said
    assert "3 the body is not JSON" in said
    assert result.stdout.endswith("2 stored, 0 known already, 2 refused\n")


def test_refused_lines_can_be_mended_and_imported(desk, write, tmp_path):
    rejects = tmp_path / "rejects.csv"
    bad = CSV.replace("24-MB01,2", "24-MB01,two")

    desk.run("import", write(bad), "--source", "warehouse", "--rejects", str(rejects), "--actor", "ann")
    text = rejects.read_text()
    rejects.write_text(text.replace(",two,", ",2,"))
    mended = desk.json("import", str(rejects), "--source", "warehouse", "--actor", "ann")

    header, reason, *rows = text.splitlines()
    assert header == "return,order,sku,quantity,disposition"
    assert reason.startswith("# line 2: lines[1].quantity ('24-MB01') = 'two': not a decimal number")
    assert rows == ["RMA-1,000000101,WS12-M-Orange,1,sellable", "RMA-1,000000101,24-MB01,two,damaged"]
    assert mended == {"stored": 1, "known": 0, "ignored": 0, "refused": 0, "refused_lines": []}


def test_a_file_of_refused_lines_is_never_overwritten(desk, write, tmp_path):
    (tmp_path / "rejects").write_text("mine")

    result = desk.run("import", write(CSV), "--source", "warehouse", "--rejects", str(tmp_path / "rejects"))

    assert result.exit_code == 1
    assert (tmp_path / "rejects").read_text() == "mine"


def test_strict_stops_at_the_first_refused_line(desk, write):
    file = write(jsonl(event()) + "{\n" + jsonl(event(event_id="evt_3")))

    result = desk.run("import", file, "--source", "warehouse", "--strict", "--actor", "ann")

    assert result.exit_code == 1
    assert "1 stored, 0 known already, 1 refused" in result.stdout


def test_a_dry_run_stores_nothing(desk, write):
    result = desk.run("import", write(CSV), "--source", "warehouse", "--dry-run")

    assert result.stdout == "2 can be stored, 0 known already, 0 refused\nnothing was stored\n"
    assert desk.json("list", "deliveries") == {"deliveries": []}


def test_events_that_ask_for_nothing_are_stored_and_said(desk, write):
    result = desk.run(
        "import", write(jsonl({**event(), "type": "return.created"})), "--source", "warehouse", "--actor", "ann"
    )

    assert result.exit_code == 0
    assert "1 of them ask for nothing, as: type 'return.created' is not in refund_on" in result.stdout


def test_a_source_that_is_none_is_named(desk, write):
    result = desk.run("import", write(CSV), "--source", "nobody", "--actor", "ann")

    assert (result.exit_code, result.stderr) == (
        1,
        "error: there is no source called 'nobody'; create config/sources/nobody.toml\n",
    )


def test_a_stream_can_be_imported(desk):
    result = desk.run("import", "-", "--source", "warehouse", "--actor", "ann", typed=CSV)

    assert result.stdout == "2 stored, 0 known already, 0 refused\n"


# --- what a file may look like ----------------------------------------------------------------------------------------


def read(content, max_bytes=10_000):
    stream = io.BytesIO(content if isinstance(content, bytes) else content.encode())
    return list(EventFile(stream=stream, max_bytes=max_bytes, default_type="return.approved").events())


def bodies(content):
    return [json.loads(each.body) for each in read(content)]


@pytest.mark.parametrize(
    "content",
    [
        CSV,
        "\ufeff" + CSV,
        CSV.replace(",", ";"),
        CSV.replace(",", "\t"),
        CSV.replace("\n", "\r\n"),
        CSV.replace("quantity", "Qty ").replace("return,", "return_id,"),
        CSV.rstrip("\n"),
        CSV.replace("RMA-1", '"RMA-1"'),
        "\n# mended by hand\n" + CSV.replace("RMA-2", "\n# line 4: what was wrong\nRMA-2"),
    ],
    ids=["plain", "bom", "semicolon", "tab", "crlf", "aliases", "no last line feed", "quoted", "comments"],
)
def test_csv_is_read_however_a_spreadsheet_writes_it(content):
    assert bodies(content) == bodies(CSV)


def test_the_same_rows_make_the_same_bytes_and_others_other_bytes():
    first, second = read(CSV)
    (again, _) = read(CSV.replace("\n", "\r\n"))
    (changed, _) = read(CSV.replace("24-MB01,2", "24-MB01,3"))

    assert again.body == first.body
    assert len({first.body, second.body, changed.body}) == 3


def test_columns_of_the_whole_return_are_said_once_or_the_same():
    (said,) = bodies("return,order,sku,quantity,fee,currency,event_id\nR,1,A,1,4.95,USD,e1\nR,1,B,1,4.95,,\n")
    (refused,) = read("return,order,sku,quantity,fee\nR,1,A,1,4.95\nR,1,B,1,5.00\n")

    assert (said["id"], said["fees"], said["currency"]) == ("e1", [{"type": "fee", "amount": "4.95"}], "USD")
    assert (refused.line, refused.refused) == (2, "rows of one return differ in fee: 4.95, 5.00")


def test_every_column_is_heard(desk):
    values = {
        "return": "R",
        "order": "000000101",
        "sku": "A",
        "quantity": "1",
        "disposition": "sellable",
        "order_item_id": "7",
        "external_line_id": "x7",
        "reason": "too small",
        "keep_item": "yes",
        "resolution": "exchange",
        "refund_destination": "store_credit",
        "refund_amount": "9.95",
        "fee": "1.00",
        "currency": "USD",
        "refund_total": "8.95",
        "occurred_at": "2026-11-23T09:00:00Z",
        "receipt_id": "G1",
        "already_refunded": "no",
        "event_id": "e1",
        "type": "return.approved",
    }
    source = desk.settings().sources["warehouse"]
    source = replace(source, policy=replace(source.policy, amounts=Amounts.EXACT))
    (row,) = read(f"{','.join(values)}\n{','.join(values.values())}\n")

    (event,) = parse(source, row.body, (), Limits())

    (line,) = event.lines
    assert sorted([*values, "order_entity_id"]) == sorted([*LINE_COLUMNS, *RETURN_COLUMNS])
    assert (event.event_id, event.type, event.return_id, str(event.order)) == (
        "e1",
        "return.approved",
        "R",
        "#000000101",
    )
    assert (line.order_item_id, line.external_line_id, line.sku, line.reason) == (7, "x7", "A", "too small")
    assert (line.keep_item, line.resolution, line.refund_destination) == (True, "exchange", "store_credit")
    assert (line.refund_amount.amount, event.refund_total.amount, event.fees) == (
        Decimal("9.95"),
        Decimal("8.95"),
        Decimal("1.00"),
    )
    assert event.occurred_at == datetime(2026, 11, 23, 9, tzinfo=UTC)


def test_receipts_of_a_return_are_events_of_their_own():
    content = "return,order,sku,quantity,receipt_id\nR,1,A,1,G1\nS,1,A,1,G2\nR,1,A,1,G3\nR,1,B,1,G3\n"

    assert [(each["receipt_id"], len(each["lines"])) for each in bodies(content)] == [("G1", 1), ("G2", 1), ("G3", 2)]


def test_rows_of_a_return_that_stand_apart_are_refused():
    events = read("return,order,sku,quantity\nR,1,A,1\nS,2,A,1\nR,1,B,1\n")

    assert [(each.line, bool(each.body)) for each in events] == [(2, True), (3, True), (4, False)]
    assert events[2].refused.startswith("rows of return R stand apart: an event says all that is approved so far")


@pytest.mark.parametrize("bad", ["R,1,B", 'R,1,"B,1', "R,1,\xe4,1", "R,1"])
def test_a_return_with_a_row_that_is_none_is_refused_as_a_whole(bad):
    content = f"return,order,sku,quantity\nR,1,A,1\n{bad}\nR,1,C,1\nS,1,A,1\nS,1,B,1\n"

    refused, good = read(content.encode("latin-1"))

    assert (refused.line, refused.body) == (3, None)
    assert refused.raw == f"R,1,A,1\n{bad}\nR,1,C,1\n".encode("latin-1")
    assert [line["sku"] for line in json.loads(good.body)["lines"]] == ["A", "B"]


def test_a_cell_may_hold_separators_and_line_feeds():
    said, other = bodies('return,order,sku,quantity,reason\nR,1,A,1,"too small, \nalas"\nS,1,A,1,\n')

    assert said["lines"][0]["reason"] == "too small, \nalas"
    assert other["return"] == {"id": "S"}


def test_one_return_of_two_orders_is_two_events():
    assert [each["order"]["increment_id"] for each in bodies("return,order,sku,quantity\nR,1,A,1\nR,2,A,1\n")] == [
        "1",
        "2",
    ]


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (b"return,order,sku,quantity\nR,1,A\n", 2, "3 cells, where the first line names 4 columns"),
        (b"return,order,sku,quantity\nR,1,\xe4,1\n", 2, "not UTF-8 (byte 4); save the file as CSV UTF-8"),
        (b'return,order,sku,quantity\nR,1,"A,1\n', 2, "not CSV: unexpected end of data"),
        (b'return,order,sku,quantity\nR,1,"A"x,1\n', 2, "not CSV: ',' expected after '\"'"),
        (b"return,order,sku,quantity\n" + b"A" * 400 + b"\n", 2, "the line is longer than the source's max_body_bytes"),
        (b"{" + b"A" * 400 + b"\n", 1, "the line is longer than the source's max_body_bytes"),
    ],
)
def test_a_line_that_is_none_is_refused_and_the_next_one_read(content, line, reason):
    good = b'{"id": 1}\n' if content.startswith(b"{") else b"S,2,B,1\n"
    refused, *others = read(content + good, max_bytes=300)

    assert (refused.line, refused.refused) == (line, reason)
    assert [each.line for each in others if each.body] == [line + 1]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("order,sku,quantity", "names no column return"),
        ("return,sku,quantity", "names no column order or order_entity_id"),
        ("return,order,quantity", "names no column sku or order_item_id or external_line_id"),
        ("return,order,sku,qty,quantity", "the column quantity stands twice"),
    ],
)
def test_a_csv_file_without_what_is_needed_is_refused_as_a_whole(header, said):
    with pytest.raises(BadRequest, match=said):
        read(header + "\n1,2,3\n")


def test_every_column_is_described():
    text = (Path(__file__).parents[2] / "docs" / "importing.md").read_text()
    described = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)))

    assert sorted(described) == sorted([*LINE_COLUMNS, *RETURN_COLUMNS])


def test_columns_that_are_not_ours_are_named(desk, write):
    result = desk.run(
        "import", write("return,order,sku,quantity,colour\nR,1,A,1,red\n"), "--source", "warehouse", "--actor", "ann"
    )

    assert "columns that were not read: colour" in result.stdout


def test_rows_are_refused_for_a_source_that_reads_another_kind(desk, write):
    (desk.config_dir / "sources" / "shipbob.toml").write_text(
        'kind = "shipbob"\nstore = "sandbox"\nsecrets_file = ["secrets/warehouse"]\n'
    )

    rows = desk.run("import", write(CSV), "--source", "shipbob", "--actor", "ann")
    bodies = write('{"id": 7, "status": "Completed"}\n', "bodies")
    topic = ("--header", "X-Webhook-Topic:return.created")
    lines = desk.run("import", bodies, "--source", "shipbob", "--actor", "ann", *topic)

    assert rows.exit_code == 1
    assert "CSV rows become canonical events, and this source reads another kind" in rows.stderr
    assert "1 of them ask for nothing, as: type 'return.authorized' is not in refund_on" in lines.stdout
    assert desk.json("show", "del_1")["headers"] == {
        "x-brought-from": "bodies line 1",
        "x-webhook-topic": "return.created",
    }


def test_returns_are_told_apart_by_the_hundred_thousand():
    seen = _Seen()
    seen._RUN = 10

    assert all(seen.add(f"RMA-{number}") for number in range(95))
    assert not any(seen.add(f"RMA-{number}") for number in range(95))
    assert len(seen._runs) == 9


# --- whoever is killed ------------------------------------------------------------------------------------------------


def test_an_import_that_was_killed_is_started_again_and_stores_each_event_once(desk, write):
    file = write(jsonl(*(event(return_id=f"RMA-{n}", event_id=f"evt_{n}") for n in range(1500))))
    command = [sys.executable, "-m", "service", "--config-dir", str(desk.config_dir), "import", file]
    words = ["--source", "warehouse", "--actor", "ann"]

    killed = subprocess.Popen([*command, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stored_then = _wait_for_some(desk, killed)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    again = desk.json("import", file, *words)

    kept = _deliveries(desk)
    assert 0 < stored_then < 1500
    assert again["stored"] + again["known"] == 1500
    assert again["known"] >= stored_then
    assert (len(kept), len(set(kept))) == (1500, 1500)


def _wait_for_some(desk, process):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if stored := len(_deliveries(desk)):
            return stored
        time.sleep(0.01)
    raise AssertionError("the import ended before it could be killed")


def _deliveries(desk):
    runtime = build_runtime(desk.settings())
    kept = runtime.store.inbox.list(limit=10_000)
    runtime.store.close()
    return [each.body_sha256 for each in kept]
