"""The documents that are printed from the code say what the code does now."""

from pathlib import Path

import pytest

from service.__main__ import cli
from service.commands.docs import documents

DOCS = Path(__file__).resolve().parent.parent / "docs"


@pytest.mark.parametrize("name", list(documents(cli)))
def test_the_committed_document_is_the_one_that_the_code_prints(name):
    committed = (DOCS / name).read_text(encoding="utf-8")

    assert committed == documents(cli)[name], f"docs/{name} is out of date; run: make docs"


def test_every_command_that_is_not_hidden_is_described():
    described = documents(cli)["cli.md"]

    assert [
        name for name, command in cli.commands.items() if not command.hidden and f"`refundry {name}`" not in described
    ] == []
