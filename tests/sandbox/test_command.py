from datetime import UTC, datetime

import pytest
import requests
from flask import Flask

from service.sandbox.command import SandboxServer, build_sandbox, describe_access, describe_orders, run_sandbox
from service.sandbox.faults import parse_fault
from service.sandbox.order_specs import LineSpec, OrderSpec
from service.sandbox.orders_to_try import ORDERS_TO_TRY

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
BAGS = OrderSpec(increment_id="000000901", why="three bags", lines=(LineSpec(sku="24-MB01", qty=3),))


def refund(server, sandbox, body=None):
    path = f"/rest/default/V1/order/{sandbox.orders[0].entity_id}/refund"
    return requests.post(server.url + path, headers=sandbox.store.bearer(), json=body or {}, timeout=5)


def memos(sandbox):
    return len(sandbox.store.shop.memos)


@pytest.fixture
def serving():
    """Serves a sandbox with one order and the given faults."""
    servers = []

    def serve(*rules, **said):
        sandbox = build_sandbox(now=NOW, orders=[BAGS], faults=[parse_fault(rule) for rule in rules], **said)
        server = SandboxServer(sandbox.app())
        server.start()
        servers.append(server)
        return server, sandbox

    yield serve
    for server in servers:
        server.stop()


def test_the_table_of_orders_names_each_with_what_it_shows():
    lines = describe_orders().splitlines()

    assert lines[0].split() == ["order", "payment", "lines", "why"]
    assert len(lines) == 1 + len(ORDERS_TO_TRY)
    assert describe_orders([BAGS]).splitlines()[1] == "000000901  banktransfer  3 × 24-MB01  three bags"
    assert "2 × OPT-2 (plain), 2 × OPT-2 (initials)" in describe_orders()


@pytest.mark.parametrize(("version", "says"), [("2.4.1", "my-token"), ("2.4.6-p4", "refused since Magento 2.4.4")])
def test_the_bearer_token_is_offered_only_where_magento_takes_it(version, says):
    sandbox = build_sandbox(now=NOW, magento_version=version, orders=[], token="my-token")

    assert f"bearer  {says}" in describe_access(sandbox.store)


def test_a_refund_over_http_makes_a_memo(serving):
    server, sandbox = serving()

    answer = refund(server, sandbox)

    assert (answer.status_code, memos(sandbox)) == (200, 1)


def test_a_token_of_ones_own_signs_in(serving):
    server, sandbox = serving(magento_version="2.4.1", token="my-token")

    answer = requests.get(
        f"{server.url}/rest/V1/orders/{sandbox.orders[0].entity_id}",
        headers={"Authorization": "Bearer my-token"},
        timeout=5,
    )

    assert answer.json()["increment_id"] == "000000901"


@pytest.mark.parametrize(
    ("rule", "memos_made", "what_the_client_sees"),
    [
        ("POST */refund lost-before", 0, requests.ConnectionError),
        ("POST */refund lost-after", 1, requests.ConnectionError),
        ("POST */refund truncated", 1, requests.exceptions.ChunkedEncodingError),
    ],
)
def test_a_dropped_or_cut_answer_breaks_the_connection(serving, rule, memos_made, what_the_client_sees):
    server, sandbox = serving(rule)

    with pytest.raises(what_the_client_sees):
        refund(server, sandbox)

    assert memos(sandbox) == memos_made


def test_a_fault_about_one_order_leaves_the_others_alone(serving):
    server, sandbox = serving("POST */refund 500-after order=000000902")

    assert refund(server, sandbox).status_code == 200


def test_a_port_that_is_taken_is_an_oserror(serving):
    server, _ = serving()
    port = int(server.url.rpartition(":")[2])

    with pytest.raises(OSError, match="in use"):
        SandboxServer(Flask("second"), port=port)


def test_after_stopping_nobody_answers():
    with SandboxServer(Flask("empty")) as server:
        url = server.url
        assert requests.get(url, timeout=5).status_code == 404

    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=1)


def test_the_command_says_where_how_and_what_before_it_serves():
    said = []

    def stop_when_all_is_said(text):
        said.append(text)
        if text.startswith("fault in force"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sandbox(now=NOW, echo=stop_when_all_is_said, port=0, orders=[BAGS], faults=[parse_fault("* * maintenance")])

    where, access, orders, fault = said
    assert "http://127.0.0.1:" in where
    assert "sandbox-consumer-key" in access
    assert "000000901" in orders
    assert "maintenance: 503" in fault
