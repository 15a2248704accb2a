"""`refundry serve` as a real process: gunicorn, a worker, and SIGTERM."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from service.commands.deliver import post
from service.sources import sign
from tests.commands.desk import event


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(desk, log_file):
    port = free_port()
    command = [sys.executable, "-m", "service", "--config-dir", str(desk.config_dir), "serve", "--port", str(port)]
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_for(lambda: is_ready(port), log_file)
            yield process, port
        finally:
            process.terminate()
            process.wait(30)


def is_ready(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


def wait_for(condition, log_file, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, log_file.read_text()
        time.sleep(0.1)


def started(log_file):
    """(name, pid) of every process that was started, in order."""
    lines = [json.loads(line) for line in log_file.read_text().splitlines() if line.startswith("{")]
    return [(line["child"], line["pid"]) for line in lines if line["message"] == "started"]


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def log_file(tmp_path):
    return tmp_path / "serve.log"


def test_serve_makes_its_database_takes_a_return_and_refunds_it(unmigrated_desk, log_file):
    desk = unmigrated_desk
    raw = json.dumps(event()).encode()

    with serving(desk, log_file) as (process, port):
        headers = sign(desk.settings().sources["warehouse"], raw, datetime.now(UTC), "msg_1")
        answer = post(f"http://127.0.0.1:{port}/webhooks/warehouse", raw, headers)
        wait_for(lambda: desk.sandbox.store.shop.memos, log_file)
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)

    assert answer.status == 202
    assert code == 0
    assert [is_running(pid) for _, pid in started(log_file)] == [False, False]
    assert len(desk.sandbox.store.shop.memos) == 1


def test_a_web_that_is_killed_comes_back(desk, log_file):
    with serving(desk, log_file) as (_, port):
        web = dict(started(log_file))["web"]
        os.kill(web, signal.SIGKILL)
        wait_for(lambda: len(started(log_file)) == 3 and is_ready(port), log_file)

    assert [name for name, _ in started(log_file)] == ["web", "worker", "web"]


def test_an_address_that_is_taken_is_one_line(desk):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        result = desk.run("serve", "--port", port)

    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: 127.0.0.1:{port} cannot be listened on")
