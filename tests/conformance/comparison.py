"""Compares what was recorded with what the sandbox says, by the rules of recordings/FORMAT.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from service.sandbox import documents
from service.sandbox.http import Answer
from tests.conformance.ids import ID_FIELDS, PARTS, UNSORTED, IdPairs, find_answer_kind, find_filter_kind
from tests.conformance.recordings import Exchange

#: What is not compared, and why. Printed by every run.
IGNORED = {
    "created_at, updated_at, start_time": "time stamps: only that both have one",
    "protect_code, data_hash": "drawn anew in every run: only that both have one",
    "Report ID: webapi-…": "drawn anew in every run",
    "bodies of HTML pages": "name the host and a log number: status and content type count",
    "searches over the whole store": "the other shop had more orders: status and content type count, "
    "unless nothing was found",
    "stock in concurrent-* of 2.4.1": "lost updates are chance",
    "which order has which outcome in concurrent-*": "chance; where it is not the recorded one, each order's statuses, "
    "memos, gateway refunds and total_refunded must be as recorded for some order",
    "number of polls in gateway-slow-*": "the abandoned call ends when the recording first shows its memo",
}

_PRESENCE_ONLY = frozenset({"created_at", "updated_at", "start_time", "protect_code", "data_hash"})
_REPORT_ID = re.compile(r"Report ID: webapi-[0-9a-f]+")

#: Fields that narrow a search to documents of the scenario.
_NARROWING = frozenset(
    {"order_id", "entity_id", "increment_id", "invoice_id", "parent_id", "customer_note", "created_at", "sku"}
)

Differences = Iterator[str]


def compare_answer(exchange: Exchange, answer: Answer, ids: IdPairs) -> Differences:
    """Differences between a recorded answer and the sandbox's, each with its place."""
    recorded = exchange.response
    assert recorded is not None
    if recorded["status"] != answer.status:
        yield f"status {recorded['status']} is {answer.status} {_shorten(answer.body)}"
        return
    if recorded["content_type"] != answer.content_type:
        yield f"content type {recorded['content_type']} is {answer.content_type}"
        return
    for name, value in (recorded.get("headers") or {}).items():
        if answer.headers.get(name) != value:
            yield f"header {name} {value!r} is {answer.headers.get(name)!r}"
    if "html" in answer.content_type or _is_store_wide(exchange):
        return
    if "xml" in answer.content_type:
        yield from _compare_xml(str(recorded["body"]), answer.body.decode(), ids)
        return
    yield from _compare_body(exchange, recorded["body"], documents.parse(answer.body), ids)


def _compare_body(exchange: Exchange, recorded: Any, body: Any, ids: IdPairs) -> Differences:
    kind, is_search = find_answer_kind(exchange.path)
    if (exchange.status or 0) >= 400:
        yield from _compare_plain(_without_report_id(recorded), _without_report_id(body), ids, "body")
    elif kind is not None and kind.endswith(" id"):
        if type(recorded) is not type(body):
            yield f"body {recorded!r} is {body!r}"
        elif why := ids.pair(kind.removesuffix(" id"), recorded, body):
            yield why
    elif is_search and isinstance(body, dict) and isinstance(recorded, dict):
        yield from _compare_found(recorded, body, kind, ids, is_sorted="sort" in exchange.path)
    else:
        yield from compare_document(recorded, body, kind, ids, "body")


def _compare_found(
    recorded: dict[str, Any], found: dict[str, Any], kind: str | None, ids: IdPairs, *, is_sorted: bool
) -> Differences:
    yield from _compare_keys(recorded, found, "body")
    left, right = recorded.get("items"), found.get("items")
    if isinstance(left, list) and isinstance(right, list):
        if not is_sorted:
            left, right = _by_id(left), _by_id(right)
        yield from compare_document(left, right, kind, ids, "items")
    elif left != right:
        yield f"items {_shorten(left)} is {_shorten(right)}"
    if recorded.get("total_count") != found.get("total_count"):
        yield f"total_count {recorded.get('total_count')} is {found.get('total_count')}"
    expected = _translate_criteria(recorded.get("search_criteria"), kind, ids)
    yield from _compare_plain(expected, found.get("search_criteria"), ids, "search_criteria")


