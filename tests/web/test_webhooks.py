"""What a sender is answered, and that nothing is lost whatever it sends."""

import gzip
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from service.app import create_app
from service.core.lifecycle import DeliveryState
from service.flow.worker import work_once
from service.store import format_id, open_store
from tests.databases import on_both
from tests.web.given import (
    BODY,
    LIMIT_BYTES,
    NOW,
    OTHER_SECRET,
    PICKY,
    PORTAL,
    a_runtime,
    a_source,
    an_event,
    signed,
)


def post(client, body=BODY, headers=None, *, source="warehouse", **environ):
    sent = signed(body) if headers is None else headers
    return client.post(f"/webhooks/{source}", data=body, headers=sent, environ_overrides=environ)


def counted(store):
    return {(each.source, each.status): each.count for each in store.refusals.counts()}


def stored(store):
    return [store.inbox.delivery(each.id).body for each in store.inbox.list()]


# --- what is stored ---------------------------------------------------------------------------------------------------


@on_both
def test_a_delivery_is_stored_before_it_is_acknowledged(client, store):
    answer = post(client)

    assert (answer.status_code, answer.json) == (202, {"delivery_id": "del_1", "duplicate": False})
    assert stored(store) == [BODY]


@on_both
def test_a_redelivery_is_answered_200_with_the_same_id(client, store):
    post(client)

    again = post(client)

    assert (again.status_code, again.json) == (200, {"delivery_id": "del_1", "duplicate": True})
    assert stored(store) == [BODY]


def test_a_redelivery_signed_anew_is_still_the_same_delivery(client, clock):
    post(client)
    clock.pass_by(minutes=20)

    again = post(client, headers=signed(at=clock.now))

    assert (again.status_code, again.json["duplicate"]) == (200, True)


@on_both
def test_the_same_id_with_another_body_is_stored_and_waits_for_a_person(client, store):
    post(client)
    other = an_event(id="evt_other")

    answer = post(client, other, signed(other))

    newest, _ = store.inbox.list()
    assert (answer.status_code, answer.json) == (
        202,
        {"delivery_id": format_id("delivery", newest.id), "duplicate": False},
    )
    assert newest.state is DeliveryState.NEEDS_PERSON
    assert stored(store) == [other, BODY]


@on_both
def test_two_sources_may_use_one_delivery_id(client, store):
    post(client)

    post(client, headers=signed(source=PICKY), source="picky")

    assert sorted(each.source for each in store.inbox.list()) == ["picky", "warehouse"]


def test_a_source_is_answered_as_it_wants_for_known_deliveries_too(client):
    answers = [post(client, headers=signed(source=PICKY), source="picky") for _ in range(2)]

    assert [(each.status_code, each.text) for each in answers] == [(200, PICKY.success_body)] * 2


@pytest.mark.parametrize(("status", "texts"), [(204, [""] * 2), (201, ["del_1", "del_1"])])
def test_a_configured_status_holds_for_both_answers(database_url, clock, status, texts):
    runtime = a_runtime(database_url, clock, a_source(success_status=status))
    client = create_app(runtime).test_client()

    answers = [post(client) for _ in range(2)]

    assert [each.status_code for each in answers] == [status] * 2
    assert [json.loads(each.text or '{"delivery_id": ""}')["delivery_id"] for each in answers] == texts


def test_no_signature_is_kept(client, store):
    post(client)

    assert set(store.inbox.delivery(1).headers) == {"content-type", "user-agent", "webhook-id", "webhook-timestamp"}


# --- what is refused --------------------------------------------------------------------------------------------------

