"""`send` plays a sender: what it posts, and how it tells the answer."""

import base64
import hashlib
import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from service.commands.deliver import Answer
from service.sources import Incoming, verify
from tests.commands.desk import event
from tests.sources.schemes import CERTIFICATE, CLIENT_ID, CURRENT_SEED


class Receiver:
    """What `send` reaches: keeps every request, answers 202 and then 200."""

    def __init__(self):
        self.requests = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((self.path, list(self.headers.items()), body))
                self.send_response(202 if len(receiver.requests) == 1 else 200)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def receiver():
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield receiver
    receiver.server.shutdown()
    thread.join()
    receiver.server.server_close()


@pytest.mark.parametrize("source", ["warehouse", "portal"])
def test_send_signs_as_the_source_would(desk, receiver, tmp_path, source):
    (tmp_path / "event.json").write_text(json.dumps(event()))

    result = desk.run("send", source, str(tmp_path / "event.json"), "--to", receiver.url)

    ((path, headers, body),) = receiver.requests
    assert (result.exit_code, result.stdout) == (0, "202  {}\n")
    assert path == f"/webhooks/{source}"
    assert json.loads(body)["id"] != "evt_1"
    verify(desk.settings().sources[source], Incoming(raw=body, headers=headers), datetime.now(UTC))


def test_send_delivers_again_under_the_same_id(desk, receiver, tmp_path):
    (tmp_path / "event.json").write_text(json.dumps(event()))

    desk.run("send", "warehouse", str(tmp_path / "event.json"), "--to", receiver.url, "--times", "2", "--as-is")

    bodies = {body for _, _, body in receiver.requests}
    ids = {dict(headers)["Webhook-Id"] for _, headers, _ in receiver.requests}
    assert (len(receiver.requests), len(bodies), len(ids)) == (2, 1, 1)
    assert bodies == {(tmp_path / "event.json").read_bytes()}


def test_send_to_where_nobody_listens_says_what_to_do(desk, tmp_path):
    (tmp_path / "event.json").write_text(json.dumps(event()))

    result = desk.run("send", "warehouse", str(tmp_path / "event.json"), "--to", "http://127.0.0.1:9")

    assert result.exit_code == 1
    assert result.stderr.startswith("error: http://127.0.0.1:9/webhooks/warehouse gave no answer")
    assert "refundry serve" in result.stderr


def test_send_takes_no_address_but_http(desk, tmp_path):
    (tmp_path / "event.json").write_text(json.dumps(event()))

    result = desk.run("send", "warehouse", str(tmp_path / "event.json"), "--to", "file:///etc/passwd")

    assert result.exit_code == 1
    assert "'file:///etc/passwd' is no address" in result.stderr


def test_headers_can_be_added_and_win(desk, receiver, tmp_path):
    (tmp_path / "event.json").write_text(json.dumps(event()))
    words = ("--header", "X-Topic: return", "--header", "content-type:application/x-www-form-urlencoded")

    desk.run("send", "warehouse", str(tmp_path / "event.json"), "--to", receiver.url, *words)

    ((_, headers, _),) = receiver.requests
    assert {"X-Topic": "return", "Content-Type": "application/x-www-form-urlencoded"}.items() <= _titled(
        headers
    ).items()


def test_a_header_that_is_none_is_named(desk, receiver, tmp_path):
    (tmp_path / "event.json").write_text(json.dumps(event()))

    result = desk.run("send", "warehouse", str(tmp_path / "event.json"), "--to", receiver.url, "--header", "X-Topic")

    assert (result.exit_code, receiver.requests) == (1, [])
    assert "'X-Topic' is no header; write it as NAME: VALUE" in result.stderr


def test_a_captured_delivery_is_sent_with_its_headers_and_a_signature_of_now(desk, receiver, tmp_path):
    desk.deliver()
    (tmp_path / "del_1.http").write_bytes(desk.run("show", "del_1", "--raw").stdout_bytes + b"\n")

    desk.run("send", "warehouse", str(tmp_path / "del_1.http"), "--to", receiver.url, "--as-is")

    ((path, headers, body),) = receiver.requests
    assert (path, json.loads(body)) == ("/webhooks/warehouse", event())
    assert _titled(headers)["Webhook-Id"] != "msg_evt_1"
    verify(desk.settings().sources["warehouse"], Incoming(raw=body, headers=headers), datetime.now(UTC))


#: Scheme → what stands in its source's file, what is its secret there, and what the sender has.
def _key_pairs():
    rsa, ed25519 = generate_private_key(65537, 2048), Ed25519PrivateKey.from_private_bytes(CURRENT_SEED)
    certificate = x509.load_der_x509_certificate(CERTIFICATE).public_bytes(Encoding.PEM).decode()
    token_hash = hashlib.sha256(b"token").hexdigest()
    return {
        "adobe-rsa": (f'recipient_client_id = "{CLIENT_ID}"', _public(rsa), _private(rsa)),
        "adobe-commerce-rsa": ("", _public(rsa), _private(rsa)),
        "standard-webhooks": (
            "",
            f"whpk_{_base64(ed25519.public_key().public_bytes_raw())}",
            f"whsk_{_base64(CURRENT_SEED)}",
        ),
        "rfc9421": ('key_ids = ["a"]\nsignature_algorithm = "ed25519"', _public(ed25519), _private(ed25519)),
        "bearer": ("", f"sha256={token_hash}", "token"),
        "client-cert": ("", certificate, certificate),
    }