def _translate_criteria(criteria: Any, kind: str | None, ids: IdPairs) -> Any:
    if not isinstance(criteria, dict):
        return criteria
    groups = [
        {"filters": [_translate_filter(one, kind, ids) for one in group.get("filters", [])]}
        for group in criteria.get("filter_groups", [])
    ]
    return {**criteria, "filter_groups": groups}


def _translate_filter(one: dict[str, Any], kind: str | None, ids: IdPairs) -> dict[str, Any]:
    of_id = find_filter_kind(one["field"], kind)
    if of_id is None:
        return one
    return {**one, "value": ",".join(ids.translate(of_id, value) for value in one["value"].split(","))}


def compare_document(recorded: Any, sandbox: Any, kind: str | None, ids: IdPairs, at: str) -> Differences:
    """Differences of two documents of one kind; new ids are paired on the way."""
    if isinstance(recorded, list) and isinstance(sandbox, list):
        if kind in UNSORTED:
            recorded, sandbox = _by_id(recorded), _by_id(sandbox)
        if len(recorded) != len(sandbox):
            yield f"{at}: {len(recorded)} entries are {len(sandbox)}"
        for number, pair in enumerate(zip(recorded, sandbox, strict=False)):
            yield from compare_document(*pair, kind, ids, f"{at}[{number}]")
    elif isinstance(recorded, dict) and isinstance(sandbox, dict):
        yield from _compare_keys(recorded, sandbox, at)
        for name in recorded.keys() & sandbox.keys() if kind is None else _in_order(recorded, sandbox):
            yield from _compare_field((recorded[name], sandbox[name]), kind, name, ids, f"{at}.{name}")
    else:
        yield from _compare_plain(recorded, sandbox, ids, at)


def _in_order(recorded: Mapping[str, Any], sandbox: Mapping[str, Any]) -> list[str]:
    """Shared names, ids of the document itself first, so that they are paired before its parts name them."""
    return sorted(recorded.keys() & sandbox.keys(), key=lambda name: (isinstance(recorded[name], dict | list), name))


def _compare_field(pair: tuple[Any, Any], kind: str | None, name: str, ids: IdPairs, at: str) -> Differences:
    recorded, sandbox = pair
    if name in _PRESENCE_ONLY:
        if (recorded is None) != (sandbox is None):
            yield f"{at}: {recorded!r} is {sandbox!r}"
        return
    of_id = ID_FIELDS.get(kind or "", {}).get(name)
    if of_id is not None and recorded is not None and sandbox is not None:
        why = ids.pair(of_id, recorded, sandbox)
        if why or type(recorded) is not type(sandbox):
            yield f"{at}: {why or f'{recorded!r} is {sandbox!r}'}"
        return
    yield from compare_document(recorded, sandbox, PARTS.get(kind or "", {}).get(name), ids, at)


def _compare_keys(recorded: Mapping[str, Any], sandbox: Mapping[str, Any], at: str) -> Differences:
    for name in sorted(recorded.keys() - sandbox.keys()):
        yield f"{at}.{name}: {_shorten(recorded[name])} is missing"
    for name in sorted(sandbox.keys() - recorded.keys()):
        yield f"{at}.{name}: {_shorten(sandbox[name])} is too much"


def _compare_plain(recorded: Any, sandbox: Any, ids: IdPairs, at: str) -> Differences:
    if isinstance(recorded, dict | list) and type(recorded) is type(sandbox):
        yield from compare_document(recorded, sandbox, None, ids, at)
    elif isinstance(recorded, str) and isinstance(sandbox, str):
        if why := ids.pair_text(recorded, sandbox):
            yield f"{at}: {why}"
    elif not _same(recorded, sandbox):
        yield f"{at}: {_shorten(recorded)} is {_shorten(sandbox)}"


