"""`refundry work` as a real process: told to end in the middle, and over a database that somebody locks."""

import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from tests.commands.test_serve import wait_for

ONLINE = "000000102"
GOOD_AND_DAMAGED = (("24-MB01", "1", "sellable"), ("24-MB01", "1", "damaged"))
GATEWAY_SECONDS = 2


@pytest.fixture
def log_file(tmp_path):
    return tmp_path / "work.log"


@contextmanager
def working(desk, log_file):
    command = [sys.executable, "-m", "service", "--config-dir", str(desk.config_dir), "work"]
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait(10)


def state(desk):
    return desk.json("show", "del_1")["state"]


def is_sending(desk):
    refunds = desk.json("list", "refunds")["refunds"]
    return any(refund["state"] == "sending" for refund in refunds)


def test_a_worker_told_to_end_waits_for_its_call_and_hands_the_rest_back(desk, log_file):
    desk.fault(f"POST */refund slow-gateway seconds={GATEWAY_SECONDS}")
    desk.deliver(*GOOD_AND_DAMAGED, order=ONLINE)

    with working(desk, log_file) as process:
        wait_for(lambda: is_sending(desk), log_file)
        process.send_signal(signal.SIGTERM)
        told_at = time.monotonic()
        code = process.wait(GATEWAY_SECONDS + 15)
        took_seconds = time.monotonic() - told_at
    memos_at_its_end = len(desk.sandbox.store.shop.memos)
    handed_back = desk.json("show", "del_1")
    desk.work()

    assert (code, memos_at_its_end) == (0, 1), log_file.read_text()
    assert took_seconds < GATEWAY_SECONDS + 10
    assert (handed_back["state"], handed_back["reason_code"]) == ("waiting", "handed-back")
    assert state(desk) == "done"
    assert len(desk.sandbox.store.shop.memos) == 2


def test_a_worker_told_to_end_begins_nothing_new(desk, log_file):
    desk.fault("GET */orders latency seconds=2")
    desk.deliver()

    with working(desk, log_file) as process:
        wait_for(lambda: desk.json("list", "refunds")["refunds"], log_file)
        process.send_signal(signal.SIGTERM)
        desk.deliver(("WS12-M-Orange", "1", "sellable"), order="000000103", return_id="RMA-2", event_id="evt_2")
        code = process.wait(20)

    assert code == 0, log_file.read_text()
    assert len(desk.sandbox.store.shop.memos) == 0
    assert [each["state"] for each in desk.json("list", "deliveries")["deliveries"]] == ["received", "waiting"]


def test_a_worker_outlives_a_database_that_somebody_locks(desk, log_file):
    url = desk.settings().service.database_url
    stranger = sqlite3.connect(desk.config_dir / url.removeprefix("sqlite:///"), isolation_level=None)
    desk.deliver()
    stranger.execute("BEGIN IMMEDIATE")

    with working(desk, log_file) as process:
        wait_for(lambda: "database not available" in log_file.read_text(), log_file)
        stranger.close()
        wait_for(lambda: state(desk) == "done", log_file)
        ended = process.poll()

    assert ended is None
    assert len(desk.sandbox.store.shop.memos) == 1
