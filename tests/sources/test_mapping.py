"""The map from a sender's body to the canonical event: its steps, its exactness and its limits."""

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import SettingsError, Unreadable
from service.settings import SourceMap, load_settings
from service.settings.expressions import compile_expression
from service.sources import Limits, parse
from service.sources.base import Document
from service.sources.expressions import Budget, evaluate
from service.sources.mapping import map_body
from tests.sources.senders import KINDS, body_of, headers_of, reading, samples, source_of

SOURCE = 'store = "main"\nsecrets_env = ["S"]\n[auth]\nscheme = "hmac"\nheader = "X-S"\n'
ROWS = {
    "type": '"body.type"',
    "return.id": '"body.rma"',
    "order.increment_id": '"body.order"',
    "lines": '"body.lines"',
    "line.sku": '"line.sku"',
    "line.quantity": '"line.qty"',
}
BODY = {"type": "return.approved", "rma": "R-1", "order": "000000264", "lines": [{"sku": "24-MB01", "qty": 1}]}


def a_body(**changes):
    return json.dumps(BODY | changes).encode()


@pytest.fixture
def configured(tmp_path):
    """A generic source with some rows changed; None takes one away."""

    def configure(rows=(), extra="", kind="generic"):
        (tmp_path / "stores").mkdir(exist_ok=True)
        (tmp_path / "sources").mkdir(exist_ok=True)
        (tmp_path / "stores/main.toml").write_text('base_url = "https://shop.example"\ntoken_env = "T"\n')
        written = "".join(f"{name} = {row}\n" for name, row in (ROWS | dict(rows)).items() if row is not None)
        (tmp_path / "sources/app.toml").write_text(f'kind = "{kind}"\n{SOURCE}[map]\n{written}{extra}')
        return load_settings(tmp_path, {"T": "token", "S": "secret"}).sources["app"]

    return configure


@pytest.fixture
def mapped(configured):
    """The canonical body that a body becomes."""

    def map_it(body, rows=(), extra="", **document):
        source = configured(rows, extra)
        return map_body(source.map, Document(body=body, **document), Limits())

    return map_it


@pytest.fixture
def refused(configured):
    def refuse(rows=(), **changes):
        with pytest.raises(SettingsError) as error:
            configured(rows, **changes)
        return str(error.value)

    return refuse


def found(text, **document):
    return evaluate(compile_expression(text, tuple(document)), document, Budget(), row="x")


class TestSteps:
    @pytest.mark.parametrize(
        ("row", "said", "becomes"),
        [
            ('"body.x"', "R-1", "R-1"),
            ('"body.x"', 1001, "1001"),
            ('"body.x"', "  R-1 ", "R-1"),
            ('"body.x"', "", None),
            ('"body.x"', None, None),
            ('{ from = "body.x", strip_prefix = "#" }', "#101", "101"),
            ('{ from = "body.x", strip_prefix = "#" }', "101", "101"),
            ('{ from = "body.x", regex = "^(\\\\d+)-" }', "5511-0-5", "5511"),
            ('{ from = "body.x", regex = "^(\\\\d+)-" }', "none", None),
            ('{ from = "body.x", regex = "^(\\\\d+)-" }', "1" * 300 + "-", None),
            ('{ from = "body.x", lookup = { "done" = "ok" } }', "DONE", "ok"),
            ('{ from = "body.x", lookup = { "done" = "ok" } }', "other", "other"),
            ('{ from = "body.x", lookup = { "*" = "no", "d*" = "d", "done" = "ok" } }', "done", "ok"),
            ('{ from = "body.x", lookup = { "*" = "no", "d*" = "d", "done" = "ok" } }', "dine", "d"),
            ('{ from = "body.x", lookup = { "*" = "no", "d*" = "d", "done" = "ok" } }', "x", "no"),
            ('{ from = "body.x", lookup = { "true" = "yes" } }', True, "yes"),
            ('{ from = "body.x", lookup = { "true" = "yes" } }', False, None),
            ('{ from = "body.x", lookup = { "false" = "no" } }', False, "no"),
            ('"body.type == `1` && body.rma"', None, None),
            ('{ from = "body.x", default = "unknown" }', None, "unknown"),
            ('{ from = "body.x", lookup = { "*" = "no" }, default = "unknown" }', "", "unknown"),
        ],
    )  # fmt: skip
    def test_of_a_text(self, mapped, row, said, becomes):
        assert mapped(BODY | {"x": said}, {"resolution": row}).get("resolution") == becomes

    @pytest.mark.parametrize(
        ("said", "becomes"),
        [(5805, "58.05"), ("5805", "58.05"), (0, "0.00"), (-5, "-0.05"), ("  ", None), (None, None)],
    )
    def test_a_scale_moves_the_decimal_point(self, mapped, said, becomes):
        total = mapped(BODY | {"x": said}, {"totals.refund": '{ from = "body.x", scale = -2 }'}).get("totals")

        assert total == (None if becomes is None else {"refund": Decimal(becomes)})

    def test_what_is_no_number_cannot_be_scaled(self, mapped):
        with pytest.raises(Unreadable, match=r"map.totals.refund = 'ten': not a decimal number"):
            mapped(BODY | {"x": "ten"}, {"totals.refund": '{ from = "body.x", scale = -2 }'})

    @pytest.mark.parametrize(
        ("zone", "said", "becomes"),
        [
            ("UTC", "2026-07-01 09:14:02", "2026-07-01T09:14:02+00:00"),
            ("Europe/Berlin", "2026-07-01 09:14:02", "2026-07-01T09:14:02+02:00"),
            ("Europe/Berlin", "2026-12-01 09:14:02", "2026-12-01T09:14:02+01:00"),
            ("-05:00", "2026-07-01 09:14:02", "2026-07-01T09:14:02-05:00"),
            ("Europe/Berlin", "2026-07-01T09:14:02Z", "2026-07-01T09:14:02+00:00"),
            ("UTC", "soon", "soon"),
        ],
    )
    def test_a_time_without_zone_is_in_the_source_s(self, mapped, zone, said, becomes):
        body = mapped(BODY | {"at": said}, {"occurred_at": '"body.at"', "timezone": f'"{zone}"'})

        assert body["occurred_at"] == becomes

    def test_a_row_that_finds_nothing_says_nothing(self, mapped):
        assert "currency" not in mapped(BODY, {"currency": '"body.money.currency"'})

    def test_headers_and_parameters_are_looked_at(self, mapped):
        rows = {"currency": "'headers.\"x-currency\"'", "resolution": '"params.outcome"'}

        body = mapped(BODY, rows, headers={"x-currency": "EUR"}, params={"outcome": "refund"})

        assert (body["currency"], body["resolution"]) == ("EUR", "refund")


