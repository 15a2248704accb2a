"""Asynchronous calls: 2.4.6 puts them into a database queue that nothing consumes here, 2.4.1 fails without a broker.

Accepted means stored, not checked: an order that does not exist is accepted too.
Source: recordings/async-order-refund.json of both versions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from service.sandbox.documents import Document, serialize
from service.sandbox.shop import NotFoundError, Shop
from service.sandbox.totals import PhpFailureError

_TOPIC = "async.magento.sales.api.refund{what}interface.execute.post"
#: Waiting for a consumer.
_OPEN = {"id": 0, "status": 4, "result_message": None, "error_code": None}


def enqueue(shop: Shop, *, what: str, entity_id: str, body: Mapping[str, Any]) -> Document:
    """Stores a refund of an `order` or `invoice` for later; without a queue PHP fails."""
    if not shop.quirks.queues_async_calls:
        raise PhpFailureError("Unknown connection name amqp")
    digest = hashlib.sha256(f"{shop.gateway.seed} bulk {shop.next_id('bulk')}".encode()).hexdigest()
    uuid = "-".join((digest[:8], digest[8:12], "4" + digest[13:16], "a" + digest[17:20], digest[20:32]))
    data = {
        "entity_id": None,
        "entity_link": "",
        "meta_information": serialize({**body, f"{what}Id": entity_id}).decode(),
        "store_id": "1",
    }
    shop.bulks[uuid] = {
        "topic_name": _TOPIC.format(what=what),
        "serialized_data": json.dumps(data, separators=(",", ":")),
        "start_time": shop.timestamp(),
    }
    accepted = {"id": 0, "data_hash": digest, "status": "accepted"}
    return {"bulk_uuid": uuid, "request_items": [accepted], "errors": False}


def show_bulk(shop: Shop, uuid: str, *, detailed: bool) -> Document:
    if uuid not in shop.bulks:
        raise NotFoundError
    bulk = shop.bulks[uuid]
    operation: Document = dict(_OPEN)
    if detailed:
        operation |= {
            "bulk_uuid": uuid,
            "topic_name": bulk["topic_name"],
            "serialized_data": bulk["serialized_data"],
            "result_serialized_data": None,
        }
    return {
        "operations_list": [operation],
        "user_type": 2,
        "bulk_id": uuid,
        "description": f"Topic {bulk['topic_name']}",
        "start_time": bulk["start_time"],
        "user_id": 1,
        "operation_count": 1,
    }
