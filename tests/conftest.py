"""Databases for every test that asks for one."""

from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import pytest

from tests.databases.fixtures import Databases
from tests.databases.server import Server

_FOLDER = pytest.StashKey[Path]()


def pytest_configure(config):
    # An xdist worker is told by the process that started it, which stops the server when all of them are done.
    given = getattr(config, "workerinput", {}).get("databases")
    config.stash[_FOLDER] = Path(given or mkdtemp(prefix="refundry-tests-"))
    config.stash[_FOLDER].chmod(0o755)  # a server of another user looks into it


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    node.workerinput["databases"] = str(node.config.stash[_FOLDER])


def pytest_unconfigure(config):
    if hasattr(config, "workerinput"):
        return
    server = Server(folder=config.stash[_FOLDER] / "postgresql")
    if server.is_there():
        server.stop()
    rmtree(config.stash[_FOLDER], ignore_errors=True)


@pytest.fixture(scope="session")
def databases(request):
    return Databases(folder=request.config.stash[_FOLDER])
