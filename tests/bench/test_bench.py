"""The measuring programs run from end to end; no figure is judged."""

import json
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import pytest

from bench.run import Size, measure

_TINY = Size(
    seconds=0.3, rounds=1, connections=4, events=3, closed_seconds=1, quiet_seconds=20, rows=(400,), peers=False
)


@pytest.fixture
def folder():
    folder = Path(mkdtemp(prefix="refundry-bench-"))
    folder.chmod(0o755)  # PostgreSQL's server may be another user's
    yield folder
    rmtree(folder)


@pytest.mark.parametrize("section", ["intake", "losses", "scale"])
def test_each_section_runs_and_says_what_it_found(section, folder):
    measure(section, folder, folder / "results", _TINY, print)

    assert json.loads((folder / "results" / f"{section}.json").read_text())["found"]
