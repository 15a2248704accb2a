"""The addresses of /api/v1 and what each shows."""

from __future__ import annotations

import base64
from typing import Any

from flask import Blueprint, Response, jsonify

from service.runtime import Runtime
from service.store import RefundRow, parse_id
from service.web.api import queries, shapes
from service.web.api.keys import RAW, READ, require_key
from service.web.api.pages import answer_page
from service.web.api.queries import read_query
from service.web.api.shapes import dump, dump_all
from service.web.context import current_runtime

blueprint = Blueprint("api", __name__, url_prefix="/api/v1")


@blueprint.before_request
def require_reader() -> None:
    require_key(READ)


@blueprint.get("/deliveries")
def list_deliveries() -> Response:
    read = current_runtime().store.inbox.list
    return answer_page("delivery", read, queries.DeliveriesQuery(), shapes.DeliveryShape())


@blueprint.get("/deliveries/<public_id>")
def show_delivery(public_id: str) -> Response:
    """With `?raw=1` and the scope for it the body too, byte for byte."""
    with_body = read_query(queries.DeliveryQuery())["raw"]
    if with_body:
        require_key(RAW)
    store = current_runtime().store
    delivery = store.inbox.delivery(parse_id("delivery", public_id))
    shown = dump(shapes.DeliveryShape(), delivery) | {
        "size_bytes": len(delivery.body),
        "headers": dict(delivery.headers),
        "journal": dump_all(shapes.JournalShape(), store.journal.of(delivery_id=delivery.id)),
    }
    return jsonify(shown | {"body": _readable(delivery.body)} if with_body else shown)


@blueprint.get("/returns")
def list_returns() -> Response:
    return answer_page("return", current_runtime().store.returns.list, queries.ReturnsQuery(), shapes.ReturnShape())


@blueprint.get("/returns/<public_id>")
def show_return(public_id: str) -> Response:
    read_query(queries.NoQuery())
    runtime = current_runtime()
    case = runtime.store.returns.case(parse_id("return", public_id))
    parts = {
        "events": dump_all(shapes.StoredEventShape(), runtime.store.returns.events(case.id)),
        "refunds": [_refund_in_full(runtime, row) for row in runtime.store.refunds.of_return(case.id)],
        "journal": dump_all(shapes.JournalShape(), runtime.store.journal.of(return_id=case.id)),
    }
    return jsonify(dump(shapes.ReturnInFullShape(), case) | parts)


@blueprint.get("/refunds")
def list_refunds() -> Response:
    return answer_page("refund", current_runtime().store.refunds.list, queries.RefundsQuery(), shapes.RefundShape())


@blueprint.get("/refunds/<public_id>")
def show_refund(public_id: str) -> Response:
    read_query(queries.NoQuery())
    runtime = current_runtime()
    row = runtime.store.refunds.row(parse_id("refund", public_id))
    journal = dump_all(shapes.JournalShape(), runtime.store.journal.of(refund_id=row.id))
    return jsonify(_refund_in_full(runtime, row) | {"journal": journal})


@blueprint.get("/refusals")
def show_refusals() -> Response:
    """What was not stored: how often by source and status since ever, and the last ones with their reasons."""
    limit = read_query(queries.PageQuery())["limit"]
    refusals = current_runtime().store.refusals
    counts = dump_all(shapes.RefusalCountShape(), refusals.counts())
    return jsonify({"counts": counts, "recent": dump_all(shapes.RefusalShape(), refusals.recent(limit))})


@blueprint.get("/switches")
def show_switches() -> Response:
    """The stops in force; an empty list: everything goes."""
    read_query(queries.NoQuery())
    return jsonify({"stops": dump_all(shapes.SwitchShape(), current_runtime().store.switches.all())})


def _refund_in_full(runtime: Runtime, row: RefundRow) -> dict[str, Any]:
    attempts = dump_all(shapes.AttemptShape(), runtime.store.refunds.attempts(row.id))
    return dump(shapes.RefundInFullShape(), row) | {"attempts": attempts}


def _readable(body: bytes) -> dict[str, str]:
    try:
        return {"text": body.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}
