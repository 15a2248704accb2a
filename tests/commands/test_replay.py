"""What could not be read is shown with its reason, and read again in one action once that was mended."""

import pytest

from tests.commands.desk import event

SHALLOW = "max_json_depth = 8\n"
DEEP = [[[[[[[["nine levels, with the object around them"]]]]]]]]


@pytest.fixture
def quarantine(desk):
    """del_1 and del_2 could not be read; del_3 was; the configuration is as it was when they came."""
    _say(desk, SHALLOW)
    desk.deliver_body({**event(), "note": DEEP})
    desk.deliver(("24-MB01", "one", "sellable"), order="000000111", return_id="RMA-2", event_id="evt_2")
    desk.work()
    _unsay(desk, SHALLOW)
    desk.deliver(("24-MB01", "1", "sellable"), order="000000102", return_id="RMA-3", event_id="evt_3")
    desk.work()
    return desk


def test_quarantine_lists_each_with_its_reason(quarantine):
    listed = quarantine.json("list", "quarantine")["quarantine"]

    assert [(each["id"], each["because"], each["source"]) for each in listed] == [
        ("del_2", "unreadable", "warehouse"),
        ("del_1", "unreadable", "warehouse"),
    ]
    assert "nested deeper than 8" in listed[1]["reason"]
    assert "nested deeper than 8" in " ".join(quarantine.run("list", "quarantine").stdout.split())


def test_quarantine_is_listed_for_one_source(quarantine):
    assert quarantine.run("list", "quarantine", "--source", "portal").stdout == "nothing is in quarantine\n"


def test_what_can_be_read_now_is_read_again_in_one_action(quarantine):
    result = quarantine.run("replay", "--unreadable", "--yes", "--actor", "ann")
    quarantine.work()

    assert result.exit_code == 0, result.output
    assert "return.approved RMA-1 of order #000000101: 1 × WS12-M-Orange (sellable)" in _unwrapped(result)
    assert "1 of 2 deliveries can be read now; 1 would stay as they are" in result.stdout
    assert "reads as before: restart it first" in result.stdout
    assert result.stdout.endswith("1 delivery is due now; the worker goes on at once\n")
    states = {each["id"]: each["state"] for each in quarantine.json("list", "deliveries")["deliveries"]}
    assert states == {"del_1": "done", "del_2": "unreadable", "del_3": "done"}


def test_the_journal_says_who_had_it_read_again_and_what_it_was(quarantine):
    quarantine.run("replay", "--unreadable", "--yes", "--actor", "ann")

    (woken,) = [each for each in quarantine.json("show", "del_1")["journal"] if each["what"] == "delivery.woken"]
    assert woken["actor"] == "ann"
    assert "it was unreadable: the body is nested deeper than 8" in woken["text"]
    assert "delivery.woken" not in [each["what"] for each in quarantine.json("show", "del_2")["journal"]]


def test_a_dry_run_shows_what_each_says_now_and_changes_nothing(quarantine):
    shown = quarantine.json("replay", "--unreadable", "--dry-run")["deliveries"]

    assert [(each["id"], each["reading"], each["replayed"]) for each in shown] == [
        ("del_1", "event", False),
        ("del_2", "unreadable", False),
    ]
    assert "not a decimal number" in shown[1]["says"]
    assert quarantine.json("show", "del_1")["state"] == "unreadable"


def test_a_replay_of_many_asks_first(quarantine):
    refused = quarantine.run("replay", "--unreadable", "--actor", "ann", typed="n\n")
    untouched = quarantine.json("show", "del_1")["state"]
    agreed = quarantine.run("replay", "--unreadable", "--actor", "ann", typed="y\n")

    assert "Read 1 delivery again?" in refused.stderr
    assert (refused.exit_code, untouched) == (1, "unreadable")
    assert (agreed.exit_code, quarantine.json("show", "del_1")["state"]) == (0, "received")


def test_deliveries_of_a_source_that_is_gone_come_back_with_it(desk):
    file = desk.config_dir / "sources" / "warehouse.toml"
    desk.deliver()
    said = file.read_text()
    file.unlink()
    desk.work()
    gone = desk.json("replay", "--unreadable", "--dry-run")["deliveries"]
    file.write_text(said)

    desk.run("replay", "--unreadable", "--source", "warehouse", "--yes", "--actor", "ann")
    desk.work()

    assert [(each["was"], each["reading"]) for each in gone] == [("source gone", "no source")]
    assert desk.json("show", "del_1")["state"] == "done"


def test_contradictions_are_read_again_only_when_they_are_asked_for(desk):
    desk.deliver()
    desk.work()
    desk.deliver(("24-MB01", "1", "sellable"))  # the same ids, another content
    desk.work()

    without = desk.run("replay", "--unreadable", "--yes", "--actor", "ann")
    asked = desk.json("replay", "--clashes", "--yes", "--actor", "ann")["deliveries"]

    assert without.stdout == "nothing was kept aside\n"
    assert [(each["id"], each["was"], each["replayed"]) for each in asked] == [("del_2", "contradiction", True)]


def test_several_deliveries_are_read_again_by_their_ids(desk):
    desk.deliver()
    desk.deliver(return_id="RMA-2", event_id="evt_2")
    desk.work()

    result = desk.run("replay", "del_1", "del_2", "--actor", "ann")
    mistyped = desk.run("replay", "del_1", "del_9", "--actor", "ann")

    assert result.stdout == "del_1, del_2 are read again; the worker goes on at once\n"
    assert (mistyped.exit_code, mistyped.stderr) == (1, "error: there is no delivery del_9\n")


@pytest.mark.parametrize("words", [(), ("del_1", "--unreadable"), ("del_1", "--dry-run")])
def test_a_replay_says_what_it_is_of(desk, words):
    assert desk.run("replay", *words).exit_code == 2


def _unwrapped(result):
    return " ".join(result.stdout.split())


def _say(desk, line):
    file = desk.config_dir / "service.toml"
    file.write_text(file.read_text() + line)


def _unsay(desk, line):
    file = desk.config_dir / "service.toml"
    file.write_text(file.read_text().replace(line, ""))