class TestLines:
    UNITS = (
        {"id": 7, "sku": "A", "qty": 1, "refund": "1.10", "why": "small"},
        {"id": 8, "sku": "B", "qty": 1, "refund": "5.00", "why": "late"},
        {"id": 7, "sku": "A", "qty": "2", "refund": "2.20", "why": "torn"},
    )
    AGGREGATED = (
        ("line.external_line_id", '"line.id"'),
        ("line.refund_amount", '"line.refund"'),
        ("line.reason", '"line.why"'),
        ("line.disposition", '"line.state"'),
        ("aggregate_by", '["external_line_id"]'),
    )

    def test_elements_of_one_line_are_put_together(self, mapped):
        lines = mapped(BODY | {"lines": list(self.UNITS)}, self.AGGREGATED)["lines"]

        assert [(line["sku"], line["quantity"], line["refund_amount"]) for line in lines] == [
            ("A", Decimal(3), Decimal("3.30")),
            ("B", 1, "5.00"),
        ]
        assert lines[0]["reason"] == "small; torn"

    def test_what_becomes_of_the_goods_keeps_them_apart(self, mapped):
        units = [self.UNITS[0] | {"state": "good"}, self.UNITS[0] | {"state": "broken"}]

        lines = mapped(BODY | {"lines": units}, self.AGGREGATED)["lines"]

        assert [line["disposition"] for line in lines] == ["good", "broken"]

    def test_elements_without_an_id_stay_apart(self, mapped):
        units = [{"sku": "A", "qty": 1}, {"sku": "A", "qty": 1}]

        assert len(mapped(BODY | {"lines": units}, self.AGGREGATED)["lines"]) == 2

    def test_numbers_that_are_none_cannot_be_added(self, mapped):
        units = [self.UNITS[0], self.UNITS[0] | {"qty": "many"}]

        with pytest.raises(Unreadable, match=r"lines.quantity: not all of them are decimal numbers"):
            mapped(BODY | {"lines": units}, self.AGGREGATED)

    def test_there_are_not_too_many(self, mapped):
        with pytest.raises(Unreadable, match="has 1001 lines"):
            mapped(BODY | {"lines": [{}] * 1001})


def test_an_id_that_is_said_is_kept(mapped):
    assert mapped(BODY | {"event": 7}, {"id": '"body.event"'})["id"] == "7"


def test_what_the_sender_has_paid_is_heard_on_any_occasion(configured):
    source = configured({"already_refunded": '"body.paid"'})

    assert reading(source, a_body(type="return.requested"))["ignored"].startswith("type 'return.requested'")
    assert reading(source, a_body(type="return.requested", paid=True))[0]["already_refunded"]