def _same(recorded: Any, sandbox: Any) -> bool:
    if _is_number(recorded) and _is_number(sandbox):
        return to_places(recorded) == to_places(sandbox)
    return type(recorded) is type(sandbox) and recorded == sandbox


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def to_places(value: int | Decimal) -> Decimal:
    return Decimal(value).quantize(Decimal("0.0001"))


def _by_id(entries: Sequence[Any]) -> list[Any]:
    def key(entry: Any) -> int:
        return int(entry.get("entity_id", entry.get("transaction_id", 0))) if isinstance(entry, dict) else 0

    return sorted(entries, key=key)


def _without_report_id(body: Any) -> Any:
    if isinstance(body, dict) and isinstance(body.get("message"), str):
        return {**body, "message": _REPORT_ID.sub("Report ID", body["message"])}
    return body


def _compare_xml(recorded: str, sandbox: str, ids: IdPairs) -> Differences:
    left, right = (
        re.fullmatch(r"<\?xml.*<response>(\d+)</response>\s*", text, re.DOTALL) for text in (recorded, sandbox)
    )
    if left and right:
        if why := ids.pair("memo", left.group(1), right.group(1)):
            yield why
    elif recorded != sandbox:
        yield f"XML {recorded!r} is {sandbox!r}"


def _is_store_wide(exchange: Exchange) -> bool:
    fields = set(re.findall(r"\[field\]=([^&]*)", exchange.path))
    found = exchange.body.get("total_count") if isinstance(exchange.body, dict) else None
    return bool(fields) and not fields & _NARROWING and found != 0


def compare_state(recorded: Mapping[str, Any], sandbox: Mapping[str, Any], ids: IdPairs) -> Differences:
    """Differences of `before` or `after`: orders, invoices, credit memos. Stock is compared by what moved."""
    for name, kind in (("orders", "order"), ("invoices", "invoice"), ("creditmemos", "memo")):
        left, right = _by_id(recorded.get(name, [])), _by_id(sandbox.get(name, []))
        yield from compare_document(left, right, kind, ids, name)


def compare_stock(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    sandbox_before: Mapping[str, Any],
    sandbox_after: Mapping[str, Any],
) -> Differences:
    """Differences of what moved, on hand per source and salable."""
    for sku in sorted(before):
        recorded = _moved(before[sku], after.get(sku, before[sku]))
        moved = _moved(sandbox_before[sku], sandbox_after[sku])
        for what in sorted(recorded.keys() | moved.keys()):
            left, right = recorded.get(what, Decimal(0)), moved.get(what, Decimal(0))
            if to_places(left) != to_places(right):
                yield f"stock of {sku}, {what}: {left:+} is {right:+}"


def _moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Decimal]:
    def figures(document: Mapping[str, Any]) -> dict[str, Decimal]:
        sources = {f"on hand at {i['source_code']}": Decimal(i["quantity"]) for i in document["source_items"]}
        return sources | {"salable": Decimal(document["salable"])}

    first, last = figures(before), figures(after)
    return {what: last.get(what, Decimal(0)) - first.get(what, Decimal(0)) for what in first.keys() | last.keys()}


def compare_ledger(recorded: Sequence[Mapping[str, Any]], sandbox: Sequence[Mapping[str, Any]]) -> Differences:
    """Differences of the gateway's ledger: what, amount and count, order by order."""
    orders = sorted({str(line["order"]) for line in (*recorded, *sandbox)})
    for order in orders:
        left, right = (
            [f"{line['what']} {to_places(line['amount']):f}" for line in lines if line["order"] == order]
            for lines in (recorded, sandbox)
        )
        if left != right:
            yield f"ledger of {order}: {', '.join(left) or 'nothing'} is {', '.join(right) or 'nothing'}"


def _shorten(value: Any) -> str:
    text = value.decode(errors="replace") if isinstance(value, bytes) else repr(value)
    return text if len(text) <= 160 else text[:157] + "…"
