"""A copy of the state and its return, what Magento knows beside it, and alarms that were seen to."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from service.flow.drift import check_once
from service.runtime import build_runtime

ONLINE = "000000102"
BAG = ("24-MB01", "1", "sellable")


def lose_the_database(desk):
    url = desk.settings().service.database_url
    database = desk.config_dir / url.removeprefix("sqlite:///")
    for file in database.parent.glob(f"{database.name}*"):
        file.rename(file.with_name(f"lost-{file.name}"))


def restored(desk, tmp_path):
    """Refunded, copied, refunded again, lost, and brought back from the copy."""
    desk.deliver(return_id="RMA-1", event_id="evt_1")
    desk.work()
    copied = desk.run("backup", str(tmp_path / "copy.db"))
    assert copied.exit_code == 0, copied.output
    desk.deliver(BAG, order=ONLINE, return_id="RMA-2", event_id="evt_2")
    desk.work()
    lose_the_database(desk)
    return desk.run("restore", str(tmp_path / "copy.db"), "--actor", "ann")


def test_a_copy_is_restored_and_says_what_comes_next(desk, tmp_path):
    result = restored(desk, tmp_path)

    assert result.exit_code == 0, result.output
    assert "online refunds wait" in result.stdout
    assert "refundry reconcile --accept" in result.stdout
    assert len(desk.json("list", "returns")["returns"]) == 1


def test_a_restore_over_a_database_is_refused_and_changes_nothing(desk, tmp_path):
    desk.run("backup", str(tmp_path / "copy.db"))
    desk.deliver()

    result = desk.run("restore", str(tmp_path / "copy.db"), "--actor", "ann")

    assert result.exit_code == 1
    assert "is there already" in result.stderr
    assert len(desk.json("list", "deliveries")["deliveries"]) == 1


def test_a_copy_over_a_file_is_refused(desk, tmp_path):
    (tmp_path / "copy.db").write_text("an older one")

    result = desk.run("backup", str(tmp_path / "copy.db"))

    assert result.exit_code == 1
    assert (tmp_path / "copy.db").read_text() == "an older one"


def test_postgresql_is_left_to_its_own_tools(desk):
    service = desk.config_dir / "service.toml"
    said = [line for line in service.read_text().splitlines() if not line.startswith("database_url")]
    head = 'database_url = "postgresql://db.example/refundry"\n'
    service.write_text(head + "\n".join(said) + "\n")

    for command in (["backup", "copy.db"], ["restore", "copy.db", "--actor", "ann"]):
        result = desk.run(*command)
        assert result.exit_code == 1
        assert "pg_dump" in result.stderr


def test_a_database_that_came_back_by_other_tools_is_marked(desk):
    marked = desk.run("restore", "--mark", "--actor", "ann")

    assert marked.exit_code == 0, marked.output
    assert desk.json("reconcile", "--actor", "ann")["stores"][0]["held_back"]


@pytest.mark.parametrize("words", [(), ("copy.db", "--mark")])
def test_a_restore_is_of_a_file_or_marks_one_of_them(desk, words):
    result = desk.run("restore", *words, "--actor", "ann")

    assert result.exit_code == 1
    assert "--mark" in result.stderr


def test_what_was_forgotten_is_listed_and_online_refunds_wait_for_the_acceptance(desk, tmp_path):
    restored(desk, tmp_path)
    desk.deliver(BAG, order="000000106", return_id="RMA-3", event_id="evt_3")
    desk.deliver(("24-WG085", "1", "sellable"), order="000000106", return_id="RMA-4", event_id="evt_4")
    desk.work()
    held = {each["reason_code"] for each in desk.json("list", "deliveries")["deliveries"]}

    listed = desk.run("reconcile", "--actor", "ann")
    (store,) = desk.json("reconcile", "--actor", "ann")["stores"]
    accepted = desk.run("reconcile", "--accept", "--actor", "ann")
    desk.work()

    assert "database-behind" in held
    assert "1 of them, 39.00 in all, were not known here" in listed.stdout
    assert "a return not known here" in listed.stdout
    assert (store["held_back"], [Decimal(each["base_total"]) for each in store["forgotten"]]) == (True, [39])
    assert accepted.exit_code == 0, accepted.output
    assert "1 deliveries that waited are due now" in accepted.stdout
    assert desk.json("reconcile", "--actor", "ann")["stores"][0]["held_back"] is False


def test_a_return_that_waits_for_it_shows_the_way_on(desk, tmp_path):
    restored(desk, tmp_path)
    desk.deliver(("24-WG085", "1", "sellable"), order="000000106", return_id="RMA-4", event_id="evt_4")
    desk.work()

    steps = [step["command"] for step in desk.json("show", "ret_2")["next_steps"]]

    assert steps[:2] == ["refundry reconcile", "refundry reconcile --accept"]
    assert steps[2].startswith("refundry approve ret_2 --fingerprint ")


def test_the_doctor_says_that_online_refunds_wait(desk, tmp_path):
    restored(desk, tmp_path)

    findings = json.loads(desk.run("doctor", "--json").stdout)["findings"]

    (guard,) = [each for each in findings if each["about"] == "guard"]
    assert (guard["level"], "known to Magento alone" in guard["found"]) == ("warn", True)


def test_nothing_is_accepted_that_nobody_listed(desk, tmp_path):
    restored(desk, tmp_path)

    result = desk.run("reconcile", "--accept", "--actor", "ann")

    assert result.exit_code == 1
    assert "run refundry reconcile" in result.stderr


def drifted(desk):
    """A refund whose memo vanished before the first look."""
    desk.deliver(BAG, order=ONLINE)
    desk.work()
    desk.sandbox.store.shop.memos.clear()
    later = datetime.now(UTC) + timedelta(seconds=301)
    runtime = build_runtime(desk.settings(), clock=lambda: later)
    assert check_once(runtime, "test")
    runtime.store.close()


def test_an_alarm_is_shown_with_both_sides_and_seen_to(desk):
    drifted(desk)

    hint = desk.run("list", "--needs-person").stdout
    page = desk.run("show", "ref_1").stdout
    content = desk.json("show", "ref_1")
    said_no = desk.run("acknowledge", "ref_1", "--reason", "a test order", "--actor", "ann", typed="n\n")
    seen = desk.run("acknowledge", "ref_1", "--reason", "a test order", "--actor", "ann", typed="y\n")

    assert "1 finished refunds need one too" in hint
    assert "expected 1 among them, Magento has none" in " ".join(page.split())
    assert content["looks"][0]["drifts"][0]["code"] == "drift-memo-missing"
    assert any("refundry acknowledge ref_1 --alarm" in step["command"] for step in content["next_steps"])
    assert said_no.exit_code == 1
    assert "expected 1 among them, Magento has none" in seen.stderr
    assert seen.exit_code == 0, seen.output
    assert desk.json("list", "refunds", "--needs-person")["refunds"] == []


def test_another_alarm_than_was_seen_is_not_seen_to(desk):
    drifted(desk)

    result = desk.run("acknowledge", "ref_1", "--alarm", "00000000", "--reason", "a test order", "--actor", "ann")

    assert result.exit_code == 1
    assert "you have seen to the alarm 00000000 of ref_1, but it has" in result.stderr
    assert desk.json("show", "ref_1")["needs_person"] is True


def test_what_has_no_alarm_cannot_be_seen_to(desk):
    desk.deliver()
    desk.work()

    result = desk.run("acknowledge", "ref_1", "--reason", "x", "--actor", "ann")

    assert result.exit_code == 1
    assert "has no alarm" in result.stderr
