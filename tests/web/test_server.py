"""The whole web process, as it runs: what gunicorn makes of headers, bodies and signals."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.request import urlopen

import pytest

from service.store import migrate, open_store
from service.web.server import gunicorn_options
from tests.web.given import BODY, SECRET, settings_for, signed

SERVE = """
import os
from pathlib import Path
from service.app import configure_logging, create_app
from service.settings import load_settings
from service.web.server import gunicorn_options, run_gunicorn
configure_logging("INFO")
run_gunicorn(create_app, gunicorn_options(load_settings(Path(os.environ["REFUNDRY_CONFIG_DIR"]), os.environ)))
"""


class Serving:
    """A web process, spoken to byte by byte."""

    def __init__(self, process, port, database_url):
        self.process = process
        self.port = port
        self.database_url = database_url

    @contextmanager
    def connection(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            yield connection

    def refusals(self):
        store = open_store(self.database_url)
        reasons = [each.reason for each in store.refusals.recent()]
        store.close()
        return reasons

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        _, log = self.process.communicate(timeout=20)
        return log


@pytest.fixture
def serving(tmp_path):
    database_url = f"sqlite:///{tmp_path}/refundry.db"
    migrate(database_url)
    port = free_port()
    for name, text in {
        "service.toml": f'database_url = "{database_url}"\nport = {port}\nmax_body_bytes = 4096\n',
        "stores/main.toml": 'base_url = "http://127.0.0.1:9"\ntoken_env = "TOKEN"\n',
        "sources/warehouse.toml": 'store = "main"\nsecrets_env = ["SECRET"]\n',
    }.items():
        file = tmp_path / "config" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    environ = {
        **os.environ,
        "REFUNDRY_CONFIG_DIR": str(tmp_path / "config"),
        "TOKEN": "magento-token",
        "SECRET": "whsec_" + base64.b64encode(SECRET.reveal_bytes()).decode(),
    }
    with subprocess.Popen([sys.executable, "-c", SERVE], env=environ, stderr=subprocess.PIPE, text=True) as process:
        wait_until_it_answers(process, port)
        yield Serving(process, port, database_url)
        process.kill()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_it_answers(process, port):
    for _ in range(200):
        assert process.poll() is None, process.stderr.read()
        try:
            with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail("the web process does not answer")


def post(*headers, body=b""):
    lines = [
        "POST /webhooks/warehouse HTTP/1.1",
        "Host: t",
        "Connection: close",
        *(": ".join(each) for each in headers),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(body, size=1000):
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def answer_of(connection):
    received = b""
    while part := connection.recv(65_536):
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def headers_now(delivery_id="msg_1", body=BODY):
    return signed(body, delivery_id, at=datetime.now(UTC))


def test_headers_and_bodies_reach_us_as_they_were_sent(serving):
    by_length = ("Content-Length", str(len(BODY)))
    in_chunks = ("Transfer-Encoding", "chunked")
    too_much = b"x" * 4097
    signature = next(each for each in headers_now() if each[0] == "webhook-signature")
    cases = {
        "as it should be": (post(*headers_now(), by_length, body=BODY), 202),
        "again, in chunks": (post(*headers_now(), in_chunks, body=chunked(BODY)), 200),
        "a doubled signature": (post(*headers_now("msg_2"), signature, by_length, body=BODY), 401),
        "an underscore for a hyphen": (
            post(*headers_now("msg_3")[:-1], ("webhook_signature", headers_now("msg_3")[-1][1]), by_length, body=BODY),
            401,
        ),
        "too much, in chunks": (post(*headers_now(), in_chunks, body=chunked(too_much)), 413),
        "a chunk without a size": (post(*headers_now(), in_chunks, body=b"zz\r\nabc"), 400),
        "too much, not even sent": (post(*headers_now(), ("Content-Length", "9999999")), 413),
    }

    answers = {}
    for name, (request, _) in cases.items():
        with serving.connection() as connection:
            connection.sendall(request)
            answers[name], _ = answer_of(connection)

    assert answers == {name: status for name, (_, status) in cases.items()}
    assert "header webhook-signature was sent 2 times" in serving.refusals()
    assert "header webhook-signature is missing" in serving.refusals()
    lines = [json.loads(line) for line in serving.stop().splitlines()]
    assert {each["logger"] for each in lines} >= {"gunicorn.error", "refundry.web"}


def test_a_delivery_that_is_being_sent_is_still_received_on_sigterm(serving):
    with serving.connection() as connection:
        connection.sendall(post(*headers_now(), ("Content-Length", str(len(BODY))), body=BODY[:20]))
        time.sleep(0.3)
        serving.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        connection.sendall(BODY[20:])
        answer = answer_of(connection)

    assert answer == (202, {"delivery_id": "del_1", "duplicate": False})
    assert serving.process.wait(timeout=20) == 0


@pytest.mark.parametrize(
    ("host", "bind"), [("127.0.0.1", "127.0.0.1:8000"), ("::1", "[::1]:8000"), ("0.0.0.0", "0.0.0.0:8000")]
)
def test_the_address_is_written_as_gunicorn_takes_it(host, bind):
    assert gunicorn_options(settings_for("sqlite:///x.db", host=host))["bind"] == bind
