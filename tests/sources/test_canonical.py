"""What the canonical event says in our words, and what is told when it says nothing we understand."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.policy import Amounts, SharedFees, SourcePolicy
from service.core.returns import (
    Ignored,
    OrderReference,
    PortalAmount,
    Quantities,
    ReturnedPart,
    ReturnEvent,
    ReturnLine,
)
from service.errors import BlindReturn, Unreadable
from service.sources import Limits, parse
from tests.sources.given import SAMPLES, a_line, a_source, an_event

OTHER_ORDER = {"increment_id": "000000265"}


def read_all(event, policy=None):
    raw = event if isinstance(event, bytes) else json.dumps(event).encode()
    return parse(a_source(policy=policy), raw, [], Limits())


def read(event, policy=None):
    """The one event, or why there is none."""
    said = read_all(event, policy)
    return said if isinstance(said, Ignored) else said[0]


def unreadable(event):
    with pytest.raises(Unreadable) as refused:
        read(event)
    return refused.value


def outcome(event):
    try:
        return read(event)
    except Unreadable as error:
        return error


def parts(*quantities_and_dispositions):
    return tuple(ReturnedPart(quantity=Decimal(q), disposition=d) for q, d in quantities_and_dispositions)


def test_the_least_event_is_read():
    assert read((SAMPLES / "return-approved.json").read_bytes()) == ReturnEvent(
        event_id="evt_0001",
        type="return.approved",
        return_id="RMA-1001",
        order=OrderReference(increment_id="000000264"),
        lines=(ReturnLine(sku="WS12-M-Orange", parts=parts(("1", "sellable")), reason="did not like the fit"),),
        currency="USD",
        occurred_at=datetime(2026, 11, 23, 9, tzinfo=UTC),
    )


def test_splits_fees_and_ids_are_read():
    event = read((SAMPLES / "return-approved-splits.json").read_bytes())

    assert event.order == OrderReference(entity_id=269)
    assert event.lines[0].order_item_id == 510
    assert event.lines[0].parts == parts(("2", "sellable"), ("1", "damaged"))
    assert event.lines[0].reason == "One seam was open"
    assert event.fees == Decimal("4.95")


def test_the_long_form_is_read_by_its_aliases():
    event = read(
        (SAMPLES / "return-received-long-form.json").read_bytes(), SourcePolicy(refund_on=("return.received",))
    )

    assert (event.event_id, event.type, event.return_id) == ("wms-778-2", "return.received", "778")
    assert event.lines[0].quantity == Decimal(2)
    assert event.lines[0].parts == parts(("1", "restock"), ("1", "quarantine"))
    assert event.fees == Decimal("4.95")
    assert event.unsupported == ()


def test_keys_that_we_do_not_know_are_left_to_others():
    assert read(an_event(warehouse={"code": "eu-1"}, lines=[a_line(lot="7")])) == read(an_event(lines=[a_line()]))


def test_null_is_the_same_as_absent():
    event = an_event(occurred_at=None) | {"occurred_at": None, "totals": None, "resolution": None}

    assert read(event) == read(an_event(occurred_at=None))


class TestSeveralOrders:
    """One return of goods from several orders is one event for each of them."""

    def test_each_order_is_an_event_with_its_own_lines(self):
        first, second = read_all(an_event(lines=[a_line(), a_line(sku="24-MB01", order=OTHER_ORDER)]))

        assert (first.order.increment_id, [line.sku for line in first.lines]) == ("000000264", ["WS12-M-Orange"])
        assert (second.order.increment_id, [line.sku for line in second.lines]) == ("000000265", ["24-MB01"])
        assert first.return_id == second.return_id == "RMA-1001"

    def test_the_body_s_own_order_keeps_the_event_s_id(self):
        first, second = read_all(an_event(lines=[a_line(), a_line(order=OTHER_ORDER)]))

        assert (first.event_id, second.event_id) == ("evt_0001", "evt_0001 of #000000265")

    def test_an_order_that_only_lines_name_keeps_the_id_while_it_is_the_only_one(self):
        (event,) = read_all(an_event(order=None, lines=[a_line(order=OTHER_ORDER), a_line(order=OTHER_ORDER)]))

        assert (event.event_id, event.order.increment_id, len(event.lines)) == ("evt_0001", "000000265", 2)

    def test_the_same_id_with_another_set_of_orders_says_something_else(self):
        alone = read(an_event())
        with_another = read(an_event(lines=[a_line(), a_line(order=OTHER_ORDER)]))

        assert alone.event_id == with_another.event_id
        assert with_another.together_with == ("#000000265",)
        assert alone != replace(with_another, lines=alone.lines)

    def test_a_line_without_an_order_is_refused_where_the_body_names_none(self):
        refused = unreadable(an_event(order=None, lines=[a_line(order=OTHER_ORDER), a_line()]))

        assert refused.context["path"] == "order"

    def test_a_line_that_names_its_order_in_two_ways_is_refused(self):
        refused = unreadable(an_event(lines=[a_line(order={"increment_id": "7", "entity_id": 7})]))

        assert refused.context["path"] == "lines[0].order"


class TestIgnored:
    def test_a_type_that_means_no_money_is_ignored_with_its_name(self):
        assert read(an_event(type="return.authorized")) == Ignored(
            reason="type 'return.authorized' is not in refund_on", event_id="evt_0001"
        )

    def test_it_is_ignored_even_when_the_rest_has_another_shape(self):
        assert read({"type": "label.created", "id": "evt_7", "lines": "none"}) == Ignored(
            reason="type 'label.created' is not in refund_on", event_id="evt_7"
        )

    def test_types_are_compared_in_lower_case(self):
        assert isinstance(read(an_event(type="Return.Approved")), ReturnEvent)

    def test_a_test_event_is_ignored(self):
        assert isinstance(read(an_event(is_test=True)), Ignored)

    def test_a_reason_can_be_stored_whatever_the_type_was(self):
        ignored = read(b'{"type": "a\\ud800\\u0000b", "id": "\\ud800"}')

        assert ignored.event_id is None
        assert "\x00" not in ignored.reason
        assert ignored.reason.encode()


class TestQuantities:
    @pytest.mark.parametrize(
        ("written", "quantity"),
        [("0", "0"), (0, "0"), ("0.0000", "0"), ("1", "1"),
         ("0.5", "0.5"), ("1.0000", "1"), ("1.00000", "1"), ("0.0001", "0.0001"), (2, "2"),
         ("99999999", "99999999"), ("007", "7")],
    )  # fmt: skip
    def test_decimal_strings_and_whole_numbers_are_read(self, written, quantity):
        assert read(an_event(lines=[a_line(quantity=written)])).lines[0].quantity == Decimal(quantity)

    def test_a_json_number_is_read_to_the_digit(self):
        raw = json.dumps(an_event(lines=[a_line(quantity="$")])).replace('"$"', "0.1").encode()

        assert read(raw).lines[0].quantity == Decimal("0.1")

    @pytest.mark.parametrize(
        "written",
        ["-1", -1, "", " 1", "1 ", "+1", "1,5", "1.", ".5", "1e0", "0x1", "1_0", "NaN", "inf",
         "\u0661", "0.00001", "1.23456", "99999999.1", "100000000", "9" * 30, True, [], {}, "one"],
    )  # fmt: skip
    def test_others_are_told_with_line_value_and_remedy(self, written):
        error = unreadable(an_event(lines=[a_line(), a_line(sku="24-MB01", quantity=written)]))

        assert error.context["path"] == "lines[1].quantity"
        assert "24-MB01" in error.message
        assert "Send a decimal string, 0 or more" in error.message

    @pytest.mark.parametrize("token", ["1e-5", "1E+999999999", "1e-999999999", "-1.5", "1e30"])
    def test_numbers_out_of_range_are_told_as_well(self, token):
        raw = json.dumps(an_event(lines=[a_line(quantity="$")])).replace('"$"', token).encode()

        assert unreadable(raw).context["path"] == "lines[0].quantity"

    def test_a_line_without_quantity_is_told(self):
        assert (
            "lines[0].quantity ('WS12-M-Orange'): missing"
            in unreadable(an_event(lines=[a_line(quantity=None)])).message
        )

    @pytest.mark.parametrize("alias", ["qty", "qty_refundable"])
    def test_aliases_of_quantity_are_read(self, alias):
        assert read(an_event(lines=[a_line(quantity=None, **{alias: "2"})])).lines[0].quantity == 2

    def test_an_alias_that_says_something_else_is_told(self):
        error = unreadable(an_event(lines=[a_line(quantity="1", qty="2")]))

        assert error.context["path"] == "lines[0].qty"

    def test_a_stage_quantity_counts_only_at_its_stage(self):
        line = a_line(quantity=None, qty_authorized="3", qty_accepted="1")

        assert read(an_event(lines=[line])).lines[0].quantity == 1
        assert (
            unreadable(an_event(lines=[a_line(quantity=None, qty_authorized="3")])).context["path"]
            == "lines[0].quantity"
        )


class TestSplits:
    def test_splits_alone_make_the_quantity(self):
        line = a_line(
            quantity=None, splits=[{"qty": "1", "disposition": "Sellable"}, {"quantity": 2, "disposition": "B"}]
        )

        assert read(an_event(lines=[line])).lines[0].parts == parts(("1", "sellable"), ("2", "b"))

    def test_a_split_that_says_no_disposition_has_the_lines(self):
        line = a_line(
            quantity="2", disposition="damaged", splits=[{"qty": "1"}, {"qty": "1", "disposition": "sellable"}]
        )

        assert read(an_event(lines=[line])).lines[0].parts == parts(("1", "damaged"), ("1", "sellable"))

    def test_splits_that_do_not_add_up_are_told(self):
        error = unreadable(an_event(lines=[a_line(quantity="3", splits=[{"qty": "1"}, {"qty": "1"}])]))

        assert "come to 2, the line says 3" in error.message

    def test_no_disposition_is_no_word(self):
        assert read(an_event(lines=[a_line(disposition=None)])).lines[0].parts == parts(("1", ""))

    def test_what_the_customer_keeps_is_never_restocked(self):
        line = a_line(quantity="2", keep_item=True, splits=[{"qty": "2", "disposition": "sellable"}])

        assert read(an_event(lines=[line])).lines[0].parts == parts(("2", ""))


class TestNames:
    @pytest.mark.parametrize(
        ("order", "reference"),
        [
            ({"increment_id": "000000264"}, OrderReference(increment_id="000000264")),
            ({"increment_id": " EU-000000264 "}, OrderReference(increment_id="EU-000000264")),
            ({"entity_id": 269}, OrderReference(entity_id=269)),
            ({"entity_id": "269"}, OrderReference(entity_id=269)),
            ({"entity_id": 269, "increment_id": None}, OrderReference(entity_id=269)),
        ],
    )
    def test_an_order_is_named_in_one_way(self, order, reference):
        assert read(an_event(order=order)).order == reference

    @pytest.mark.parametrize(
        "order",
        [{}, {"increment_id": "1", "entity_id": 1}, {"external_id": "88"}, {"increment_id": 264}, {"increment_id": ""},
         {"increment_id": "1\x002"}, {"entity_id": 0}, {"entity_id": -1}, {"entity_id": "abc"}, {"entity_id": True},
         {"entity_id": "12345678901"}, "000000264", [], 264],
    )  # fmt: skip
    def test_an_order_named_otherwise_is_told(self, order):
        assert unreadable(an_event(order=order)).context["path"].startswith("order")

    def test_an_increment_id_that_was_a_number_is_told_why(self):
        assert "leading zeros" in unreadable(an_event(order={"increment_id": 264})).message

    def test_a_line_names_what_was_returned(self):
        line = read(an_event(lines=[a_line(sku=None, external_line_id=5511)])).lines[0]

        assert (line.sku, line.order_item_id, line.external_line_id) == (None, None, "5511")

    def test_a_line_that_names_nothing_is_told(self):
        assert unreadable(an_event(lines=[a_line(sku=None)])).context["path"] == "lines[0]"

    def test_ids_that_differ_in_spaces_around_them_are_one_id(self):
        assert read(an_event(**{"return": {"id": " RMA-1001 "}})).return_id == "RMA-1001"

    def test_a_return_number_stands_in_for_a_missing_id(self):
        assert read(an_event(**{"return": {"number": "RMA-7"}})).return_id == "RMA-7"

    @pytest.mark.parametrize(
        "returned", [None, {}, {"id": ""}, {"id": []}, "RMA-1", {"id": "\ud800"}, {"id": "x" * 256}]
    )
    def test_a_return_without_id_is_told(self, returned):
        assert unreadable(an_event(**{"return": returned})).context["path"].startswith("return")


class TestMoney:
    @pytest.mark.parametrize(
        ("fees", "total"),
        [([], "0"), (["4.95"], "4.95"), ([{"type": "label", "amount": "4.95"}, "1"], "5.95"), (["0"], "0"), ([1], "1")],
    )
    def test_fees_are_summed(self, fees, total):
        assert read(an_event(fees=fees)).fees == Decimal(total)

    @pytest.mark.parametrize(
        "fees", [["-1"], [{"amount": "-0.01"}], [{"type": "label"}], ["x"], "4.95", 4.95, {}, [[1]]]
    )
    def test_fees_that_are_none_are_told(self, fees):
        assert unreadable(an_event(fees=fees)).context["path"].startswith("fees")

    def test_fees_need_a_currency(self):
        assert unreadable(an_event(fees=["1"], currency=None)).context["path"] == "currency"
        assert read(an_event(fees=["0.00"], currency=None)).currency is None
        assert read(an_event(fees=[{"amount": "1", "currency": "EUR"}], currency=None)).currency == "EUR"

    @pytest.mark.parametrize("currency", ["EURO", "E", "", 978, "€€€", "EU1"])
    def test_a_currency_is_three_letters(self, currency):
        assert unreadable(an_event(currency=currency)).context["path"] == "currency"

    def test_fees_said_twice_and_differently_are_told(self):
        assert unreadable(an_event(fees=["1"], totals={"fees": ["2"]})).context["path"] == "totals.fees"

    def test_amounts_that_the_sender_computed_are_not_read(self):
        event = an_event(refund_amount="9999", totals={"refund": "nonsense"}, lines=[a_line(refund_amount="-1")])

        assert read(event) == read(an_event(lines=[a_line()]))


class TestUnsupported:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"fees": [{"amount": "4", "currency": "EUR"}]}, "several currencies (USD, EUR)"),
            (
                {"fees": [{"amount": "4", "includes_tax": False}]},
                "a fee without its tax, and Magento taxes no deduction",
            ),
            ({"fees": ["4"], "lines": [a_line(), a_line(order=OTHER_ORDER)]}, "a fee that several orders share"),
        ],
    )
    def test_what_contradicts_itself_or_cannot_be_placed_is_kept_for_a_person(self, changes, said):
        assert read(an_event(**changes)).unsupported == (said,)

    @pytest.mark.parametrize(
        "changes",
        [
            {"resolution": "refund"},
            {"quantity_semantics": "cumulative"},
            {"lines": [a_line(order={"increment_id": "000000264"})]},
            {"fees": ["0"], "lines": [a_line(), a_line(order=OTHER_ORDER)]},
            {"fees": [{"amount": "4", "currency": "usd"}, {"amount": "0", "currency": "EUR"}]},
        ],
    )
    def test_a_plain_refund_asks_nobody(self, changes):
        assert read(an_event(**changes)).unsupported == ()


@pytest.mark.parametrize(
    "missing", ["type", "return", "order", "lines"]
)  # fmt: skip
def test_a_missing_field_is_named(missing):
    assert missing in unreadable(an_event(**{missing: None})).message


@pytest.mark.parametrize("lines", [[], {}, "none", [1], [None], [[]]])
def test_lines_that_are_none_are_told(lines):
    assert unreadable(an_event(lines=lines)).context["path"].startswith("lines")


def test_more_lines_than_any_return_has_are_told():
    assert "1001 lines" in unreadable(an_event(lines=[a_line()] * 1001)).message


@pytest.mark.parametrize(
    "moment", ["yesterday", "2026-11-23", "2026-11-23T09:00:00", 1770000000, "0001-01-01T00:00:00+23:59"]
)
def test_a_time_without_a_zone_or_a_meaning_is_told(moment):
    assert unreadable(an_event(occurred_at=moment)).context["path"] == "occurred_at"


def test_a_time_is_kept_in_utc():
    assert read(an_event(occurred_at="2026-11-23T10:00:00+01:00")).occurred_at == datetime(2026, 11, 23, 9, tzinfo=UTC)


def test_all_problems_are_told_at_once():
    message = unreadable(an_event(id=7.5, lines=[a_line(quantity="x"), a_line(quantity="-1")])).message

    assert all(path in message for path in ("id", "lines[0].quantity", "lines[1].quantity"))


@pytest.mark.parametrize("reason", [None, "", 7, [], {"code": "fit"}, {"text": "a\x00b\n c"}, "x" * 5000, "\ud800"])
def test_a_reason_never_stops_a_refund_and_can_be_stored(reason):
    text = read(an_event(lines=[a_line(reason=reason)])).lines[0].reason

    assert len(text.encode()) <= 500  # halves of surrogate pairs could not be encoded
    assert "\x00" not in text


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["0", "-1", "1e5", "\x00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
EVENT_KEYS = st.sampled_from(
    [
        "id",
        "return",
        "order",
        "lines",
        "fees",
        "currency",
        "occurred_at",
        "totals",
        "resolution",
        "discrepancies",
        "is_test",
    ]
)
LINE_KEYS = st.sampled_from(
    ["sku", "quantity", "qty", "splits", "disposition", "reason", "order", "order_item_id", "keep_item", "resolution"]
)


@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=200))
def test_any_bytes_are_unreadable_with_a_remedy(raw):
    assert isinstance(unreadable(raw).context["remedy"], str)


@settings(max_examples=300, deadline=None)
@given(
    changes=st.dictionaries(EVENT_KEYS, ANYTHING, max_size=2),
    line=st.dictionaries(LINE_KEYS, ANYTHING, max_size=2),
    change_line=st.booleans(),
)
def test_an_event_with_anything_in_it_is_read_ignored_or_told(changes, line, change_line):
    event = an_event() | changes | ({"lines": [a_line() | line]} if change_line else {})

    result = outcome(event)

    match result:
        case ReturnEvent():
            assert all(line.quantity > 0 for line in result.lines)
        case Ignored():
            assert result.reason.encode()
        case Unreadable():
            assert result.message.encode()


class TestWords:
    """What a line says of its resolution is passed on; an event's own words are those of lines that say nothing."""

    def test_a_line_s_own_word_wins_over_the_event_s(self):
        event = read(an_event(resolution="Exchange", lines=[a_line(resolution="refund"), a_line(sku="24-MB01")]))

        assert [line.resolution for line in event.lines] == ["refund", "exchange"]

    def test_a_destination_is_read_in_lower_case(self):
        assert read(an_event(refund_destination="Store_Credit")).lines[0].refund_destination == "store_credit"

    def test_what_the_customer_keeps_is_counted_as_it_was_announced_and_never_goes_to_the_shelf(self):
        line = a_line(quantity=None, keep_item=True, qty_authorized="2", qty_accepted="0")

        kept = read(an_event(lines=[line])).lines[0]

        assert (kept.keep_item, kept.parts) == (True, parts(("2", "")))

    def test_a_count_for_the_shelf_splits_a_line_that_says_nothing_of_its_condition(self):
        line = a_line(disposition=None, quantity="3", qty_restock="2")

        assert read(an_event(lines=[line])).lines[0].parts == parts(("2", "restock"), ("1", ""))

    def test_more_for_the_shelf_than_is_refunded_is_all_that_is_refunded(self):
        line = a_line(disposition=None, quantity="1", qty_restock="2")

        assert read(an_event(lines=[line])).lines[0].parts == parts(("1", "restock"))

    def test_restock_true_is_all_of_the_line(self):
        assert read(an_event(lines=[a_line(disposition=None, restock=True)])).lines[0].parts == parts(("1", "restock"))

    def test_discrepancies_are_read_and_over_receipts_found(self):
        line = a_line(qty_authorized="1", qty_received="2")

        event = read(an_event(discrepancies=["Wrong_Item"], lines=[line]))

        assert event.discrepancies == ("wrong_item", "over_receipt: 2 of WS12-M-Orange, 1 announced")

    def test_credits_in_the_totals_are_read(self):
        event = read(an_event(totals={"store_credit": "5.00", "exchange_credit": 0}))

        assert (event.store_credit, event.exchange_credit) == (5, 0)

    def test_that_the_sender_has_paid_is_read_whatever_the_type(self):
        event = read(an_event(type="return.resolved", already_refunded=True, lines=None))

        assert (event.already_refunded, event.lines) == (True, ())

    @pytest.mark.parametrize("order", [None, {}, {"increment_id": None}])
    def test_a_return_without_an_order_is_blind(self, order):
        with pytest.raises(BlindReturn) as refused:
            read(an_event(order=order))

        assert "nobody can say what these goods were sold with" in refused.value.message