def _base64(content):
    return base64.b64encode(content).decode()


def _public(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _private(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


KEY_PAIRS = _key_pairs()


@pytest.mark.parametrize("scheme", KEY_PAIRS)
def test_what_the_sender_alone_has_is_given(desk, receiver, tmp_path, scheme):
    lines, known, held = KEY_PAIRS[scheme]
    with (desk.config_dir / "service.toml").open("a") as file:
        file.write('public_url = "https://hooks.example"\ntrusted_proxies = ["127.0.0.1/32"]\n')
    (desk.config_dir / "secrets" / "known").write_text(known)
    (desk.config_dir / "sources" / "sender.toml").write_text(
        f'store = "sandbox"\nsecrets_file = ["secrets/known"]\n[auth]\nscheme = "{scheme}"\n{lines}\n'
    )
    (tmp_path / "key").write_text(held)
    (tmp_path / "event.json").write_text(json.dumps({**event(), "recipient_client_id": CLIENT_ID}))
    words = ("send", "sender", str(tmp_path / "event.json"), "--to", receiver.url)

    without = desk.run(*words)
    with_key = desk.run(*words, "--key", str(tmp_path / "key"))

    assert (without.exit_code, with_key.exit_code) == (1, 0), with_key.output
    assert without.stderr.endswith("give what the sender has: --key FILE\n")
    ((path, headers, body),) = receiver.requests
    incoming = Incoming(raw=body, headers=headers, url=f"https://hooks.example{path}", peer="127.0.0.1")
    verify(desk.settings().sources["sender"], incoming, datetime.now(UTC))


def test_a_key_that_is_none_is_told(desk, receiver, tmp_path):
    (tmp_path / "event.json").write_text(json.dumps(event()))
    (tmp_path / "key").write_text("whsec_short")

    result = desk.run(
        "send", "warehouse", str(tmp_path / "event.json"), "--to", receiver.url, "--key", str(tmp_path / "key")
    )

    assert result.exit_code == 1
    assert result.stderr.startswith("error: --key: the secret")


SHIPBOB = """\
kind = "shipbob"
store = "sandbox"
secrets_file = ["secrets/warehouse"]
"""

GENERIC_MAP = """
[map]
return.id = "body.id"
order.increment_id = "body.order"
lines = "body.lines"
[map.type]
from = "'return.approved'"
[map.line]
sku = "line.sku"
quantity = "line.quantity"
"""


def test_a_portals_body_is_sent_as_it_is_and_the_headers_that_its_map_reads_are_asked_for(desk, receiver, tmp_path):
    (desk.config_dir / "sources" / "shipbob.toml").write_text(SHIPBOB)
    (tmp_path / "body.json").write_text('{"id": 7}')
    words = ("send", "shipbob", str(tmp_path / "body.json"), "--to", receiver.url)

    without = desk.run(*words)
    named = desk.run(*words, "--header", "X-Webhook-Topic:return.completed")

    assert [body for _, _, body in receiver.requests] == [b'{"id": 7}', b'{"id": 7}']
    assert without.stderr == "note: the map of 'shipbob' also reads x-webhook-topic; add --header NAME:VALUE\n"
    assert named.stderr == ""


@pytest.mark.parametrize(
    ("lines", "form"),
    [
        ('payload_field = "data"', b"data=%7B%22id%22%3A+%227%22%7D"),
        ("", b"id=7"),
    ],
)
def test_a_json_file_is_sent_as_a_form_where_the_sender_sends_forms(desk, receiver, tmp_path, lines, form):
    text = SHIPBOB.replace('"shipbob"', '"generic"') + f'envelope = "form"\n{lines}\n{GENERIC_MAP}'
    (desk.config_dir / "sources" / "forms.toml").write_text(text)
    (tmp_path / "body.json").write_text('{"id": "7"}')

    result = desk.run("send", "forms", str(tmp_path / "body.json"), "--to", receiver.url)

    ((_, headers, body),) = receiver.requests
    assert (result.exit_code, body) == (0, form), result.output
    assert _titled(headers)["Content-Type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (202, '{"delivery_id": "del_7", "duplicate": false}', "202  stored as del_7; see: refundry show del_7"),
        (200, '{"delivery_id": "del_7", "duplicate": true}', "200  known already as del_7; see: refundry show del_7"),
        (
            401,
            '{"detail": "Not verified.", "remedy": "Check the secret."}',
            "401  Not verified. Check the secret. Why: refundry list refusals",
        ),
        (413, '{"detail": "Too large.", "remedy": null}', "413  Too large."),
        (502, "<h1>Bad gateway</h1>", "502  <h1>Bad gateway</h1>"),
        (204, "", "204"),
    ],
)
def test_an_answer_is_told_in_one_line(status, body, said):
    assert Answer(status=status, body=body).words() == said


def _titled(headers):
    return {name.title(): value for name, value in headers}
