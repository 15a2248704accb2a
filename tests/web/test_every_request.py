import json
import logging

import pytest

from service.app import JsonFormatter, create_app
from tests.web.given import BODY, signed


def test_a_request_keeps_the_id_that_its_proxy_gave_it(client):
    answer = client.get("/nowhere", headers={"X-Request-Id": "edge-17.a"})

    assert answer.headers["X-Request-Id"] == "edge-17.a"
    assert answer.json["instance"] == "urn:refundry:request:edge-17.a"


@pytest.mark.parametrize("sent", ["", "a b", "x" * 65, 'x"', "é"])
def test_an_id_that_could_forge_a_log_is_replaced(client, sent):
    given = client.get("/healthz", headers={"X-Request-Id": sent}).headers["X-Request-Id"]

    assert given != sent
    assert len(given) == 32


@pytest.mark.parametrize("path", ["/", "/healthz", "/nowhere", "/api/v1/returns"])
def test_every_answer_is_kept_from_caches_and_browsers(client, path):
    headers = client.get(path).headers

    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "Set-Cookie" not in headers


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("POST", "/healthz", 405, "method-not-allowed"),
        ("GET", "/webhooks", 404, "not-found"),
    ],
)
def test_a_wrong_address_is_answered_by_a_problem(client, method, path, status, kind):
    answer = client.open(path, method=method)

    assert (answer.status_code, answer.json["status"]) == (status, status)
    assert answer.content_type == "application/problem+json"
    assert answer.json["type"] == f"urn:refundry:problem:{kind}"
    assert answer.json["remedy"]


def test_a_fault_of_ours_says_nothing_of_our_insides(runtime, caplog):
    app = create_app(runtime)

    @app.get("/faulty")
    def fail():
        raise ZeroDivisionError("secret detail")

    answer = app.test_client().get("/faulty", headers={"X-Request-Id": "r1"})

    assert (answer.status_code, answer.json["type"]) == (500, "urn:refundry:problem:internal")
    assert "secret" not in answer.text
    assert [each.request_id for each in caplog.records if each.exc_info] == ["r1"]


def test_a_request_is_logged_without_its_query_its_headers_or_its_body(client, caplog):
    caplog.set_level(logging.DEBUG)
    client.post("/webhooks/warehouse?token=canary1", data=b"canary2" + BODY, headers=[*signed(), ("X-Key", "canary3")])

    lines = [json.loads(JsonFormatter().format(each)) for each in caplog.records]
    assert ("/webhooks/warehouse", 401) in [(each.get("path"), each.get("status")) for each in lines]
    assert "canary" not in json.dumps(lines)


def test_the_root_says_what_is_where(client):
    paths = client.get("/").json["paths"]

    assert {"/healthz", "/readyz", "/webhooks/<source_name>", "/api/v1/returns"} <= set(paths)
