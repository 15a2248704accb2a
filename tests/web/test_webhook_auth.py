"""Every scheme through the real application: what comes over the wire is 202 or 401, whatever it is."""

from dataclasses import replace

import pytest

from service.app import create_app
from service.settings import AdobeEventsAuth, MessageSignatureAuth, NoAuth, Secret, SignatureAlgorithm
from service.sources import sign
from tests.sources.schemes import CLIENT_ID, PROXY, SENDERS, an_event_for, an_rsa_key
from tests.web.given import NOW, a_runtime, a_source

PUBLIC_URL = "https://hooks.example.com/refundry"
EVERY_SENDER = pytest.mark.parametrize("sender", SENDERS.values(), ids=SENDERS)

#: As WSGI hands them on: bytes as Latin-1, repeated ones apart by a line feed.
HOSTILE = [
    "", " ", "\t", "\x00", "\x7f", "é", "\xff\xfe", "v1,\xe9", "a\n,a\n", "\n,", ",", "A" * 5000, "A" * 9000, "((((",
    "%ff%00", "sig1=();created", 'refundry=();keyid="wms-eu-1";created=?1', "Bearer \xff", "Basic //79",
    "t=1,t=1,v1=00", "Hash=\xff", ":AAAA:", "::", "{}", '"' * 500, "v1," * 500, "\r\nX-Injected: 1",
]  # fmt: skip


def client_of(database_url, clock, *sources, **service):
    runtime = a_runtime(database_url, clock, *sources, **{"public_url": PUBLIC_URL} | service)
    return create_app(runtime).test_client()


def source_of(sender, *numbers, **changes):
    return replace(a_source(auth=sender.auth), secrets=sender.source(*numbers).secrets, **changes)


def request_of(sender, body=None, *, target="/webhooks/warehouse"):
    body = sender.body if body is None else body
    always = [("Content-Type", "application/json")]
    if sender.shows is not None:
        return body, [*always, *sender.shows(0)]
    signed = sign(source_of(sender), body, NOW, "msg_1", url=PUBLIC_URL + target, headers=always)
    return body, [*always, *signed]


def post(client, body, headers, *, target="/webhooks/warehouse", peer=PROXY, **environ):
    return client.post(target, data=body, headers=headers, environ_overrides={"REMOTE_ADDR": peer} | environ)


@EVERY_SENDER
def test_a_good_delivery_is_stored_once(database_url, clock, sender):
    client = client_of(database_url, clock, source_of(sender))

    answers = [post(client, *request_of(sender)) for _ in range(2)]

    assert [(each.status_code, each.json["duplicate"]) for each in answers] == [(202, False), (200, True)]


@EVERY_SENDER
def test_a_hostile_header_is_401_and_no_more(database_url, clock, sender):
    client = client_of(database_url, clock, source_of(sender))
    body, headers = request_of(sender)
    others = [(name, value) for name, value in headers if name.lower() != sender.proof.lower()]
    key = "HTTP_" + sender.proof.upper().replace("-", "_")

    statuses = {value: post(client, body, others, **{key: value}).status_code for value in HOSTILE}

    assert statuses == dict.fromkeys(HOSTILE, 401)


@EVERY_SENDER
def test_a_hostile_header_beside_a_good_proof_is_401_or_does_not_matter(database_url, clock, sender):
    client = client_of(database_url, clock, source_of(sender))
    body, headers = request_of(sender)
    beside = [name for name, _ in headers if name.lower() not in {sender.proof.lower(), "content-type"}]

    for name in beside:
        for value in HOSTILE:
            others = [header for header in headers if header[0] != name]
            answer = post(client, body, others, **{"HTTP_" + name.upper().replace("-", "_"): value})
            assert answer.status_code in {401, 202, 200}, (name, value)


@EVERY_SENDER
def test_the_answer_to_a_stranger_says_nothing(database_url, clock, sender):
    client = client_of(database_url, clock, source_of(sender, 1))

    answer = post(client, *request_of(sender))

    assert (answer.status_code, answer.json["type"]) == (401, "urn:refundry:problem:unauthentic")
    assert "signature could not be verified" in answer.json["detail"]


# --- the address that was signed --------------------------------------------------------------------------------------

SIGNED_ADDRESS = SENDERS["rfc9421 hmac-sha256"]


@pytest.mark.parametrize("host", ["hooks.example.com", "evil.example", "127.0.0.1:8000"])
def test_the_host_header_has_no_say_in_the_address(database_url, clock, host):
    client = client_of(database_url, clock, source_of(SIGNED_ADDRESS))
    body, headers = request_of(SIGNED_ADDRESS)

    assert post(client, body, [*headers, ("Host", host), ("X-Forwarded-Host", host)]).status_code == 202


@pytest.mark.parametrize("target", ["/webhooks/warehouse?a=%20b", "/webhooks/ware%68ouse", "/webhooks/warehouse?"])
def test_the_address_is_verified_as_it_was_written(database_url, clock, target):
    client = client_of(database_url, clock, source_of(SIGNED_ADDRESS))
    body, headers = request_of(SIGNED_ADDRESS, target=target)

    assert post(client, body, headers, target=target, RAW_URI=target).status_code == 202
    assert post(client, body, headers).status_code == 401


def test_a_signature_for_one_source_is_none_for_another(database_url, clock):
    other = source_of(SIGNED_ADDRESS, name="other")
    client = client_of(database_url, clock, source_of(SIGNED_ADDRESS), other)

    assert post(client, *request_of(SIGNED_ADDRESS), target="/webhooks/other").status_code == 401


