"""What is asked in a write transaction, at every look or at every answer, is found by an index."""

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import create_engine

from service.store import migrate
from service.store.inbox import _RETURNS_OF
from service.store.refunds import _OTHER_WITH_MEMO
from service.store.returns import _ANSWERED_MEMOS, _MAY_BE_OF

_BOTH = "(instance=? AND order_entity_id=?)"


@pytest.mark.parametrize(
    ("statement", "search"),
    [
        pytest.param(
            _OTHER_WITH_MEMO,
            f"SEARCH refunds USING INDEX ix_refunds_instance_order_entity_id {_BOTH}",
            id="another refund with a memo",
        ),
        pytest.param(
            _ANSWERED_MEMOS,
            f"SEARCH returns USING COVERING INDEX ix_returns_instance_order_entity_id {_BOTH}",
            id="memos of an order that were answered for",
        ),
        pytest.param(
            _MAY_BE_OF,
            f"SEARCH returns USING INDEX ix_returns_instance_order_entity_id {_BOTH}",
            id="returns that may be of an order",
        ),
        pytest.param(
            _RETURNS_OF,
            "SEARCH events USING INDEX ix_events_delivery_id (delivery_id=?)",
            id="returns that a delivery speaks of",
        ),
    ],
)
def test_an_index_is_searched_by_all_of_its_columns_and_no_table_is_walked_through(tmp_path, statement, search):
    migrate(f"sqlite:///{tmp_path}/refundry.db")
    compiled = statement.compiled(create_engine("sqlite://").dialect)
    with closing(sqlite3.connect(f"{tmp_path}/refundry.db")) as database:
        plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {compiled.sql}", [0] * len(compiled.order))]

    assert search in plan
    assert not [step for step in plan if step.startswith("SCAN")]
