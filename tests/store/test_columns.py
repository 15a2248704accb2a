from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from service.core.lifecycle import RefundState
from service.core.marker import Marker
from service.store.columns import Instant, Json, Money, Word
from service.store.tables import metadata

DIALECT = sqlite.dialect()


def kept(column, value):
    return column.process_result_value(column.process_bind_param(value, DIALECT), DIALECT)


@for_all(st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 -- hypothesis wants it so
def test_an_instant_is_kept_to_the_microsecond(instant):
    assert kept(Instant(), instant) == instant


def test_an_instant_is_the_same_from_any_zone():
    noon = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))

    assert kept(Instant(), noon) == datetime(2026, 7, 1, 10, tzinfo=UTC)


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        kept(Instant(), datetime(2026, 7, 1, 12))  # noqa: DTZ001 -- the mistake


@for_all(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12))
def test_money_is_kept_to_the_last_zero(amount):
    assert str(kept(Money(), amount)) == format(amount, "f")


def test_json_knows_no_floats():
    assert kept(Json(), {"qty": Decimal("1.50"), "price": 10.1}) == {"qty": "1.50", "price": Decimal("10.1")}


def test_json_refuses_what_it_does_not_know():
    with pytest.raises(TypeError, match="set"):
        kept(Json(), {"x": {1}})


def test_a_word_is_one_of_its_enum_s():
    assert kept(Word(RefundState), RefundState.DONE) is RefundState.DONE
    with pytest.raises(ValueError, match="finished"):
        kept(Word(RefundState), "finished")


@pytest.mark.parametrize("column", [Instant(), Money(), Json(), Word(RefundState)])
def test_nothing_stays_nothing(column):
    assert kept(column, None) is None


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=str)
def test_the_schema_can_be_said_to_postgresql(table):
    dialect = postgresql.dialect()

    assert str(CreateTable(table).compile(dialect=dialect))
    for index in table.indexes:
        said = str(CreateIndex(index).compile(dialect=dialect))
        assert ("WHERE" in said) == (index.dialect_options["sqlite"]["where"] is not None)


#: Column → the longest text that it is ever given, where the length is not its type's own. Anything else has none.
LONGEST = {
    "deliveries.body_sha256": "f" * 64,
    "api_keys.key_hash": "f" * 64,
    # A part is one more than the memos of one return on one order.
    "refunds.marker": str(Marker(stem=f"RR-{'A' * 16}", part=10**9, restocks=True)),
    # Magento's own column has three letters.
    "refunds.base_currency": "USD",
    "refunds.currency": "EUR",
}


def test_whatever_has_a_length_on_postgresql_is_never_given_more():
    unexplained = []
    for column in (column for table in metadata.sorted_tables for column in table.columns):
        length = getattr(column.type.dialect_impl(postgresql.dialect()), "length", None)
        if isinstance(column.type, Word):
            longest = max(column.type.words, key=len)
        elif isinstance(column.type, Money):
            longest = "-9999999999999999.9999"  # Magento's DECIMAL(20,4)
        else:
            longest = LONGEST.get(str(column))
        if length is not None and (longest is None or len(longest) > length):
            unexplained.append(str(column))

    assert unexplained == []
