import json
from dataclasses import replace

import pytest

from service.app import create_app
from service.core.plan import Note
from tests.store import examples
from tests.store.examples import NOW, delivery
from tests.web.given import a_runtime

LISTS = ("/api/v1/deliveries", "/api/v1/returns", "/api/v1/refunds", "/api/v1/refusals", "/api/v1/switches")
SINGLE = ("/api/v1/deliveries/del_1", "/api/v1/returns/ret_1", "/api/v1/refunds/ref_1")


def planned():
    return examples.plan("RR-AAAAAAAAAAAAAAAA-01R")


def ids(answer):
    return [each["id"] for each in answer.json["items"]]


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", LISTS + SINGLE)
@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer rfd_wrong"}, {"Authorization": "Basic cmZkOg=="}, {"Authorization": "Bearer"}],
    ids=["no key", "an unknown key", "another scheme", "an empty key"],
)
def test_nothing_is_shown_without_a_key(client, path, headers):
    answer = client.get(path, headers=headers)

    assert (answer.status_code, answer.json["type"]) == (401, "urn:refundry:problem:no-valid-key")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_key_in_the_query_opens_nothing(client, reader):
    token = reader["Authorization"].split()[1]

    assert client.get(f"/api/v1/returns?access_token={token}").status_code == 401


def test_a_revoked_key_opens_nothing(client, reader, store):
    assert client.get("/api/v1/returns", headers=reader).status_code == 200
    store.keys.revoke("reader", NOW)

    assert client.get("/api/v1/returns", headers=reader).status_code == 401


def test_a_key_without_the_scope_is_told_which_it_lacks(client, store):
    token = store.keys.create("metrics", ("metrics",), bytes(32), NOW)

    answer = client.get("/api/v1/returns", headers={"Authorization": f"bearer {token}"})

    assert (answer.status_code, answer.json["type"]) == (403, "urn:refundry:problem:missing-scope")
    assert 'scope="read"' in answer.headers["WWW-Authenticate"]


def test_the_api_can_be_switched_off(database_url, clock):
    client = create_app(a_runtime(database_url, clock, api=False)).test_client()

    assert client.get("/api/v1/returns").status_code == 404
    assert client.get("/healthz").status_code == 200


# --- lists ------------------------------------------------------------------------------------------------------------


def test_pages_go_from_the_newest_to_the_oldest_without_gap_or_repeat(client, store, reader):
    for number in range(1, 6):
        store.inbox.receive(delivery(f"d{number}"))

    pages, path = [], "/api/v1/deliveries?limit=2&state=received"
    while path:
        answer = client.get(path, headers=reader)
        pages.append(ids(answer))
        path = answer.json["next"]
        store.inbox.receive(delivery(f"meanwhile-{len(pages)}"))

    assert pages == [["del_5", "del_4"], ["del_3", "del_2"], ["del_1"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("source=portal", ["del_2"]),
        ("state=waiting", []),
        ("state=received&source=warehouse", ["del_3", "del_1"]),
        ("limit=1&cursor=del_3", ["del_2"]),
        ("return=ret_9", []),
    ],
)
def test_deliveries_are_filtered(client, store, reader, query, expected):
    for key, source in (("d1", "warehouse"), ("d2", "portal"), ("d3", "warehouse")):
        store.inbox.receive(delivery(key, source=source))

    assert ids(client.get(f"/api/v1/deliveries?{query}", headers=reader)) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["ret_2", "ret_1"]),
        ("needs_person=true", ["ret_2"]),
        ("needs_person=0", ["ret_1"]),
        ("verdict=refund", ["ret_1"]),
        ("store=other", []),
        ("source=warehouse&cursor=ret_2", ["ret_1"]),
    ],
)
def test_returns_are_filtered(client, given, reader, query, expected):
    given.planned()
    case = given.case(given.claim(), examples.event("evt_2", return_id="RMA-2"))
    given.store.returns.flag(
        case.id, None, needs_person=True, reason_code="order-missing", reason="which order?", now=NOW
    )

    assert ids(client.get(f"/api/v1/returns?{query}", headers=reader)) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["ref_1"]),
        ("state=sending", ["ref_1"]),
        ("state=done", []),
        ("return=ret_1", ["ref_1"]),
        ("instance=x", []),
    ],
)
def test_refunds_are_filtered(client, given, reader, query, expected):
    given.sending()

    assert ids(client.get(f"/api/v1/refunds?{query}", headers=reader)) == expected


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/api/v1/returns?need_person=true", "need_person"),
        ("/api/v1/returns?needs_person=yes", "needs_person"),
        ("/api/v1/returns?limit=0", "limit"),
        ("/api/v1/returns?limit=201", "limit"),
        ("/api/v1/returns?limit=many", "limit"),
        ("/api/v1/returns?cursor=del_1", "cursor"),
        ("/api/v1/returns?cursor=17", "cursor"),
        ("/api/v1/refunds?state=finished", "state"),
        ("/api/v1/refunds?state=done&state=sending", "state"),
        ("/api/v1/returns?source=%00", "source"),
        ("/api/v1/returns/ret_1?raw=1", "raw"),
        ("/api/v1/switches?scope=all", "scope"),
    ],
)
def test_a_wrong_argument_is_named_and_never_ignored(client, reader, path, named):
    answer = client.get(path, headers=reader)

    assert answer.status_code == 400
    assert f"'{named}'" in answer.json["detail"]