def test_a_key_without_a_name_is_not_found_by_an_empty_one(database_url, clock):
    auth = MessageSignatureAuth(key_ids=("a",), signature_algorithm=SignatureAlgorithm.HMAC_SHA256)
    source = a_source(auth=auth, secrets=(Secret(bytes(32), key_id="a"),))
    headers = dict(sign(source, b"{}", NOW, "1", url=f"{PUBLIC_URL}/webhooks/warehouse"))
    headers["Signature-Input"] = headers["Signature-Input"].replace('keyid="a"', 'keyid=""')

    assert post(client_of(database_url, clock, source), b"{}", headers).status_code == 401


# --- whose word about certificates counts -----------------------------------------------------------------------------

BY_CERTIFICATE = SENDERS["client-cert of RFC 9440"]


@pytest.mark.parametrize(
    ("peer", "status"), [("10.0.0.5", 202), ("::ffff:10.0.0.5", 202), ("10.0.1.5", 401), ("", 401)]
)
def test_a_forwarded_certificate_counts_from_the_proxy_alone(database_url, clock, peer, status):
    client = client_of(database_url, clock, source_of(BY_CERTIFICATE))

    assert post(client, *request_of(BY_CERTIFICATE), peer=peer).status_code == status


@pytest.mark.parametrize(
    "name", ["X-Forwarded-For", "X-Real-Ip", "Forwarded", "X-Client-Ip", "True-Client-Ip", "Remote-Addr"]
)
def test_nobody_becomes_the_proxy_by_saying_so(database_url, clock, name):
    client = client_of(database_url, clock, source_of(BY_CERTIFICATE))
    body, headers = request_of(BY_CERTIFICATE)

    answer = post(client, body, [*headers, (name, PROXY if name != "Forwarded" else f"for={PROXY}")], peer="192.0.2.7")

    assert answer.status_code == 401


# --- asked beforehand -------------------------------------------------------------------------------------------------

ADOBE = a_source(auth=AdobeEventsAuth(recipient_client_id=CLIENT_ID), secrets=(an_rsa_key(0),))
CHALLENGE = "8ec8d794-e0ab-42df-9017-e3dada8e84f7"


def test_adobe_gets_its_challenge_back(database_url, clock):
    answer = client_of(database_url, clock, ADOBE).get(f"/webhooks/warehouse?challenge={CHALLENGE}")

    assert (answer.status_code, answer.mimetype, answer.text) == (200, "text/plain", CHALLENGE)


@pytest.mark.parametrize("challenge", ["", "%3Cscript%3E", "a%0d%0ab", "%c3%a9", "a b", "a" * 129, "%00"])
def test_what_is_no_challenge_is_not_sent_back(database_url, clock, challenge):
    answer = client_of(database_url, clock, ADOBE).get(f"/webhooks/warehouse?challenge={challenge}")

    assert answer.status_code == 400
    assert "script" not in answer.text


def test_a_validation_url_is_never_opened(database_url, clock):
    body = b'{"validationUrl": "http://127.0.0.1:9/"}'

    assert post(client_of(database_url, clock, ADOBE), body, []).status_code == 401


@pytest.mark.parametrize(
    ("named", "asks", "granted"),
    [
        (("eventgrid.azure.net",), "eventgrid.azure.net", "eventgrid.azure.net"),
        (("EventGrid.Azure.net",), "EVENTGRID.azure.net", "eventgrid.azure.net"),
        (("*",), "a.example", "a.example"),
        (("eventgrid.azure.net",), "evil.example", None),
        (("*",), "", None),
        (("*",), "a.example, b.example", None),
        (("*",), "é", None),
        ((), "eventgrid.azure.net", None),
    ],
)
def test_a_named_origin_is_told_that_it_may_send(database_url, clock, named, asks, granted):
    client = client_of(database_url, clock, a_source(handshake_origins=named))

    answer = client.options(
        "/webhooks/warehouse", headers={"WebHook-Request-Origin": asks, "WebHook-Request-Rate": "120"}
    )

    assert answer.headers.get("WebHook-Allowed-Origin") == granted
    assert (answer.status_code, answer.headers.get("WebHook-Allowed-Rate")) == ((200, "*") if granted else (405, None))


def test_a_handshake_lets_nothing_in(database_url, clock):
    client = client_of(database_url, clock, a_source(handshake_origins=("*",)))
    client.options("/webhooks/warehouse", headers={"WebHook-Request-Origin": "a.example"})

    assert post(client, b"{}", [("Origin", "a.example")]).status_code == 401


# --- without a scheme -------------------------------------------------------------------------------------------------


def test_a_source_without_a_scheme_is_said_loudly_at_the_start(database_url, clock, caplog):
    client = client_of(database_url, clock, a_source(auth=NoAuth(), secrets=()), ADOBE_ELSEWHERE)

    assert [(record.levelname, record.source) for record in caplog.records if "INSECURE" in record.message] == [
        ("WARNING", "warehouse")
    ]
    assert post(client, b"{}", []).status_code == 202


ADOBE_ELSEWHERE = replace(ADOBE, name="adobe")


def test_adobe_is_told_nothing_of_a_body_that_is_for_another_client(database_url, clock):
    sender = SENDERS["adobe-rsa"]
    client = client_of(database_url, clock, source_of(sender))

    answer = post(client, *request_of(sender, an_event_for("another")))

    assert answer.status_code == 401
    assert "another" not in answer.text