class TestReceipts:
    """Delta quantities: every receipt by its id."""

    def test_an_event_of_one_receipt_names_it(self):
        event = read(an_event(quantities="delta", receipt_id="rec-1"))

        assert event.quantities is Quantities.DELTA
        assert event.lines == ()
        assert [(receipt.id, receipt.lines[0].quantity) for receipt in event.receipts] == [("rec-1", 1)]

    def test_a_source_s_own_way_to_count_holds_where_the_event_says_nothing(self):
        event = read(an_event(receipt_id="rec-1"), SourcePolicy(quantities=Quantities.DELTA))

        assert event.receipts[0].id == "rec-1"

    def test_a_receipt_without_an_id_is_read_as_having_none(self):
        assert read(an_event(quantities="delta")).receipts[0].id == ""

    def test_several_receipts_of_one_body_are_read_with_their_items(self):
        receipts = [
            {
                "id": "rec-1",
                "items": [{"sku": "WS12-M-Orange", "qty": "1", "splits": [{"qty": "1", "disposition": "a"}]}],
            },
            {"id": 2, "items": [{"sku": "WS12-M-Orange", "qty": "2"}]},
        ]

        event = read(an_event(quantities="delta", receipts=receipts))

        assert [(receipt.id, receipt.lines[0].parts) for receipt in event.receipts] == [
            ("rec-1", parts(("1", "a"))),
            ("2", parts(("2", ""))),
        ]

    def test_an_item_takes_over_what_its_line_says_of_all_units(self):
        line = a_line(resolution="exchange", order=OTHER_ORDER, external_line_id="9")
        receipts = [{"id": "rec-1", "items": [{"external_line_id": "9", "qty": "1"}]}]

        event = read(an_event(quantities="delta", lines=[line], receipts=receipts))

        item = event.receipts[0].lines[0]
        assert (item.resolution, item.sku, event.order.increment_id) == ("exchange", "WS12-M-Orange", "000000265")

    def test_before_anything_was_received_nothing_is_approved(self):
        event = read(an_event(quantities="delta", receipts=[]))

        assert (event.receipts, event.lines) == ((), ())

    def test_what_the_customer_keeps_is_a_receipt_of_its_own(self):
        event = read(an_event(quantities="delta", receipts=[], lines=[a_line(keep_item=True)]))

        assert [receipt.id for receipt in event.receipts] == ["kept:WS12-M-Orange"]

    def test_receipts_of_a_cumulative_event_are_not_added(self):
        receipts = [{"id": "rec-1", "items": [{"sku": "WS12-M-Orange", "qty": "1"}]}]

        event = read(an_event(receipts=receipts))

        assert (len(event.lines), event.receipts) == (1, ())

    @pytest.mark.parametrize("word", ["snapshot", "", 1])
    def test_another_way_to_count_is_told(self, word):
        assert unreadable(an_event(quantities=word)).context["path"] == "quantities"

    def test_too_many_items_are_told(self):
        receipts = [{"id": str(number), "items": [a_line()] * 501} for number in range(2)]

        assert unreadable(an_event(quantities="delta", receipts=receipts)).context["path"] == "receipts"


