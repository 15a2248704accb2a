"""Senders that are asked: nothing is lost and nothing is doubled, whoever is killed when."""

import json
import random
import re
import signal
import stat
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from service.runtime import build_runtime
from service.store.engine import file_turn
from tests.commands.desk import event

DOCUMENT = Path(__file__).parents[2] / "docs" / "polling.md"


#: What each command begins with: `say` prints, `cursor` was given, `sample` is an event and `some(n)` are n others.
HEAD = f"""\
#!{sys.executable}
import json, os, sys
cursor = os.environ["REFUNDRY_CURSOR"]
sample = {event()!r}
def some(count):
    return [{{**sample, "id": f"evt_{{n}}", "return": {{"id": f"RMA-{{n}}"}}}} for n in range(1, count + 1)]
def say(each): print(json.dumps(each), flush=True)
"""


@pytest.fixture
def script(tmp_path):
    def write(text):
        file = tmp_path / "portal.py"
        file.write_text(f"{HEAD}{text}\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
        return str(file)

    return write


def test_what_the_command_prints_is_stored_and_refunded(desk, script):
    command = script("say(sample)\nsay({'cursor': '2026-11-23'})")

    result = desk.run("poll", "warehouse", "--", command)
    desk.work()

    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("Z  1 stored, 0 known already, cursor 2026-11-23\n")
    assert desk.json("show", "ret_1")["state"] == "done"


def test_the_command_is_given_the_cursor_that_it_said_last(desk, script):
    command = script("say({'cursor': cursor + 'x'})")

    told = [desk.json_of("poll", "warehouse", "--json", "--", command)["cursor"] for _ in range(3)]

    assert told == ["x", "xx", "xxx"]


def test_what_is_asked_for_again_is_known(desk, script):
    command = script("for each in some(3): say(each)\nsay({'cursor': '3'})")

    first = desk.json_of("poll", "warehouse", "--json", "--", command)
    again = desk.json_of("poll", "warehouse", "--json", "--", command)

    assert first == {"stored": 3, "known": 0, "cursor": "3"}
    assert again == {"stored": 0, "known": 3, "cursor": "3"}


def test_a_command_that_fails_keeps_what_it_said_and_moves_no_further(desk, script):
    command = script(
        "one, two = some(2)\nsay(one)\nsay({'cursor': '1'})\nsay(two)\n"
        "print(json.dumps({'cursor': '2'}), end='')\nsys.exit(3)"
    )

    result = desk.run("poll", "warehouse", "--", command)

    assert result.exit_code == 1
    assert result.stderr == f"error: {command} ended with 3; 2 stored, 0 known already, cursor 1\n"


def test_a_last_line_without_its_end_counts_where_the_command_ended_well(desk, script):
    command = script("print(json.dumps(sample), end='')")

    assert desk.json_of("poll", "warehouse", "--json", "--", command)["stored"] == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("print('Fetching page 1')", "line 2 of the command is no JSON object: Fetching page 1. Print events and"),
        ("print('[]')", "line 2 of the command is no JSON object: []"),
        ("say({'cursor': 5})", "line 2 of the command: a cursor is text"),
        ("print('{' + 'A' * 2_000_000)", "the command printed a line longer than the source's max_body_bytes"),
    ],
)
def test_a_line_that_is_no_event_stops_the_poll_before_the_cursor(desk, script, line, said):
    command = script(f"say(sample)\n{line}\nsay({{'cursor': 'too far'}})")

    result = desk.run("poll", "warehouse", "--", command)
    again = desk.json_of("poll", "warehouse", "--json", "--", script("say(sample)"))

    assert result.exit_code == 1
    assert said in result.stderr
    assert again == {"stored": 0, "known": 1, "cursor": ""}


def test_an_event_that_cannot_be_read_is_kept_aside_and_does_not_stop_the_poll(desk, script):
    command = script("say({'type': 'return.approved'})\nsay({'cursor': '1'})")

    result = desk.run("poll", "warehouse", "--", command)
    desk.work()

    assert result.exit_code == 0
    assert [each["because"] for each in desk.json("list", "quarantine")["quarantine"]] == ["unreadable"]


def test_a_command_that_does_not_end_is_ended(desk, script):
    command = script("import time\nsay({'cursor': '1'})\ntime.sleep(60)")

    result = desk.run("poll", "warehouse", "--timeout", "1", "--", command)

    assert result.exit_code == 1
    assert "did not end within 1 s; 0 stored, 0 known already, cursor 1" in result.stderr


def test_a_command_that_is_not_there_is_named(desk):
    result = desk.run("poll", "warehouse", "--", "/nowhere/portal.py")

    assert (result.exit_code, result.stderr) == (
        1,
        "error: /nowhere/portal.py cannot be run (No such file or directory)\n",
    )


def test_one_poll_of_a_source_runs_at_a_time(desk, script):
    database = Path(desk.settings().service.database_url.removeprefix("sqlite:///"))
    with file_turn(database.with_name("poll-warehouse.json.lock"), patience_seconds=1):
        result = desk.run("poll", "warehouse", "--", script(""))

    assert result.exit_code == 1
    assert "source 'warehouse' is being polled already" in result.stderr


