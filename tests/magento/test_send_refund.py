from __future__ import annotations

import gzip
import logging
import socket
import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import requests
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import MaxRetryError, NameResolutionError, ProtocolError, ReadTimeoutError, SSLError

from service.core.plan import RefundRequest, RequestItem, Route
from service.magento.client import MagentoClient
from service.magento.outcomes import OutcomeKind
from service.magento.session import MAX_ANSWER_BYTES, was_never_sent
from service.settings import AdminAuth, Secret
from tests.magento.fake_store import (
    NO_SUCH_ENTITY,
    NOT_AUTHORIZED,
    Reply,
    in_turn,
    listening,
    running,
    says,
    settings_for,
)

DONE, REFUSED, NOT_SENT, UNKNOWN = OutcomeKind
ADMIN = AdminAuth(username=Secret("refunder"), password=Secret("secret"))
HUGE = gzip.compress(b" " * (MAX_ANSWER_BYTES + 1))
MARKER = "RR-AAAAAAAAAAAAAAAA-01R"


def refund(**changes):
    values = {
        "route": Route.ORDER,
        "order_id": 269,
        "items": (RequestItem(order_item_id=510, qty=Decimal(1)),),
        "shipping_amount": Decimal(0),
        "return_to_stock": (510,),
        "notify": True,
        "marker": MARKER,
        "comment": f"Return RMA-1001 (warehouse) {MARKER}",
    }
    return RefundRequest(**values | changes)


def sent_to(url, **changes):
    return MagentoClient(settings_for(url, **changes)).send_refund(refund())


def test_a_refund_is_one_post_of_the_recorded_json_on_a_connection_of_its_own():
    with running(lambda _: says("429")) as store:
        outcome = sent_to(store.url)

    assert (outcome.kind, outcome.memo_id) == (DONE, 429)
    (seen,) = store.seen
    assert (seen.method, seen.target) == ("POST", "/rest/default/V1/order/269/refund")
    assert seen.headers["Authorization"] == "Bearer tok-1"
    assert seen.headers["Content-Type"] == "application/json"
    assert seen.headers["Accept"] == "application/json"
    assert seen.headers["Connection"] == "close"
    assert seen.json == {
        "items": [{"order_item_id": 510, "qty": 1}],
        "notify": True,
        "comment": {"comment": f"Return RMA-1001 (warehouse) {MARKER}", "is_visible_on_front": 0},
        "arguments": {
            "shipping_amount": 0,
            "adjustment_positive": 0,
            "adjustment_negative": 0,
            "extension_attributes": {"return_to_stock_items": [510]},
        },
    }


def test_an_online_refund_goes_to_its_invoice():
    with running(lambda _: says("430")) as store:
        client = MagentoClient(settings_for(store.url, store_code="eur"))
        request = refund(route=Route.INVOICE, invoice_id=266)
        outcome = client.send_refund(request)

    assert outcome.kind is DONE
    assert store.seen[0].target == "/rest/eur/V1/invoice/266/refund"
    assert store.seen[0].json["isOnline"] is True
    assert client.refund_url(request) == f"{store.url}/rest/eur/V1/invoice/266/refund"


