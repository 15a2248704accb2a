"""doctor: one line for each fault, with its remedy, and an exit code."""

import json

import pytest

from service.sandbox.access import Integration


def findings(desk):
    result = desk.run("doctor", "--json")
    content = json.loads(result.stdout)
    assert result.exit_code == (0 if content["healthy"] else 1)
    return [(each["level"], each["about"], each["found"]) for each in content["findings"]]


def failures(desk):
    return [(about, found) for level, about, found in findings(desk) if level == "fail"]


def test_a_service_in_order_passes(desk):
    result = desk.run("doctor")

    assert result.exit_code == 0
    assert "fail" not in result.stdout
    assert "ok    store sandbox: signed in by OAuth 1.0a" in result.stdout
    assert "agrees with Magento's" in result.stdout


def test_a_doctor_sends_nothing_to_magento_but_reads(desk):
    desk.fault("POST * 500-before")

    assert failures(desk) == []
    assert desk.sandbox.store.shop.memos == {}


def test_a_bad_configuration_is_one_line_for_each_value(desk):
    (desk.config_dir / "service.toml").write_text('port = "a"\nhosts = "b"\n')

    assert [about for about, _ in failures(desk)] == ["configuration", "configuration"]


def test_a_database_that_is_not_there_is_migrated_by_hand(unmigrated_desk):
    ((about, found),) = failures(unmigrated_desk)

    assert about == "database"
    assert "run refundry migrate" in found


def test_a_store_that_does_not_answer_is_one_failure(desk):
    store_file = desk.config_dir / "stores" / "sandbox.toml"
    lines = [line for line in store_file.read_text().splitlines() if not line.startswith("base_url")]
    store_file.write_text('base_url = "http://127.0.0.1:9"\n' + "\n".join(lines))

    ((about, _),) = failures(desk)

    assert about == "store sandbox"


def test_a_wrong_token_names_the_rights_that_are_missing(desk):
    (desk.config_dir / "secrets" / "access_token").write_text("another")

    assert {about for about, _ in failures(desk)} == {"store sandbox"}


def test_settle_seconds_shorter_than_a_refund_are_warned_about(desk):
    store_file = desk.config_dir / "stores" / "sandbox.toml"
    store_file.write_text("settle_seconds = 200\n" + store_file.read_text())

    said = [found for level, _, found in findings(desk) if level == "warn"]

    assert "settle_seconds = 200, a refund may take 180 s" in said


def test_a_short_secret_fails(desk):
    (desk.config_dir / "secrets" / "portal").write_text("geheim")

    assert failures(desk) == [("source portal", "a secret has 6 bytes and can be guessed")]


def test_a_stop_in_force_is_remembered(desk):
    desk.run("stop", "--reason", "stocktaking", "--actor", "ann")

    assert ("warn", "switches", "refunds for all were stopped by ann: stocktaking") in findings(desk)


@pytest.mark.parametrize("mode_of", ["stores/sandbox.toml", "sources/portal.toml"])
def test_shadow_mode_is_warned_about(desk, mode_of):
    file = desk.config_dir / mode_of
    file.write_text('mode = "shadow"\n' + file.read_text())

    assert any(level == "warn" and 'mode = "shadow"' in found for level, _, found in findings(desk))


def test_the_right_to_refund_is_tried_on_request_alone(desk):
    asked, unasked = (
        # Where a line is wrapped depends on the length of the temporary folder's name.
        " ".join(desk.run("doctor", *options).stdout.split())
        for options in (["--try-refund-rights"], [])
    )

    assert "may refund by the order route (Magento_Sales::creditmemo)" in asked
    assert "may refund by the invoice route (Magento_Sales::sales_invoice)" in asked
    assert "may refund" not in unasked
    assert desk.sandbox.store.shop.memos == {}


def test_a_missing_right_to_refund_is_found(desk):
    reads = {"Magento_Sales::actions_view", "Magento_Sales::sales_creditmemo"}
    desk.sandbox.store.access.integration = Integration(resources=frozenset(reads))

    result = desk.run("doctor", "--try-refund-rights")

    assert result.exit_code == 1
    assert "no right Magento_Sales::creditmemo" in result.stdout


def test_a_missing_right_is_named(desk):
    desk.sandbox.store.access.integration = Integration(resources=frozenset({"Magento_Sales::actions_view"}))

    missing = [found.partition(":: ")[0] for _, found in failures(desk)]

    assert [found.startswith("no right Magento_Sales::sales_") for found in missing] == [True, True]
