"""Orders of a real Magento, looked at as a later look does: sound ones raise no alarm about their totals."""

from __future__ import annotations

import json
import re
from collections import Counter
from decimal import Decimal
from itertools import combinations

import pytest

from service.core.drift import RefundFacts, find_drift
from service.core.orders import Reading
from service.core.plan import RefundRequest, RequestItem, Route
from service.magento import documents
from tests.recordings import FOLDER, WITHOUT, recording_files

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=WITHOUT)

MARKER = "RR-AAAAAAAAAAAAAAAA-01R"
ABOUT_TOTALS = {"drift-totals-back", "drift-memo-missing", "drift-memo-changed"}
REFUND = re.compile(r"/V1/(?P<kind>order|invoice)/(?P<id>\d+)/refund$")


@pytest.mark.parametrize("path", recording_files(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_only_refunds_made_at_once_let_totals_go_back(path):
    recording = json.loads(path.read_text(), parse_float=Decimal)
    after = recording["after"]
    readings = [reading_of(order, after) for order in after["orders"] if order]
    at_once = orders_refunded_at_once(recording["exchanges"], after["invoices"])

    alarmed = {reading.order.entity_id for reading in readings for drift in drifts(reading) if is_about_totals(drift)}

    assert alarmed <= at_once


def reading_of(order, after):
    read = documents.read_order(order)
    memos = [documents.read_memo(memo) for memo in after["creditmemos"] if memo["order_id"] == read.entity_id]
    return Reading(order=read, invoices=(), memos=tuple(memos))


def drifts(reading):
    """As if each memo were ours."""
    for memo in reading.memos:
        request = RefundRequest(
            route=Route.ORDER,
            order_id=memo.order_id,
            items=(RequestItem(order_item_id=1, qty=Decimal(1)),),
            shipping_amount=Decimal(0),
            notify=False,
            marker=MARKER,
            comment=MARKER,
        )
        facts = RefundFacts(request=request, memo_id=memo.entity_id, memo_then=memo, our_memos=frozenset())
        yield from find_drift(facts, reading)


def is_about_totals(drift):
    return drift.code in ABOUT_TOTALS


def orders_refunded_at_once(exchanges, invoices):
    """Orders with two refund calls of which one began before the other had ended."""
    order_of_invoice = {str(invoice["entity_id"]): str(invoice["order_id"]) for invoice in invoices}
    calls = []
    for exchange in exchanges:
        match = REFUND.search(exchange["request"]["path"])
        if match and exchange["request"]["method"] == "POST":
            order = match["id"] if match["kind"] == "order" else order_of_invoice.get(match["id"])
            begin = exchange.get("at_s", 0)
            calls.append((order, begin, begin + (exchange.get("elapsed_s") or 0)))
    overlapping = Counter(
        one[0]
        for one, other in combinations(calls, 2)
        if one[0] == other[0] and one[1] < other[2] and other[1] < one[2]
    )
    return {int(order) for order in overlapping if order}