class TestFigures:
    """What the sender computed is read where the source's policy goes by it."""

    CAP = SourcePolicy(amounts=Amounts.CAP)

    def test_a_line_s_figure_is_of_all_its_units_or_of_each(self):
        lines = [
            a_line(quantity="2", refund_amount="31.50"),
            a_line(quantity="2", refund_amount="31.50", amount_scope="unit", amount_includes_tax=False),
        ]

        event = read(an_event(lines=lines), self.CAP)

        assert [line.refund_amount for line in event.lines] == [
            PortalAmount(amount=Decimal("31.50")),
            PortalAmount(amount=Decimal(63), includes_tax=False),
        ]

    def test_the_total_says_whether_tax_is_in_it_or_the_event_does(self):
        own = read(an_event(totals={"refund": "58.05", "includes_tax": False}, amounts_include_tax=True), self.CAP)
        events = read(an_event(totals={"refund": "58.05"}, amounts_include_tax=True), self.CAP)

        assert (own.refund_total.includes_tax, events.refund_total.includes_tax) == (False, True)

    def test_a_total_of_several_orders_is_no_order_s(self):
        event = read(an_event(totals={"refund": "58.05"}, lines=[a_line(), a_line(order=OTHER_ORDER)]), self.CAP)

        assert (event.refund_total, event.total_is_shared) == (None, True)

    @pytest.mark.parametrize(
        "changes", [{"totals": {"refund": "nonsense"}}, {"lines": [a_line(refund_amount="-1")]}], ids=str
    )
    def test_a_figure_that_is_none_is_told(self, changes):
        with pytest.raises(Unreadable):
            read(an_event(**changes), self.CAP)

    def test_shared_fees_go_off_the_largest_refund_where_that_is_wanted(self):
        policy = SourcePolicy(shared_fees=SharedFees.LARGEST)
        lines = [a_line(refund_amount="10"), a_line(refund_amount="12", order=OTHER_ORDER)]

        first, second = read_all(an_event(fees=["4.95"], lines=lines), policy)

        assert (first.fees, second.fees) == (0, Decimal("4.95"))
        assert first.unsupported == second.unsupported == ()

    def test_without_every_line_s_figure_nobody_can_say_which_is_the_largest(self):
        policy = SourcePolicy(shared_fees=SharedFees.LARGEST)

        said = read_all(an_event(fees=["4.95"], lines=[a_line(), a_line(order=OTHER_ORDER)]), policy)

        assert [(event.fees, event.unsupported) for event in said] == [(0, ("a fee that several orders share",))] * 2


