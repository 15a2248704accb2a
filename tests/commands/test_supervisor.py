"""serve's supervisor: starts, starts again, gives up, and leaves nothing behind."""

import logging
import os
import sys
import threading
import time

import pytest

from service.commands.supervisor import Child, Supervisor

FOREVER = "import time; time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def python(name, program):
    return Child(name=name, command=(sys.executable, "-c", program))


def supervise(*children, grace_seconds=5.0):
    return Supervisor(children, environ=dict(os.environ), grace_seconds=grace_seconds, first_pause_seconds=0.01)


def run_in_thread(supervisor):
    """Signals are for the main thread; the watching is the same."""
    supervisor.watches_signals = False
    codes = []
    thread = threading.Thread(target=lambda: codes.append(supervisor.run()))
    thread.start()
    return thread, codes


def wait_for(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def started(caplog, name):
    return [record.pid for record in caplog.records if record.message == "started" and record.child == name]


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(autouse=True)
def info_is_logged(caplog):
    caplog.set_level(logging.INFO, logger="refundry.serve")


def test_a_child_that_dies_is_started_again(caplog):
    supervisor = supervise(python("web", FOREVER), python("worker", FOREVER))
    thread, codes = run_in_thread(supervisor)
    wait_for(lambda: started(caplog, "web") and started(caplog, "worker"))

    os.kill(started(caplog, "worker")[0], 9)
    wait_for(lambda: len(started(caplog, "worker")) == 2)
    supervisor.stop()
    thread.join(10)

    assert codes == [0]
    assert len(started(caplog, "web")) == 1


def test_a_child_that_keeps_dying_ends_the_whole_with_a_failure(caplog):
    supervisor = supervise(python("web", FOREVER), python("worker", "raise SystemExit(3)"))

    code = supervisor.run()

    assert code == 1
    assert len(started(caplog, "worker")) == 5
    assert not is_running(started(caplog, "web")[0])


def test_stopping_leaves_no_process_behind(caplog):
    supervisor = supervise(python("web", FOREVER), python("worker", FOREVER))
    thread, codes = run_in_thread(supervisor)
    wait_for(lambda: started(caplog, "web") and started(caplog, "worker"))

    supervisor.stop()
    thread.join(10)

    assert codes == [0]
    assert [is_running(pid) for pid in started(caplog, "web") + started(caplog, "worker")] == [False, False]


def test_a_child_that_does_not_end_in_time_is_killed(caplog, capfd):
    supervisor = supervise(python("web", STUBBORN), grace_seconds=0.2)
    thread, codes = run_in_thread(supervisor)
    wait_for(lambda: "up" in capfd.readouterr().out)

    supervisor.stop()
    thread.join(10)

    assert codes == [0]
    assert not is_running(started(caplog, "web")[0])
