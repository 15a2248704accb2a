"""The documents that are printed from the code say what the code does now."""

from pathlib import Path

import pytest

from service.__main__ import cli
from service.commands.docs import documents
from service.commands.source_pages import BEGIN, page_kinds, with_printed_part

DOCS = Path(__file__).resolve().parent.parent / "docs"


@pytest.mark.parametrize("name", list(documents(cli)))
def test_the_committed_document_is_the_one_that_the_code_prints(name):
    committed = (DOCS / name).read_text(encoding="utf-8")

    assert committed == documents(cli)[name], f"docs/{name} is out of date; run: make docs"


@pytest.mark.parametrize("kind", page_kinds())
def test_the_printed_part_of_a_sender_s_page_is_what_its_preset_says(kind):
    page = (DOCS / "sources" / f"{kind}.md").read_text(encoding="utf-8")

    assert BEGIN in page
    assert page == with_printed_part(page, kind), f"docs/sources/{kind}.md is out of date; run: make docs"


def test_every_page_of_a_sender_has_its_preset():
    assert {page.stem for page in (DOCS / "sources").glob("*.md")} == set(page_kinds())


def test_every_command_that_is_not_hidden_is_described():
    described = documents(cli)["cli.md"]

    assert [
        name for name, command in cli.commands.items() if not command.hidden and f"`refundry {name}`" not in described
    ] == []