class TestIdsOfContent:
    """A sender without ids: what an event says is its id."""

    def test_the_same_content_has_the_same_id_whatever_time_it_was_said(self):
        first = read(an_event(id=None))
        again = read(an_event(id=None, occurred_at="2026-11-24T09:00:00Z", shipment={"label": "delivered"}))

        assert first.id_is_of_content
        assert first.event_id == again.event_id

    def test_a_reason_in_other_words_is_no_other_content(self):
        assert read(an_event(id=None, lines=[a_line(reason="too small")])).event_id == (
            read(an_event(id=None, lines=[a_line(reason="Too small.")])).event_id
        )

    @pytest.mark.parametrize(
        "changes",
        [
            {"lines": [a_line(quantity="2")]},
            {"lines": [a_line(disposition="damaged")]},
            {"lines": [a_line(), a_line(order=OTHER_ORDER)]},
            {"return": {"id": "RMA-1002"}},
            {"order": OTHER_ORDER},
            {"fees": ["1"]},
        ],
        ids=str,
    )
    def test_other_content_has_another_id(self, changes):
        assert read(an_event(id=None) | {"lines": [a_line()]} | changes).event_id != (
            read(an_event(id=None) | {"lines": [a_line()]}).event_id
        )

    def test_orders_of_one_body_have_ids_of_their_own(self):
        first, second = read_all(an_event(id=None, lines=[a_line(), a_line(order=OTHER_ORDER)]))

        assert first.event_id != second.event_id


class TestWithdrawals:
    """What takes back all that was approved, and needs to name no more than the return and its orders."""

    @pytest.mark.parametrize("event_type", ["return.cancelled", "return.rejected", "return.expired"])
    def test_a_withdrawal_is_of_every_order_and_holds_no_goods(self, event_type):
        said = read_all(an_event(type=event_type, lines=[{"sku": "A"}, {"sku": "B", "order": OTHER_ORDER}]))

        assert [(event.order.increment_id, event.is_withdrawn, event.lines) for event in said] == [
            ("000000264", True, ()),
            ("000000265", True, ()),
        ]

    def test_its_lines_may_be_missing(self):
        assert read(an_event(type="return.cancelled", lines=None)).is_withdrawn

    def test_without_an_order_there_is_nothing_known_to_withdraw(self):
        assert isinstance(read(an_event(type="return.cancelled", lines=None, order=None)), Ignored)

    def test_a_type_that_means_money_withdraws_nothing(self):
        policy = SourcePolicy(refund_on=("return.expired",))

        assert not read(an_event(type="return.expired"), policy).is_withdrawn
