"""The order as REST shows it, with its copies, and as the sandbox keeps it, without.

A kit's parts carry a copy of their parent, the shipping assignment one of all lines and of the shipping totals.
Source: recordings/bundle-dynamic-by-children.json, configurable-restock-child.json.
"""

from __future__ import annotations

from service.sandbox.documents import Document

_SHIPPING_TOTALS = tuple(
    prefix + name
    for prefix in ("", "base_")
    for name in (
        "shipping_amount",
        "shipping_canceled",
        "shipping_discount_amount",
        "shipping_discount_tax_compensation_amount",
        "shipping_discount_tax_compensation_amnt",
        "shipping_incl_tax",
        "shipping_invoiced",
        "shipping_refunded",
        "shipping_tax_amount",
        "shipping_tax_refunded",
    )
)


def show_order(order: Document) -> Document:
    """The order with all copies; they are the same objects, so do not change them."""
    by_id = {item["item_id"]: item for item in order["items"]}
    items = [
        {**item, "parent_item": by_id[item["parent_item_id"]]} if item.get("parent_item_id") in by_id else item
        for item in order["items"]
    ]
    shown = {**order, "items": items}
    assignments = order.get("extension_attributes", {}).get("shipping_assignments")
    if assignments:
        shown["extension_attributes"] = {
            **order["extension_attributes"],
            "shipping_assignments": [_show_assignment(one, order, items) for one in assignments],
        }
    return shown


def without_copies(order: Document) -> Document:
    kept = dict(order)
    kept["items"] = [{name: value for name, value in item.items() if name != "parent_item"} for item in order["items"]]
    attributes = dict(order.get("extension_attributes", {}))
    attributes["shipping_assignments"] = [
        {name: value for name, value in assignment.items() if name != "items"}
        for assignment in attributes.get("shipping_assignments", ())
    ]
    kept["extension_attributes"] = attributes
    kept.setdefault("status_histories", [])
    return kept


def _show_assignment(assignment: Document, order: Document, items: list[Document]) -> Document:
    totals = {name: order[name] for name in _SHIPPING_TOTALS if name in order}
    return {**assignment, "shipping": {**assignment.get("shipping", {}), "total": totals}, "items": items}
