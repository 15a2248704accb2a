"""docs/canonical-event.md against the schema: every field, every alias, and nothing that is not read."""

import re
from pathlib import Path

from service.sources.kinds import canonical_body as body

PAGE = (Path(__file__).parents[2] / "docs" / "canonical-event.md").read_text()

#: Read before the schema, because it decides whether the rest is.
BEFORE_THE_SCHEMA = {"is_test", "type"}

SECTIONS = {
    "": body.EventSchema,
    "return.": body.ReturnSchema,
    "order.": body.OrderSchema,
    "splits[].": body.SplitSchema,
    "receipts[].": body.ReceiptSchema,
    "fees[].": body.FeeSchema,
    "totals.": body.TotalsSchema,
}


def names_of(schema):
    return {field.data_key or name for name, field in schema().fields.items()}


def section(heading):
    return PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]


def rows_of(text):
    return {line.split("`")[1] for line in text.splitlines() if line.startswith("| `")}


def test_every_field_of_the_event_is_told_and_no_other():
    assert rows_of(section("The event")) == names_of(body.EventSchema) | BEFORE_THE_SCHEMA


def test_every_field_of_a_line_is_told_and_no_other():
    lines_table = section("A line").partition("| type | its stage |")[0]

    assert rows_of(lines_table) == names_of(body.LineSchema)


def test_every_field_within_is_told_and_no_other():
    told = rows_of(section("`return`, `order`")) | rows_of(section("A split, a receipt, a fee, the totals"))

    assert told == {prefix + name for prefix, schema in SECTIONS.items() if prefix for name in names_of(schema)}


def test_every_alias_is_told():
    aliases = {*body.EVENT_ALIASES, *body.LINE_ALIASES, *body.SPLIT_ALIASES, *body.RECEIPT_ALIASES, "totals.fees"}

    assert {alias for alias in aliases if not re.search(rf"Alias(es)?: [^|]*`{re.escape(alias)}`", PAGE)} == set()


def test_the_stages_are_those_that_are_read():
    stages = dict(re.findall(r"^\| `(return\.\w+)` \| `(qty_\w+)` \|$", PAGE, re.MULTILINE))

    assert stages == body.STAGE_QUANTITIES


def test_every_figure_is_named_as_one():
    figures = PAGE.rpartition("The figures")[2]

    assert all(f"totals.{name}" in figures for name in body.EVENT_FIGURES)
    assert body.LINE_FIGURES[0] in figures