STALE = NOW - timedelta(minutes=6)
REFUSED = {
    "no signature": (BODY, [], "warehouse", 401, "unauthentic"),
    "another secret": (BODY, signed(source=a_source(secrets=(OTHER_SECRET,))), "warehouse", 401, "unauthentic"),
    "one byte more": (BODY + b" ", signed(BODY), "warehouse", 401, "unauthentic"),
    "signed six minutes ago": (BODY, signed(at=STALE), "warehouse", 401, "unauthentic"),
    "another source's signature": (BODY, signed(source=PORTAL), "warehouse", 401, "unauthentic"),
    "no body": (b"", signed(BODY), "warehouse", 401, "unauthentic"),
    "unknown source": (BODY, signed(), "nobody", 404, "unknown-source"),
    "too large": (b"x" * (LIMIT_BYTES + 1), signed(b"x" * (LIMIT_BYTES + 1)), "warehouse", 413, "too-large"),
    "compressed": (gzip.compress(BODY), [*signed(), ("Content-Encoding", "gzip")], "warehouse", 415, "encoded-body"),
}


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
def test_refused_deliveries_are_counted_and_not_stored(client, store, refused):
    body, headers, source, status, kind = refused

    answer = post(client, body, headers, source=source)

    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert answer.json["type"] == f"urn:refundry:problem:{kind}"
    assert stored(store) == []
    assert counted(store) == {("(unknown)" if status == 404 else source, status): 1}


def test_every_bad_signature_gets_the_same_answer(client):
    answers = [post(client, body, headers) for body, headers, _, status, _ in REFUSED.values() if status == 401]

    told = {(each.json["title"], each.json["detail"], each.json["remedy"]) for each in answers}
    assert len(told) == 1
    assert "signature could not be verified" in str(told)


@on_both
def test_made_up_source_names_are_counted_as_one(client, store):
    for number in range(5):
        post(client, source=f"made-up-{number}")

    assert counted(store) == {("(unknown)", 404): 5}


def test_the_operator_sees_the_reason_that_the_sender_is_not_told(client, store):
    answer = post(client, headers=signed(at=STALE))

    (refusal,) = store.refusals.recent()
    assert "360 s ago" in refusal.reason
    assert "360" not in answer.text


def test_a_body_of_exactly_the_limit_is_taken(client):
    body = an_event().ljust(LIMIT_BYTES)

    assert post(client, body, signed(body)).status_code == 202


def test_a_body_that_says_it_is_too_large_is_not_read(client):
    class Unread:
        def read(self, *_):
            raise AssertionError("read")

    answer = client.post(
        "/webhooks/warehouse",
        environ_overrides={"wsgi.input": Unread(), "CONTENT_LENGTH": str(LIMIT_BYTES + 1)},
    )

    assert answer.status_code == 413


def test_a_body_without_length_is_read_one_byte_past_the_limit_at_most(client):
    class Endless:
        given = 0

        def read(self, size=-1):
            assert size > 0
            self.given += size
            return b"x" * size

    endless = Endless()
    answer = client.post(
        "/webhooks/warehouse",
        environ_overrides={"wsgi.input": endless, "wsgi.input_terminated": True, "CONTENT_LENGTH": ""},
    )

    assert (answer.status_code, endless.given) == (413, LIMIT_BYTES + 1)


def test_a_body_cut_short_is_asked_for_again(client, store):
    answer = post(client, BODY[:10], signed(), CONTENT_LENGTH=str(len(BODY)))

    assert (answer.status_code, answer.json["type"]) == (400, "urn:refundry:problem:bad-request")
    assert stored(store) == []


def test_a_sender_that_falls_silent_does_not_keep_the_thread(client):
    class Connection:
        def __init__(self):
            self.timeouts = [None]

        def gettimeout(self):
            return self.timeouts[-1]

        def settimeout(self, seconds):
            self.timeouts.append(seconds)

    class Silent:
        def read(self, _size):
            assert connection.gettimeout() is not None
            raise TimeoutError

    connection = Connection()
    answer = client.post(
        "/webhooks/warehouse",
        environ_overrides={
            "wsgi.input": Silent(),
            "wsgi.input_terminated": True,
            "gunicorn.socket": connection,
            "CONTENT_LENGTH": "100",
        },
    )

    assert (answer.status_code, connection.gettimeout()) == (400, None)


