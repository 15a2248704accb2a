"""Desks for the tests of the command line."""

from datetime import UTC, datetime

import pytest

from service.commands.demo.stage import write_config
from service.sandbox.command import SandboxServer, build_sandbox
from tests.commands.desk import Desk


@pytest.fixture
def unmigrated_desk(tmp_path):
    sandbox = build_sandbox(now=datetime.now(UTC))
    with SandboxServer(sandbox.app()) as server:
        config_dir = write_config(
            tmp_path, shop_url=server.url, integration=sandbox.store.access.integration, port=8999
        )
        yield Desk(config_dir=config_dir, sandbox=sandbox)


@pytest.fixture
def desk(unmigrated_desk):
    unmigrated_desk.migrate()
    return unmigrated_desk
