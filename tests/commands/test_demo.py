"""The demo, whole: every outcome as expected, nothing left behind, and a failure that would be seen."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from service.commands.demo.outcome import check_everything, read_outcomes, units_on_hand
from service.commands.demo.scenarios import SCENARIOS
from service.commands.demo.stage import Stage
from service.store import open_store

DEMO = [sys.executable, "-m", "service", "demo"]


def environ_of(tmp_path):
    return {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(Path.cwd())}


def test_the_demo_ends_with_every_outcome_as_expected(tmp_path):
    done = subprocess.run(
        [*DEMO, "--exit"], env=environ_of(tmp_path), capture_output=True, text=True, timeout=60, check=False
    )

    verdicts = [line for line in done.stdout.splitlines() if line.startswith(("PASS", "FAIL"))]
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(verdicts) == len(SCENARIOS) + 3
    assert all(line.startswith("PASS") for line in verdicts)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_behind(tmp_path, number):
    demo = subprocess.Popen(DEMO, env=environ_of(tmp_path), stdout=subprocess.PIPE, text=True)
    assert demo.stdout is not None
    for line in demo.stdout:
        if line.startswith("Sending"):
            break
    demo.send_signal(number)
    rest, _ = demo.communicate(timeout=30)

    assert demo.returncode == 0
    assert "everything temporary is gone" in rest
    assert list(tmp_path.iterdir()) == []


def test_what_did_not_happen_is_told(desk):
    settings = desk.settings()
    stage = Stage(
        folder=desk.config_dir.parent,
        config_dir=desk.config_dir,
        log_file=desk.config_dir / "log",
        url="",
        shop_url="",
        settings=settings,
        sandbox=desk.sandbox,
        refund_calls=[],
    )
    store = open_store(settings.service.database_url)

    outcomes = read_outcomes(stage, store, posted=())
    answers, calls, units = check_everything(stage, units_on_hand(stage), posted=())
    store.close()

    assert all(outcome.differences for outcome in outcomes)
    assert calls.differences
    assert "24-MB01: 0 units came back, expected 3" in units.differences
    assert answers.differences == ()


def test_the_scenarios_show_what_is_easy_to_get_wrong():
    routes = {memo.route for scenario in SCENARIOS for memo in scenario.memos}

    assert len(SCENARIOS) >= 8
    assert {scenario.source for scenario in SCENARIOS} == {"warehouse", "portal"}
    assert len(routes) == 2
    assert any(scenario.code for scenario in SCENARIOS)
    assert any(said.times > 1 for scenario in SCENARIOS for said in scenario.events)
    assert len({scenario.order for scenario in SCENARIOS}) == len(SCENARIOS)