# --- one of each ------------------------------------------------------------------------------------------------------


def test_a_return_shows_all_that_is_known_of_it(client, given, reader):
    given.sending()

    shown = client.get("/api/v1/returns/ret_1", headers=reader).json

    assert (shown["return_key"], shown["order_increment_id"], shown["order_entity_id"]) == (
        "RMA-1001",
        "000000264",
        269,
    )
    assert shown["plan_verdict"] == "refund"
    assert shown["plan"]["refunds"][0]["body"] == {"items": [{"order_item_id": 510, "qty": 1}]}
    assert shown["event"]["lines"][0]["parts"] == [{"quantity": "1", "disposition": "sellable"}]
    assert shown["event"]["fees"] == "2.50"
    assert shown["events"][0]["delivery_id"] == "del_1"
    assert shown["refunds"][0]["attempts"][0]["path"] == "/V1/order/269/refund"
    assert shown["refunds"][0]["predicted_total"] == "9.05"
    assert "refund.sending" in [each["what"] for each in shown["journal"]]
    assert shown["created_at"] == "2026-11-23T09:00:00.000000Z"


def test_the_exact_body_keeps_its_numbers_as_numbers(client, given, store, reader):
    claim, case, row = given.slot()
    body = {"items": [{"order_item_id": 510, "qty": 1.5}], "arguments": {"shipping_amount": 0.1}}
    store.returns.save_plan(claim, case.id, row.id, planned(), bodies=(body,), now=NOW)

    answer = client.get("/api/v1/refunds/ref_1", headers=reader)

    assert answer.json["body"] == body
    assert '"qty":1.5' in answer.text.replace(" ", "")
    assert answer.json["predicted_base_total"] == "10.10"


def test_notes_and_questions_are_part_of_the_plan(client, given, store, reader):
    claim, case, row = given.slot()
    note = Note(rule="payment-offline", subject="checkmo", text="paid outside Magento")
    store.returns.save_plan(claim, case.id, row.id, replace(planned(), notes=(note,)), bodies=({},), now=NOW)

    plan = client.get("/api/v1/returns/ret_1", headers=reader).json["plan"]

    assert plan["notes"] == [{"rule": "payment-offline", "subject": "checkmo", "text": "paid outside Magento"}]
    assert plan["fingerprint"] == planned().fingerprint()


def test_a_delivery_hides_its_body_unless_the_key_may_see_it(client, store, reader):
    store.inbox.receive(delivery(body=b'{"name": "Veronica"}'))
    may_see = {"Authorization": f"Bearer {store.keys.create('auditor', ('read', 'raw'), bytes([1] * 32), NOW)}"}

    plain = client.get("/api/v1/deliveries/del_1", headers=reader)
    refused = client.get("/api/v1/deliveries/del_1?raw=1", headers=reader)
    raw = client.get("/api/v1/deliveries/del_1?raw=1", headers=may_see)

    assert (plain.status_code, plain.json["size_bytes"], "Veronica" in plain.text) == (200, 20, False)
    assert (refused.status_code, "Veronica" in refused.text) == (403, False)
    assert raw.json["body"] == {"text": '{"name": "Veronica"}'}


def test_a_body_that_is_no_text_is_shown_in_base64(client, store):
    store.inbox.receive(delivery(body=b"\xff\x00"))
    may_see = {"Authorization": f"Bearer {store.keys.create('auditor', ('read', 'raw'), bytes([1] * 32), NOW)}"}

    assert client.get("/api/v1/deliveries/del_1?raw=true", headers=may_see).json["body"] == {"base64": "/wA="}


@pytest.mark.parametrize("path", ["/api/v1/deliveries/del_9", "/api/v1/returns/ret_9", "/api/v1/refunds/ref_9"])
def test_what_is_not_there_is_404(client, reader, path):
    answer = client.get(path, headers=reader)

    assert (answer.status_code, answer.json["type"]) == (404, "urn:refundry:problem:not-found")
    assert path.rsplit("/", 1)[1] in answer.json["detail"]


def test_an_id_of_another_kind_is_named(client, reader):
    answer = client.get("/api/v1/returns/ref_1", headers=reader)

    assert (answer.status_code, "'ref_1'" in answer.json["detail"]) == (400, True)


def test_refusals_are_shown_with_their_reasons(client, reader):
    client.post("/webhooks/warehouse", data=b"{}")

    shown = client.get("/api/v1/refusals", headers=reader).json

    assert shown["counts"] == [{"source": "warehouse", "status": 401, "count": 1}]
    assert [(each["reason"], each["size_bytes"]) for each in shown["recent"]] == [("header webhook-id is missing", 2)]


def test_stops_in_force_are_shown(client, store, reader):
    store.switches.stop("store:main", "Ada", "odd totals", NOW)

    (stop,) = client.get("/api/v1/switches", headers=reader).json["stops"]

    assert (stop["scope"], stop["actor"], stop["reason"]) == ("store:main", "Ada", "odd totals")


def test_everything_shown_is_plain_json(client, given, reader):
    given.unknown()

    for path in (*LISTS, *SINGLE):
        assert json.loads(client.get(path, headers=reader).text)