class TestExactness:
    def test_sums_are_exact(self):
        numbers = [Decimal("0.1"), 2, Decimal("0.2")]

        assert found("sum(body.x)", body={"x": numbers}) == Decimal("2.3")
        assert found("max(body.x)", body={"x": numbers}) == 2
        assert found("body.x[?@ > `1`]", body={"x": numbers}) == [2]

    @pytest.mark.parametrize(
        ("said", "number"),
        [("58.05", Decimal("58.05")), (3, 3), ("x", None), ("NaN", None), ("", None), (True, None), (None, None)],
    )
    def test_a_text_becomes_the_number_that_it_writes_out(self, said, number):
        assert found("to_number(body.x)", body={"x": said}) == number

    def test_a_sum_that_would_be_rounded_is_refused(self):
        with pytest.raises(Unreadable, match=r"map.x: a number is too long"):
            found("sum(body.x)", body={"x": [Decimal("1e50"), Decimal("1e-50")]})


class TestHostileBodies:
    @pytest.mark.parametrize(
        ("expression", "value", "says"),
        [
            ("sum(body.x)", None, "sum.. wants array-number and found null"),
            ("join(':', body.x)", [1], "join"),
            ("length(body.x)", 5, "length"),
        ],
    )
    def test_a_value_of_another_kind_names_the_row(self, expression, value, says):
        with pytest.raises(Unreadable, match=rf"map.x: {says}"):
            found(expression, body={"x": value})

    def test_a_text_and_a_number_have_no_order(self):
        assert found("body.x > `0`", body={"x": "5"}) is None
        assert found("body.x > `0`", body={"x": True}) is None

    def test_a_number_is_not_looked_for_in_a_text(self):
        assert found("contains(body.x, body.y)", body={"x": "text", "y": 5}) is False

    def test_work_has_an_end(self):
        wide = {"x": list(range(20_000))}

        with pytest.raises(Unreadable, match="more than 200000 steps"):
            found("[" + ", ".join(["body.x[?@ > `0`]"] * 5) + "]", body=wide)

    def test_looking_through_a_list_is_work_too(self, configured):
        rows = {"line.keep_item": '"contains(body.seen, line.sku)"'}
        body = a_body(seen=["x"] * 20_000, lines=[{"sku": "A", "qty": 1}] * 100)

        told = reading(configured(rows), body)["unreadable"]

        assert told.startswith("map.line.keep_item: the body takes more than")


_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9) | st.just("1")
_values = _scalars | st.lists(_scalars, max_size=3) | st.dictionaries(st.text(max_size=9), _scalars, max_size=3)


@st.composite
def twisted(draw, kind):
    """One of the sender's samples with some of its values replaced by whatever JSON has."""
    body = json.loads(body_of(kind, draw(st.sampled_from([name for of, name in samples() if of == kind]))))
    for path in draw(st.lists(st.sampled_from(list(_paths(body))), min_size=1, max_size=4)):
        *within, key = path
        inner = body
        for step in within:
            inner = inner[step] if isinstance(inner, dict | list) and _has(inner, step) else None
        if isinstance(inner, dict | list) and _has(inner, key):
            inner[key] = draw(_values)
    return body


def _has(inner, step):
    return step in inner if isinstance(inner, dict) else isinstance(step, int) and step < len(inner)


def _paths(value, path=()):
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from _paths(inner, (*path, key))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_whatever_is_sent_becomes_events_or_a_reason(kind, data):
    body = data.draw(twisted(kind) | st.dictionaries(st.text(max_size=9), _values, max_size=3))
    topic = data.draw(st.sampled_from([(), *(headers_of(kind, name) for of, name in samples() if of == kind)]))

    said = reading(source_of(kind), json.dumps(body).encode(), topic)

    assert isinstance(said, list) or said.keys() <= {"ignored", "unreadable"}


