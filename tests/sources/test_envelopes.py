"""What a body comes in, and what of a delivery is kept for reading it again."""

import json
from dataclasses import replace
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Unreadable
from service.settings import EnvelopeFormat, HmacAuth
from service.sources import Incoming, Limits, keep, parse, sign
from service.sources.envelopes import open_envelope
from tests.sources.given import NOW, a_source, an_event, verify
from tests.sources.senders import source_of

EVENT = an_event()
CLOUD_EVENT = {
    "specversion": "1.0",
    "id": "ev_1001",
    "source": "/wms/eu-1",
    "type": "return.approved",
    "time": "2026-11-23T09:00:00Z",
    "datacontenttype": "application/json",
    "data": {key: value for key, value in EVENT.items() if key not in {"id", "type", "occurred_at"}},
}
STRUCTURED = [("Content-Type", "application/cloudevents+json; charset=utf-8")]
BINARY = [(f"ce-{name}", CLOUD_EVENT[name]) for name in ("specversion", "id", "source", "type", "time")]
FORM = [("Content-Type", "application/x-www-form-urlencoded")]


def a_source_with(envelope, payload_field=None):
    return replace(a_source(), envelope=EnvelopeFormat(envelope), payload_field=payload_field)


def opened(envelope, raw, headers=(), payload_field=None):
    raw = raw if isinstance(raw, bytes) else raw.encode()
    return open_envelope(a_source_with(envelope, payload_field), raw, headers, Limits())


class TestForms:
    def test_the_fields_are_the_body(self):
        assert opened("form", "rma=R-1&order=%23101&why=", FORM).body == {"rma": "R-1", "order": "#101", "why": ""}

    def test_one_field_may_hold_the_body(self):
        body = opened("form", urlencode({"payload": json.dumps(EVENT), "v": "1"}), FORM, "payload").body

        assert body == EVENT

    @pytest.mark.parametrize(
        ("raw", "headers", "told"),
        [
            ("a=1&a=2", FORM, "a = '2': stands twice in the form"),
            ("a", FORM, "the form is not name=value"),
            ("a=%ff", FORM, "the form is not name=value&… in UTF-8"),
            ("a=ä", FORM, "the form is not ASCII"),
            ("&".join(f"a{n}=1" for n in range(1001)), FORM, "the form is not name=value"),
            ("{}", [("Content-Type", "application/json")], "the source expects a form"),
            ("a=1", FORM, "payload: missing in the form"),
            ("payload=x", FORM, "the body is not JSON"),
        ],
    )
    def test_what_is_none_is_told(self, raw, headers, told):
        with pytest.raises(Unreadable, match=told):
            opened("form", raw, headers, "payload" if "payload" in told + raw else None)


#: A CloudEvent in both forms with the GitHub-style signature of each body, key "returns-demo-secret".
_WORKED_DATA = b'{"return_id":"RMA-1001","order":"000001234","lines":[{"sku":"TEE-BLU-M","qty":1}]}'
_WORKED = (
    b'{"specversion":"1.0","id":"ev_1001","source":"/wms/eu-1","type":"com.example.return.received",'
    b'"time":"2026-02-02T02:40:00Z","datacontenttype":"application/json","data":' + _WORKED_DATA + b"}"
)
_WORKED_ATTRIBUTES = [
    ("ce-specversion", "1.0"),
    ("ce-id", "ev_1001"),
    ("ce-source", "/wms/eu-1"),
    ("ce-type", "com.example.return.received"),
    ("ce-time", "2026-02-02T02:40:00Z"),
    ("Content-Type", "application/json"),
]


