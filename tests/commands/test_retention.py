"""Forgetting from the command line: what it says, what it asks, and that a dry run changes nothing."""

from tests.commands.desk import event


def purged(desk):
    return [each["purged_at"] is not None for each in desk.json("list", "deliveries")["deliveries"]]


def carried(desk):
    desk.migrate()
    desk.deliver(("WS12-M-Orange", "1", "sellable"))
    desk.work()


def test_a_dry_run_counts_and_changes_nothing(desk):
    carried(desk)

    said = desk.run("purge", "--older-than", "0", "--dry-run")

    assert said.exit_code == 0
    assert "1 bodies received before" in said.output
    assert purged(desk) == [False]


def test_purging_asks_first_and_says_what_it_did(desk):
    carried(desk)

    refused = desk.run("purge", "--older-than", "0", typed="n\n")
    agreed = desk.run("purge", "--older-than", "0", "--actor", "ada", typed="y\n")

    assert refused.exit_code == 1
    assert "1 forgotten" in agreed.output
    assert purged(desk) == [True]


def test_a_young_body_is_kept_by_the_setting(desk):
    carried(desk)

    assert desk.json("purge", "--yes")["purged"] == 0


def test_a_customer_is_erased_by_order(desk):
    carried(desk)

    done = desk.json("erase", "--order", "000000101", "--reason", "request 12", "--yes", "--actor", "ada")

    assert done == {"erased": ["del_1"], "still_open": {}}
    assert purged(desk) == [True]


def test_erasing_by_a_text_that_is_everywhere_is_refused(desk):
    carried(desk)

    said = desk.run("erase", "--text", "a", "--reason", "x", "--yes", "--actor", "ada")

    assert said.exit_code == 1
    assert "at least 5 characters" in said.output


def test_what_is_open_is_left_and_named(desk):
    desk.migrate()
    desk.deliver_body(event(("WS12-M-Orange", "1", "sellable")))

    said = desk.run("erase", "--text", "WS12-M-Orange", "--reason", "x", "--yes", "--actor", "ada")

    assert "0 deliveries forgotten" in said.output
    assert "left: del_1 is received" in said.output