class TestMistakes:
    @pytest.mark.parametrize(
        ("rows", "told"),
        [
            ({"type": '"data.event"'}, "map.type = 'data.event': 'data' is none of body, headers, params. Say"),
            ({"line.sku": '"lin.sku"'}, "map.line.sku = 'lin.sku': 'lin' is none of line, body, headers. Did you"),
            ({"type": '"body.["'}, "map.type = 'body.[': not JMESPath"),
            ({"type": '"to_string(body.x)"'}, "to_string() is not available. It makes the text 'null' of nothing"),
            ({"type": '"jion(body.x)"'}, "there is no function jion(). Did you mean join?"),
            ({"type": '"join(body.x)"'}, "join() has 1 arguments. Give it 2"),
            ({"type": '"body.x[::0]"'}, "a slice cannot go forward by 0"),
            ({"type": '"body.x > `0.5`"'}, "0.5 is a binary fraction"),
            ({"type": '"@"'}, "'@' is none of body, headers, params"),
            ({"type": '"headers"'}, "headers as a whole is not kept"),
            ({"type": "'headers.\"X-Topic\"'"}, "header 'X-Topic' is not in lower case"),
            ({"type": "'headers.\"x-s\"'"}, "the header x-s proves the sender and is never kept"),
            ({"type": "'headers.authorization'"}, "the header authorization proves the sender"),
            ({"type": '{ lookup = { "a" = "return.approved" } }'}, "map.type.from = (missing): the row does not say"),
            ({"type": '{ from = "body.x", lookup = { "a" = "b" } }'}, "no word of the sender leads to refund_on"),
            ({"type": '{ from = "body.x", scale = 2 }'}, "map.type.scale = 2: type is a text, which has no scale"),
            ({"type": '{ from = "body.x", regex = "(" }'}, "map.type.regex = '(': not a regular expression"),
            ({"type": '{ from = "body.x", regex = "a" }'}, "has 0 groups"),
            ({"type": '{ from = "body.x", regex = "((a)+)+" }'}, "a long text could keep it busy for ever"),
            ({"type": '{ from = "body.x", regex = "(a*)b*c*" }'}, "a long text could keep it busy for ever"),
            ({"type": '{ from = "body.x", lokup = {} }'}, "lokup: Unknown field. Write a JMESPath expression"),
            ({"type": "5"}, "map.type = 5: neither an expression nor a table"),
            ({"type": None}, "map.type = (missing): nothing says type"),
            ({"line.sku": None}, "nothing says line.order_item_id or line.external_line_id or line.sku"),
            ({"retrun.id": '"body.x"'}, "map.retrun = (not shown): no such setting. Did you mean return?"),
            ({"aggregate_by": '["id"]'}, "there is no row line.id"),
            ({"timezone": '"Mars"'}, "map.timezone = 'Mars': no such time zone"),
        ],
    )  # fmt: skip
    def test_a_row_that_cannot_work_is_told_at_the_start(self, refused, rows, told):
        message = refused(rows)

        assert "sources/app.toml" in message
        assert told in message

    def test_a_canonical_source_has_no_map(self, refused):
        told = refused(kind="canonical")

        assert 'map.type = (a row): not used by kind = "canonical". Write kind = "generic"' in told


def test_a_preset_s_row_can_be_replaced_extended_and_taken_away(tmp_path):
    written = """
        [map]
        totals.refund = ""
        line.sku = "line.barcode"
        order.increment_id = "body.order_number"
        [map.line.resolution.lookup]
        "Swap" = "exchange"
    """
    (tmp_path / "stores").mkdir()
    (tmp_path / "sources").mkdir()
    (tmp_path / "stores/main.toml").write_text('base_url = "https://shop.example"\ntoken_env = "T"\n')
    (tmp_path / "sources/loop.toml").write_text(f'kind = "loop"\nstore = "main"\nsecrets_env = ["S"]\n{written}')

    loaded = load_settings(tmp_path, {"T": "token", "S": "secret"})

    found: SourceMap = loaded.sources["loop"].map
    rows = {row.name: row for row in found.line_rows}
    assert "totals.refund" not in {row.name for row in found.rows}
    assert rows["sku"].expression.text == "line.barcode"
    assert [row.strip_prefix for row in found.rows if row.name == "order.increment_id"] == [""]
    assert rows["resolution"].lookup == {"default": "refund", "swap": "exchange"}
    origins = {origin.key: origin.origin for origin in loaded.origins}
    assert origins["sources.loop.map.return.id"] == "presets/loop.toml"
    assert origins["sources.loop.map.line.sku"].endswith("sources/loop.toml")
    assert "sources.loop.map.order.increment_id.strip_prefix" not in origins


def test_the_environment_alone_can_make_a_source_of_a_preset(tmp_path):
    (tmp_path / "stores").mkdir()
    (tmp_path / "stores/main.toml").write_text('base_url = "https://shop.example"\ntoken_env = "T"\n')
    named = {"KIND": "loop", "STORE": "main", "SECRETS_ENV": '["S"]', "MAP__TOTALS__REFUND": ""}
    environ = {f"REFUNDRY__SOURCES__PORTAL__{key}": value for key, value in named.items()}

    source = load_settings(tmp_path, {"T": "token", "S": "secret", **environ}).sources["portal"]

    assert (source.kind, source.auth.header) == ("loop", "X-Loop-Signature")
    assert "totals.refund" not in {row.name for row in source.map.rows}


def test_only_what_the_map_reads_is_asked_for(configured):
    source = configured({"type": "'headers.\"x-topic\" || params.topic'"})

    assert (source.map.headers, source.map.params) == ({"x-topic"}, {"topic"})
    assert parse(source, b"{}", [("X-Topic", "return.requested")], Limits()).reason.startswith(
        "type 'return.requested'"
    )