class TestCloudEvents:
    @pytest.mark.parametrize(
        ("raw", "headers", "signature"),
        [
            (_WORKED, STRUCTURED, "b42b7d44e26a928f6cf61476a76dc31721caf6075cd4ac526110559ac8cb0ab1"),
            (_WORKED_DATA, _WORKED_ATTRIBUTES, "897d67a188bdf50d41a16c4bee9c7fbc97fccf2185dd15d4bd121276672455af"),
        ],
        ids=["structured", "binary"],
    )
    def test_the_worked_example_is_verified_and_opened(self, raw, headers, signature):
        source = replace(
            a_source(HmacAuth(header="X-Hub-Signature-256", prefix="sha256="), (b"returns-demo-secret",)),
            envelope=EnvelopeFormat.CLOUDEVENTS,
        )

        verify(source, raw, [*headers, ("X-Hub-Signature-256", f"sha256={signature}")], NOW)

        body = open_envelope(source, raw, headers, Limits()).body
        assert (body["id"], body["type"], body["data"]) == (
            "ev_1001",
            "com.example.return.received",
            json.loads(_WORKED_DATA),
        )

    def test_both_forms_are_the_same_event(self):
        structured = opened("cloudevents", json.dumps(CLOUD_EVENT), STRUCTURED)
        binary = opened("cloudevents", json.dumps(CLOUD_EVENT["data"]), BINARY)

        assert structured.body == binary.body | {"datacontenttype": "application/json"}

    def test_an_attribute_in_a_header_is_percent_decoded_once(self):
        headers = [*BINARY, ("ce-subject", "Euro%20%E2%82%AC"), ("ce-quoted", '"a \\"b\\" %2541"')]

        body = opened("cloudevents", "{}", headers).body

        assert (body["subject"], body["quoted"]) == ("Euro €", 'a "b" %41')

    def test_a_canonical_event_may_be_its_data(self):
        (event,) = parse(a_source_with("cloudevents"), json.dumps(CLOUD_EVENT).encode(), STRUCTURED, Limits())

        assert (event.event_id, event.type, event.return_id) == ("ev_1001", "return.approved", "RMA-1001")

    def test_what_the_data_says_goes_before_the_context(self):
        said = CLOUD_EVENT | {"data": CLOUD_EVENT["data"] | {"event_id": "evt_7"}}

        (event,) = parse(a_source_with("cloudevents"), json.dumps(said).encode(), STRUCTURED, Limits())

        assert event.event_id == "evt_7"

    @pytest.mark.parametrize(
        ("raw", "headers", "told"),
        [
            (json.dumps([CLOUD_EVENT]), [("Content-Type", "application/cloudevents-batch+json")], "several events"),
            (json.dumps([CLOUD_EVENT]), STRUCTURED, "several events in one body. Have them sent one by one"),
            (json.dumps({"data": {}}), STRUCTURED, "specversion: missing in the CloudEvent"),
            (json.dumps(CLOUD_EVENT | {"id": 5}), STRUCTURED, "id = 5: missing in the CloudEvent"),
            (json.dumps(CLOUD_EVENT | {"data_base64": "e30="}), STRUCTURED, "data_base64: the data is not JSON"),
            ("{}", [*BINARY, ("ce-subject", "%ff")], "subject = '%ff': not UTF-8"),
            (json.dumps(CLOUD_EVENT | {"data": None}), STRUCTURED, "data: not an object"),
        ],
    )
    def test_what_is_none_is_told(self, raw, headers, told):
        with pytest.raises(Unreadable, match=told):
            parse(a_source_with("cloudevents"), raw.encode(), headers, Limits())


@pytest.mark.parametrize("envelope", list(EnvelopeFormat))
@given(
    raw=st.binary(max_size=60) | st.text(max_size=40).map(lambda text: f"payload={quote(text, safe='')}".encode()),
    headers=st.lists(st.tuples(st.sampled_from(["content-type", "ce-id", "ce-type", ":query"]), st.text(max_size=12))),
)
def test_whatever_comes_is_opened_or_unreadable(envelope, raw, headers):
    try:
        body = opened(envelope, raw, headers, "payload").body
    except Unreadable:
        return
    assert isinstance(body, dict)


class TestKept:
    HEADERS = (
        ("Content-Type", "application/json"),
        ("Authorization", "Bearer x"),
        ("X-Returns-Hmac", "x"),
        ("X-Returns-Topic", "rma/completed"),
        ("X-Returns-Topic", "rma/other"),
        ("X-Other", "x"),
        ("Ce-Type", "return.approved"),
        ("Webhook-Id", "msg_1"),
    )

    def test_what_a_map_reads_is_kept_and_no_more(self):
        kept = keep(source_of("generic"), Incoming(raw=b"", headers=self.HEADERS, url="/w?topic=a%2Fb&token=x"))

        assert kept == {
            "content-type": "application/json",
            "webhook-id": "msg_1",
            "x-returns-topic": "rma/completed",
            ":query": "topic=a%2Fb",
        }

    def test_the_context_of_a_cloud_event_is_kept(self):
        kept = keep(a_source_with("cloudevents"), Incoming(raw=b"", headers=self.HEADERS))

        assert kept == {"content-type": "application/json", "webhook-id": "msg_1", "ce-type": "return.approved"}

    def test_what_was_kept_is_read_again(self):
        source = source_of("generic")
        incoming = Incoming(raw=b"{}", headers=(), url="https://hooks.example/w?topic=rma%2Fopened&token=x")

        document = open_envelope(source, b"{}", tuple(keep(source, incoming).items()), Limits())

        assert document.params == {"topic": "rma/opened"}

    def test_a_sender_cannot_send_parameters_as_a_header(self):
        kept = keep(source_of("generic"), Incoming(raw=b"", headers=((":query", "topic=rma/completed"),)))

        assert kept == {}

    def test_one_body_under_two_topics_is_two_deliveries(self):
        source = source_of("generic")
        keys = [
            verify(source, b"{}", [*sign(source, b"{}", NOW, "msg_1"), *more], NOW).delivery_key
            for more in (
                [("X-Returns-Topic", "rma/opened")],
                [("X-Returns-Topic", "rma/completed")],
                [],
                [("X-O", "x")],
            )
        ]

        assert len(set(keys)) == 3
        assert keys[2] == keys[3]

    def test_a_signed_id_stands_for_the_delivery_whatever_the_topic(self):
        source = source_of("shipbob")
        keys = [
            verify(source, b"{}", [*sign(source, b"{}", NOW, "msg_1"), ("x-webhook-topic", topic)], NOW).delivery_key
            for topic in ("return.created", "return.completed")
        ]

        assert keys == ["msg_1", "msg_1"]

    def test_the_signature_of_a_source_is_never_kept(self):
        source = replace(source_of("loop"), auth=HmacAuth(header="X-S"))

        assert keep(source, Incoming(raw=b"", headers=(("X-S", "x"), ("Cookie", "x")))) == {}
