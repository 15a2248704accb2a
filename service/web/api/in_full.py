"""One thing with all that belongs to it, as /api/v1 shows it; the command line's --json says the same."""

from __future__ import annotations

import base64
from typing import Any

from service.store import Delivery, RefundRow, ReturnCase, Store
from service.web.api.shapes import (
    AttemptShape,
    DeliveryShape,
    DriftCheckShape,
    JournalShape,
    RefundInFullShape,
    ReturnInFullShape,
    StoredEventShape,
    dump,
    dump_all,
)


def delivery_in_full(store: Store, delivery: Delivery, *, with_body: bool) -> dict[str, Any]:
    shown = dump(DeliveryShape(), delivery) | {
        "size_bytes": len(delivery.body),
        "headers": dict(delivery.headers),
        "journal": dump_all(JournalShape(), store.journal.of(delivery_id=delivery.id)),
    }
    return shown | {"body": _readable(delivery.body)} if with_body else shown


def return_in_full(store: Store, case: ReturnCase) -> dict[str, Any]:
    return dump(ReturnInFullShape(), case) | {
        "events": dump_all(StoredEventShape(), store.returns.events(case.id)),
        "refunds": [_refund(store, row) for row in store.refunds.of_return(case.id)],
        "journal": dump_all(JournalShape(), store.journal.of(return_id=case.id)),
    }


def refund_in_full(store: Store, row: RefundRow) -> dict[str, Any]:
    return _refund(store, row) | {"journal": dump_all(JournalShape(), store.journal.of(refund_id=row.id))}


def _refund(store: Store, row: RefundRow) -> dict[str, Any]:
    return dump(RefundInFullShape(), row) | {
        "attempts": dump_all(AttemptShape(), store.refunds.attempts(row.id)),
        "looks": dump_all(DriftCheckShape(), store.checks.of(row.id)),
    }


def _readable(body: bytes) -> dict[str, str]:
    try:
        return {"text": body.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}
