"""The addresses of /api/v1 and what each shows."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from service.store import parse_id
from service.web.api import queries, shapes
from service.web.api.in_full import delivery_in_full, refund_in_full, return_in_full
from service.web.api.keys import RAW, READ, require_key
from service.web.api.pages import answer_page
from service.web.api.queries import read_query
from service.web.api.shapes import dump_all
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
    return jsonify(delivery_in_full(store, delivery, with_body=with_body))


@blueprint.get("/returns")
def list_returns() -> Response:
    return answer_page("return", current_runtime().store.returns.list, queries.ReturnsQuery(), shapes.ReturnShape())


@blueprint.get("/returns/<public_id>")
def show_return(public_id: str) -> Response:
    read_query(queries.NoQuery())
    store = current_runtime().store
    return jsonify(return_in_full(store, store.returns.case(parse_id("return", public_id))))


@blueprint.get("/refunds")
def list_refunds() -> Response:
    return answer_page("refund", current_runtime().store.refunds.list, queries.RefundsQuery(), shapes.RefundShape())


@blueprint.get("/refunds/<public_id>")
def show_refund(public_id: str) -> Response:
    read_query(queries.NoQuery())
    store = current_runtime().store
    return jsonify(refund_in_full(store, store.refunds.row(parse_id("refund", public_id))))


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
