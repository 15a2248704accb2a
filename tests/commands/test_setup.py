"""init, settings, keys, migrate: from nothing to a service that could start."""

import json
import re

import pytest
from click.testing import CliRunner

from service.__main__ import cli

SECRETS = {"MAGENTO_TOKEN": "t", "WAREHOUSE_SECRET": "whsec_" + "QUJD" * 11}
SENDERS_SECRETS = {"MAGENTO_TOKEN": "t", "LOOP_SECRET": "s", "RETURNS_APP_SECRET": "s"}


def run(*words, env=None):
    return CliRunner(env=env).invoke(cli, list(words))


def test_init_writes_a_configuration_that_loads(tmp_path):
    written = run("init", str(tmp_path / "config"))

    shown = run("--config-dir", str(tmp_path / "config"), "settings", env=SECRETS)

    assert written.exit_code == 0
    assert "stores.main.base_url" in shown.stdout


def test_the_secret_that_init_offers_is_one_that_the_source_takes(tmp_path):
    offered = re.search(r"WAREHOUSE_SECRET=(\S+)", run("init", str(tmp_path)).stdout)

    shown = run("--config-dir", str(tmp_path), "settings", env={**SECRETS, "WAREHOUSE_SECRET": offered[1]})

    assert shown.exit_code == 0
    assert offered[1] not in shown.stdout


def test_init_keeps_what_is_there(tmp_path):
    (tmp_path / "service.toml").write_text("port = 9000\n")

    said = run("init", str(tmp_path)).stdout

    assert f"kept   {tmp_path}/service.toml" in said
    assert (tmp_path / "service.toml").read_text() == "port = 9000\n"


def test_init_can_start_from_the_senders_that_there_are(tmp_path):
    said = run("init", str(tmp_path), "--source", "loop", "--source", "generic").stdout

    shown = run("--config-dir", str(tmp_path), "settings", "--json", env=SENDERS_SECRETS)

    origins = {each["key"]: each["origin"] for each in json.loads(shown.stdout)["settings"]}
    assert "docs/sources/loop.md says where it is" in said
    assert not (tmp_path / "sources" / "warehouse.toml").exists()
    assert origins["sources.loop.map.return.id"] == "presets/loop.toml"
    assert origins["sources.generic.map.return.id"].endswith("sources/generic.toml")


def test_init_names_the_senders_that_it_knows(tmp_path):
    refused = run("init", str(tmp_path), "--source", "lop")

    assert refused.exit_code == 2
    assert "'lop' is none of generic, " in refused.stderr
    assert not (tmp_path / "stores").exists()


def test_settings_say_where_each_value_came_from(desk):
    origins = {each["key"]: each for each in desk.json("settings")["settings"]}

    assert origins["service.poll_seconds"]["origin"].endswith("config/service.toml")
    assert origins["service.api"]["origin"] == "defaults.toml"


def test_settings_mask_secrets(desk):
    secret = (desk.config_dir / "secrets" / "access_token").read_text()

    shown = desk.run("settings").stdout

    assert "stores.sandbox.access_token_file" in shown
    assert secret not in shown


def test_only_what_differs_from_the_defaults_can_be_shown(desk):
    keys = {each["key"] for each in desk.json("settings", "--changed")["settings"]}

    assert "service.port" in keys
    assert "service.api" not in keys


def test_a_missing_configuration_is_one_line_with_the_remedy(tmp_path):
    result = run("--config-dir", str(tmp_path / "nowhere"), "settings")

    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "Run `refundry init`" in result.stderr


def test_every_bad_value_is_told_at_once(tmp_path):
    (tmp_path / "service.toml").write_text('port = "a"\nhosts = "b"\n')

    result = run("--config-dir", str(tmp_path), "settings")

    assert result.exit_code == 1
    assert [line.startswith("error: ") for line in result.stderr.splitlines()] == [True, True]


def test_a_fault_is_told_with_a_traceback_only_on_request(tmp_path):
    (tmp_path / "service.toml").write_text('port = "a"\n')

    quiet = run("--config-dir", str(tmp_path), "settings")
    loud = run("--debug", "--config-dir", str(tmp_path), "settings")

    assert "Traceback" not in quiet.output
    assert loud.exception is not None
    assert not isinstance(loud.exception, SystemExit)


def test_a_command_written_wrongly_is_another_exit_code():
    assert run("settle").exit_code == 2
    assert run("nonsense").exit_code == 2


def test_a_keys_token_is_shown_once_and_opens_the_api(desk):
    created = desk.run("keys", "create", "reports", "--actor", "ann")
    token = created.stdout.strip()

    listed = desk.json("keys", "list")["keys"]

    assert token.startswith("rfd_")
    assert "cannot be shown again" in created.stderr
    assert [(key["name"], key["scopes"]) for key in listed] == [("reports", ["read"])]
    assert token not in json.dumps(listed)


def test_a_key_may_have_several_scopes(desk):
    assert desk.json("keys", "create", "ops", "--scope", "read", "--scope", "raw")["scopes"] == ["read", "raw"]


def test_a_revoked_key_stays_listed(desk):
    desk.run("keys", "create", "reports")

    desk.run("keys", "revoke", "reports")

    assert desk.json("keys", "list")["keys"][0]["revoked_at"] is not None


def test_a_key_that_is_not_there_cannot_be_revoked(desk):
    result = desk.run("keys", "revoke", "nobody")

    assert (result.exit_code, result.stderr) == (1, "error: there is no key 'nobody' in use\n")


def test_without_a_database_the_remedy_is_to_migrate(unmigrated_desk):
    before = unmigrated_desk.run("list")
    first, second = unmigrated_desk.run("migrate"), unmigrated_desk.run("migrate")

    assert before.exit_code == 1
    assert "run refundry migrate" in before.stderr
    assert first.stdout == "the database was brought up to date\n"
    assert second.stdout == "the database is current already\n"


@pytest.mark.parametrize("rule", ["POST", "POST * nonsense", "* * latency"])
def test_a_fault_that_is_none_is_told_before_the_sandbox_starts(rule):
    result = run("sandbox", "--port", "0", "--fault", rule)

    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: --fault {rule!r}: ")
