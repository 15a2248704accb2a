"""The recordings are the truth: every amount of every memo, on both versions, and what memos do to an order."""

from decimal import Decimal

import pytest

from service.core.counters import after_memo
from service.core.orders import Reading
from service.magento.documents import parse_json, read_memo, read_order
from tests.predictions.compare import compare_directory
from tests.predictions.recorded import order_with_its_invoices, unsure_since
from tests.recordings import FOLDER, WITHOUT, recording_files

AFTER_ALL = Decimal("Infinity")

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=WITHOUT)


def test_every_amount_of_every_accepted_refund_is_predicted():
    compared = [one for one in compare_directory(FOLDER) if one.call.excepted is None]

    assert compared
    assert [(one.call.scenario, one.call.memo.entity_id, one.differences) for one in compared if one.differences] == []


def test_memo_after_memo_the_orders_counters_become_what_magento_shows_in_the_end():
    orders = 0
    for file in recording_files():
        recording = parse_json(file.read_bytes())
        unsure = unsure_since(recording)
        known = {memo["entity_id"] for memo in recording["before"]["creditmemos"]}
        memos = sorted(map(read_memo, recording["after"]["creditmemos"]), key=lambda memo: memo.entity_id)
        for document in recording["after"]["orders"]:
            if document["entity_id"] in unsure:
                continue
            shown = read_order(document)
            first = read_order(order_with_its_invoices(recording, shown.entity_id, at=AFTER_ALL))
            state = Reading(order=first, invoices=(), memos=())

            for memo in memos:
                if memo.order_id == shown.entity_id and memo.entity_id not in known:
                    state = after_memo(state, memo)

            assert money_and_quantities(state.order) == money_and_quantities(shown), file.name
            orders += 1
    assert orders


def money_and_quantities(order):
    return order.base, order.shown, order.base_shipping, order.shown_shipping, order.lines, order.shows_a_refund