def test_a_database_that_was_restored_from_an_older_copy_is_found_out(desk, script):
    database = Path(desk.settings().service.database_url.removeprefix("sqlite:///"))
    desk.run("backup", str(database.with_name("copy.db")))
    command = script("say(sample)\nsay({'cursor': 'tuesday'})")
    desk.run("poll", "warehouse", "--", command)
    for file in database.parent.glob("refundry.db*"):
        file.unlink()
    desk.run("restore", str(database.with_name("copy.db")), "--actor", "ann")

    refused = desk.run("poll", "warehouse", "--", command)
    asked_again = desk.json_of("poll", "warehouse", "--json", "--from", "monday", "--", command)

    assert refused.exit_code == 1
    assert "the cursor 'tuesday' of source 'warehouse' is ahead of the database, which does not have del_1" in (
        " ".join(refused.stderr.split())
    )
    assert asked_again == {"stored": 1, "known": 0, "cursor": "tuesday"}
    assert desk.run("poll", "warehouse", "--", command).exit_code == 0


def test_whoever_is_killed_when_nothing_is_lost_and_nothing_is_doubled(desk, script, tmp_path):
    """The command kills its caller, at another line in each run; the last run is left alone."""
    count = 60
    command = script(
        f"""
import signal, time
kill_at = int(open({str(tmp_path / "kill_at")!r}).read())
said = 0
for n, each in enumerate(some({count}), start=1):
    if n <= int(cursor or 0):
        continue
    for line in (each, {{'cursor': str(n)}}) if n % 4 == 0 else (each,):
        say(line)
        said += 1
        if said == kill_at:
            time.sleep({{0: 0.0, 1: 0.02, 2: 0.1}}[said % 3])
            os.kill(os.getppid(), signal.SIGKILL)
"""
    )
    chance = random.Random(20261123)
    place = Path(desk.settings().service.database_url.removeprefix("sqlite:///")).with_name("poll-warehouse.json")
    words = [sys.executable, "-m", "service", "--config-dir", str(desk.config_dir), "poll", "warehouse", "--", command]

    codes = []
    for kill_at in [*(chance.randint(1, 20) for _ in range(4)), 0]:
        (tmp_path / "kill_at").write_text(str(kill_at))
        codes.append(
            subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode
        )
        cursor = int(json.loads(place.read_text())["cursor"]) if place.exists() else 0
        stored = _stored(desk)
        assert {f"evt_{n}" for n in range(1, cursor + 1)} <= set(stored)
        assert len(stored) == len(set(stored))

    assert codes == [-signal.SIGKILL] * 4 + [0]
    assert sorted(_stored(desk)) == sorted(f"evt_{n}" for n in range(1, count + 1))


def _stored(desk):
    runtime = build_runtime(desk.settings())
    kept = [runtime.store.inbox.delivery(each.id) for each in runtime.store.inbox.list(limit=1000)]
    runtime.store.close()
    return [json.loads(each.body)["id"] for each in kept]


# --- the command in the document --------------------------------------------------------------------------------------


class Portal(BaseHTTPRequestHandler):
    """Two pages of returns, whatever is asked for; keeps what was asked."""

    asked: ClassVar = []

    def do_GET(self):
        query = {key: value[0] for key, value in parse_qs(urlsplit(self.path).query).items()}
        self.asked.append({**query, "token": self.headers["Authorization"]})
        pages = {"1": [_returned("R-1", "2026-11-23T09:00:02Z")], "2": [_returned("R-2", "2026-11-23T09:00:01Z")]}
        content = json.dumps({"returns": pages.get(query["page"], [])}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def _returned(number, updated_at):
    items = [{"sku": "WS12-M-Orange", "quantity_approved": 1, "condition": "sellable"}]
    return {"number": number, "updated_at": updated_at, "order_number": "000000101", "items": items}


def test_the_documents_command_asks_from_the_cursor_and_moves_it(desk, tmp_path, monkeypatch):
    (text,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    (tmp_path / "portal.py").write_text(text)
    server = HTTPServer(("127.0.0.1", 0), Portal)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    monkeypatch.setenv("PORTAL_URL", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("PORTAL_TOKEN", "token")
    words = ("poll", "warehouse", "--json", "--", sys.executable, str(tmp_path / "portal.py"))

    first, again = desk.json_of(*words), desk.json_of(*words)
    server.shutdown()
    server.server_close()
    desk.work()

    assert first == {"stored": 2, "known": 0, "cursor": "2026-11-23T09:00:02Z"}
    assert again == {"stored": 0, "known": 2, "cursor": "2026-11-23T09:00:02Z"}
    assert [each["updated_since"] for each in Portal.asked] == ["2026-11-01T00:00:00Z"] * 3 + [
        "2026-11-23T09:00:02Z"
    ] * 3
    assert Portal.asked[0]["token"] == "Bearer token"
    assert {each["state"] for each in desk.json("list", "deliveries")["deliveries"]} <= {"done", "needs_person"}