@pytest.mark.parametrize("doubled", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("join", [",", "\n,"], ids=["joined by another server", "kept apart by ours"])
def test_a_doubled_header_is_refused(client, doubled, join):
    headers = dict(signed())
    value = headers.pop(doubled)
    end = "\n" if join == "\n," else ""

    answer = post(client, headers=headers, **{f"HTTP_{doubled.replace('-', '_').upper()}": value + join + value + end})

    assert answer.status_code == 401


def test_a_doubled_header_that_is_kept_apart_is_counted_as_doubled(client, store):
    headers = dict(signed())
    value = headers.pop("webhook-signature")

    post(client, headers=headers, HTTP_WEBHOOK_SIGNATURE=f"{value}\n,{value}\n")

    assert store.refusals.recent()[0].reason == "header webhook-signature was sent 2 times"


@pytest.mark.parametrize("method", ["get", "options", "head"])
@pytest.mark.parametrize("source", ["warehouse", "nobody"])
def test_only_posts_are_taken(client, method, source):
    answer = getattr(client, method)(
        f"/webhooks/{source}?challenge=abc", headers={"WebHook-Request-Origin": "a.example"}
    )

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_no_other_method_is_known(client, method):
    assert getattr(client, method)("/webhooks/warehouse").status_code == 405


@pytest.mark.parametrize("path", ["/webhooks/warehouse/", "//webhooks/warehouse", "/webhooks//warehouse"])
def test_no_address_redirects(client, path):
    assert client.post(path, data=BODY, headers=signed()).status_code in {202, 404}


def test_what_cannot_be_stored_is_not_acknowledged(runtime, database_url, store):
    hurried = replace(runtime, store=open_store(database_url, patience_seconds=0.05))
    client = create_app(hurried).test_client()

    with store.database.write():
        answer = post(client)

    assert (answer.status_code, answer.json["type"]) == (503, "urn:refundry:problem:store-unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert "refundry.db" not in answer.text
    assert (post(client).status_code, stored(store)) == (202, [BODY])
    hurried.store.close()


# --- what is authentic and odd: taken, and found again by a person ----------------------------------------------------

ODD = {
    "empty": b"",
    "not JSON": b"return=RMA-1001",
    "cut off": BODY[:40],
    "not UTF-8": b'{"type": "\xff"}',
    "NaN": b'{"fees": NaN}',
    "a huge number": b'{"fees": ' + b"9" * 3000 + b"}",
    "a huge exponent": b'{"fees": 1e999999999}',
    "nested deeply": b"[" * 2000 + b"]" * 2000,
    "a doubled key": b'{"type": "return.approved", "type": "return.approved"}',
    "a list": b"[]",
    "NUL in a text": an_event(id="evt\x00"),
    "a lone surrogate": BODY.replace(b"evt_0001", b"evt_\\ud800"),
}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
@on_both
def test_an_authentic_body_is_kept_whatever_it_says(client, runtime, store, body):
    assert post(client, body, signed(body)).status_code == 202

    assert work_once(runtime, "test")

    delivery = store.inbox.delivery(1)
    assert delivery.body == body
    assert (delivery.state, delivery.reason != "") == (DeliveryState.UNREADABLE, True)


def test_a_type_that_asks_for_nothing_is_taken_and_ignored(client, runtime, store):
    body = an_event(type="return.label_printed")
    assert post(client, body, signed(body)).status_code == 202

    work_once(runtime, "test")

    assert store.inbox.delivery(1).state is DeliveryState.IGNORED


def test_the_portal_signs_its_body_alone(client, store):
    headers = signed(source=PORTAL)

    assert post(client, headers=headers, source="portal").status_code == 202
    assert stored(store) == [BODY]