@pytest.mark.parametrize(
    ("reply", "kind", "rule"),
    [
        (says({"message": "The credit memo's total must be positive."}, status=400), REFUSED, "validator-alone"),
        (says(NO_SUCH_ENTITY, status=404), NOT_SENT, "no-such-document"),
        (says(NOT_AUTHORIZED, status=401), NOT_SENT, "unauthorized"),
        (Reply(body=b"<html>There has been an error</html>", content_type="text/html"), UNKNOWN, "200-without-memo-id"),
        (Reply(status=302, headers={"Location": "https://www.shop.example/"}), UNKNOWN, "redirect"),
        (Reply(status=307, headers={"Location": "/rest/default/V1/order/269/refund"}), UNKNOWN, "redirect"),
        (Reply(status=500, body=b'{"message": "Internal Error."}'), UNKNOWN, "server-error"),
        (Reply(status=502, content_type="text/html"), UNKNOWN, "server-error"),
        (Reply(status=503, content_type="text/html", headers={"Retry-After": "1"}), UNKNOWN, "server-error"),
        (Reply(body=b'"429"', cut_at=2), UNKNOWN, "answer-lost"),
        (Reply(body=b'"429"', cut_at=0), UNKNOWN, "answer-lost"),
        (Reply(reset=True), UNKNOWN, "answer-lost"),
        (Reply(hangs=True), UNKNOWN, "answer-lost"),
        (Reply(body=b"[" * 200, headers={"Content-Encoding": "gzip"}), UNKNOWN, "answer-lost"),
        (Reply(body=HUGE, headers={"Content-Encoding": "gzip"}), UNKNOWN, "answer-lost"),
        (Reply(status=302, headers={"Location": "http://["}), UNKNOWN, "answer-lost"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_bad_answer_is_classified_and_none_is_asked_again(reply, kind, rule):
    with running(lambda _: reply) as store:
        outcome = sent_to(store.url, refund_read_timeout_seconds=0.3)

        assert (outcome.kind, outcome.rule) == (kind, rule)
        assert len(store.seen) == 1


def test_a_429_says_when_to_come_back():
    with running(lambda _: Reply(status=429, headers={"Retry-After": "17"})) as store:
        outcome = sent_to(store.url)

    assert (outcome.kind, outcome.retry_after_seconds) == (NOT_SENT, 17)


@pytest.mark.parametrize("header", ["soon", "", "9" * 400, "-3"])
def test_a_retry_after_that_says_nothing_is_passed_over(header):
    with running(lambda _: Reply(status=429, headers={"Retry-After": header})) as store:
        assert sent_to(store.url).retry_after_seconds is None


def test_retry_after_may_be_a_date():
    now = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    with running(lambda _: Reply(status=429, headers={"Retry-After": "Mon, 23 Nov 2026 09:01:00 GMT"})) as store:
        outcome = MagentoClient(settings_for(store.url), now=lambda: now).send_refund(refund())

    assert outcome.retry_after_seconds == 60


def test_a_refused_connection_was_not_sent():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    outcome = sent_to(f"http://127.0.0.1:{port}")

    assert (outcome.kind, outcome.rule) == (NOT_SENT, "no-connection")
    assert "refused" in outcome.message


def test_a_host_name_that_cannot_be_asked_for_was_not_sent():
    outcome = sent_to(f"http://{'a' * 64}.example")

    assert (outcome.kind, outcome.rule) == (NOT_SENT, "no-connection")


def test_a_host_name_without_an_address_was_not_sent():
    connection = HTTPConnection("shop.example")
    reason = NameResolutionError("shop.example", connection, socket.gaierror("Name or service not known"))
    pool = HTTPConnectionPool("shop.example")

    assert was_never_sent(requests.ConnectionError(MaxRetryError(pool, "/rest", reason)))


@pytest.mark.parametrize(
    "reason", [ProtocolError("aborted"), ReadTimeoutError(None, "/rest", "read"), SSLError("bad record mac"), None]
)
def test_any_other_failure_is_no_proof(reason):
    pool = HTTPConnectionPool("shop.example")

    assert not was_never_sent(requests.ConnectionError(MaxRetryError(pool, "/rest", reason)))
    assert not was_never_sent(requests.ConnectionError(reason))
    assert not was_never_sent(requests.ConnectionError())


def test_a_connection_that_nobody_accepts_was_not_sent():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        address = server.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:  # fill the queue: the next connection gets no answer at all
            one.setblocking(False)
            one.connect_ex(address)

        outcome = sent_to(f"http://127.0.0.1:{address[1]}", connect_timeout_seconds=0.3)

        for one in waiting:
            one.close()
    assert (outcome.kind, outcome.rule) == (NOT_SENT, "no-connection")


@pytest.mark.parametrize(
    "meet",
    [
        pytest.param(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), id="speaks no TLS"),
        pytest.param(lambda connection: None, id="hangs up"),
        pytest.param(lambda connection: time.sleep(0.6), id="says nothing"),
    ],
)
def test_a_failed_tls_handshake_was_not_sent(meet):
    with listening(meet) as port:
        outcome = sent_to(f"https://127.0.0.1:{port}", connect_timeout_seconds=0.3)

    assert (outcome.kind, outcome.rule) == (NOT_SENT, "no-connection")


def test_hanging_up_after_the_request_is_unknown():
    with listening(lambda connection: connection.recv(65536)) as port:
        outcome = sent_to(f"http://127.0.0.1:{port}")

    assert (outcome.kind, outcome.rule) == (UNKNOWN, "answer-lost")


def test_a_reset_after_the_headers_is_unknown():
    def meet(connection):
        connection.recv(65536)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n"
        )

    with listening(meet) as port:
        outcome = sent_to(f"http://127.0.0.1:{port}")

    assert (outcome.kind, outcome.rule) == (UNKNOWN, "answer-lost")


def test_a_401_is_answered_by_one_renewed_token_and_one_repeat():
    with running(in_turn(says("token-1"), says(NOT_AUTHORIZED, status=401), says("token-2"), says("429"))) as store:
        outcome = sent_to(store.url, auth=ADMIN)

    posts = store.requests_to("/refund")
    assert outcome.kind is DONE
    assert [seen.headers["Authorization"] for seen in posts] == ["Bearer token-1", "Bearer token-2"]
    assert posts[0].body == posts[1].body


def test_a_second_401_ends_it():
    with running(
        in_turn(
            says("token-1"),
            says(NOT_AUTHORIZED, status=401),
            says("token-2"),
            says(NOT_AUTHORIZED, status=401),
            says("must not be asked for"),
        )
    ) as store:
        outcome = sent_to(store.url, auth=ADMIN)

    assert (outcome.kind, outcome.rule) == (NOT_SENT, "unauthorized")
    assert len(store.requests_to("/refund")) == 2


def test_the_repeat_after_a_401_is_classified_like_any_call():
    with running(
        in_turn(says("token-1"), says(NOT_AUTHORIZED, status=401), says("token-2"), Reply(reset=True))
    ) as store:
        outcome = sent_to(store.url, auth=ADMIN)

    assert (outcome.kind, outcome.rule) == (UNKNOWN, "answer-lost")


def test_a_401_that_is_not_magentos_is_not_repeated():
    page = Reply(status=401, body=b"<html>password?</html>", content_type="text/html")
    with running(in_turn(says("token-1"), page)) as store:
        outcome = sent_to(store.url, auth=ADMIN)

    assert outcome.kind is UNKNOWN
    assert len(store.requests_to("/refund")) == 1


def test_a_failed_sign_in_was_not_sent():
    with running(lambda _: Reply(status=503, content_type="text/html")) as store:
        outcome = sent_to(store.url, auth=ADMIN)

    assert (outcome.kind, outcome.rule) == (NOT_SENT, "no-token")
    assert store.requests_to("/refund") == []


def test_a_refund_whose_time_has_run_out_is_not_sent():
    with running(lambda _: says("429")) as store:
        outcome = MagentoClient(settings_for(store.url)).send_refund(refund(), may_send=lambda: False)

    assert (outcome.kind, outcome.rule) == (NOT_SENT, "too-late")
    assert store.seen == []


def test_the_repeat_after_a_401_asks_for_the_time_again():
    left = [True, False]
    with running(in_turn(says("token-1"), says(NOT_AUTHORIZED, status=401), says("token-2"), says("429"))) as store:
        client = MagentoClient(settings_for(store.url, auth=ADMIN))
        outcome = client.send_refund(refund(), may_send=lambda: left.pop(0))

    assert (outcome.kind, outcome.rule) == (NOT_SENT, "too-late")
    assert len(store.requests_to("/refund")) == 1


def test_the_environment_names_no_proxy(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with running(lambda _: says("429")) as store:
        assert sent_to(store.url).kind is DONE


def test_the_log_holds_ids_and_the_decision_and_no_secret(caplog):
    with running(lambda _: says("429")) as store, caplog.at_level(logging.INFO, logger="service.magento"):
        sent_to(store.url)

    (record,) = [record for record in caplog.records if record.name.startswith("service.magento")]
    assert (record.order_id, record.marker, record.outcome, record.memo_id) == (269, MARKER, "done", 429)
    assert "tok-1" not in str(vars(record))
    assert "RMA-1001" not in str(vars(record))
