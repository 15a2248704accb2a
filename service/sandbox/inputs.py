"""Reads request bodies the way Magento's ServiceInputProcessor does: lenient at the top, strict inside objects.

A name nobody knows is ignored on the top level and stops PHP inside an object; a number is refused with a message, a
boolean is guessed. Source: recordings/malformed-requests.json, body-not-an-object.json; Magento 2.4
ServiceInputProcessor.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from service.sandbox import documents
from service.sandbox.documents import Document
from service.sandbox.http import Request
from service.sandbox.memo_draft import AskedRefund
from service.sandbox.search import Parameters
from service.sandbox.totals import PhpFailureError, RefusedError

_CAMEL = re.compile(r"(?<!^)(?=[A-Z])")
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_JSON_TYPES = ("application/json",)
_FALSE = {"", "0", "false", "null", "no", "off"}


class ErrorPageError(Exception):
    """PHP fails while it answers: status 200 or 500 with an HTML page, and nothing done."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class WrongTypeError(RefusedError):
    """A value that cannot become the type of its field; the parameters have names."""

    def __init__(self, field: str, value: object, wanted: str) -> None:
        super().__init__(
            'Error occurred during "%fieldName" processing. The "%value" value\'s type is invalid. '
            'The "%type" type was expected. Verify and try again.'
        )
        self.named = {"fieldName": field, "value": str(value), "type": wanted}


def read_body(request: Request) -> Parameters:
    """The body's top-level names; a body that is no object has none."""
    if not request.body:
        return {}
    said_type = request.header("Content-Type")
    if not said_type:
        raise RefusedError("Content-Type header is empty.")
    media_type = said_type.partition(";")[0].strip().lower()
    if media_type not in _JSON_TYPES:
        raise RefusedError(f"Server cannot understand Content-Type HTTP header media type {media_type}")
    try:
        body = documents.parse(request.body)
    except ValueError:
        raise RefusedError("Decoding error.") from None
    return body if isinstance(body, dict) else {}


def read_path_id(text: str) -> int:
    if not re.fullmatch(r"[+-]?\d+", text):
        raise RefusedError(f'The "{text}" value\'s type is invalid. The "int" type was expected. Verify and try again.')
    return int(text)


def read_refund(body: Parameters) -> AskedRefund:
    """The parameters of both refund routes; `isOnline` on the order route is simply not looked at."""
    said = _top_level(body, ("items", "isOnline", "notify", "appendComment", "comment", "arguments"))
    arguments = _read_object(said["arguments"], _ARGUMENTS)
    extension = _read_object(arguments.get("extension_attributes"), ("return_to_stock_items",))
    comment = said["comment"]
    return AskedRefund(
        items=tuple(_read_items(said["items"])),
        is_online=read_bool(said["isOnline"]),
        notify=read_bool(said["notify"]),
        append_comment=read_bool(said["appendComment"]),
        comment=None if comment is None else _read_object(comment, _COMMENT),
        shipping_amount=_read_amount(arguments, "shipping_amount"),
        adjustment_positive=_read_amount(arguments, "adjustment_positive"),
        adjustment_negative=_read_amount(arguments, "adjustment_negative"),
        return_to_stock=tuple(_read_lenient_int(value) for value in _read_list(extension.get("return_to_stock_items"))),
    )


_ARGUMENTS = ("shipping_amount", "adjustment_positive", "adjustment_negative", "extension_attributes")
_COMMENT = ("comment", "is_visible_on_front", "extension_attributes")
_ITEM = ("order_item_id", "qty", "extension_attributes")


def read_quantities(body: Parameters) -> dict[int, Decimal]:
    """The `items` of an invoice or shipment: order item id → units."""
    return dict(_read_items(body.get("items")))


def read_entity(body: Parameters, *names: str) -> Document:
    """The one object a body must hold under one of its names."""
    for name in names:
        if isinstance(body.get(name), dict):
            return {_snake(key): value for key, value in body[name].items()}
    raise RequiredError(names[0])


class RequiredError(RefusedError):
    def __init__(self, field: str) -> None:
        super().__init__('"%fieldName" is required. Enter and try again.')
        self.named = {"fieldName": field}


def read_bool(value: object) -> bool:
    if isinstance(value, str):
        return value.strip().lower() not in _FALSE
    return bool(value)


def _top_level(body: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: body.get(name, body.get(_snake(name))) for name in names}


def _read_object(value: object, names: Iterable[str]) -> Document:
    if value is None:
        return {}
    if not isinstance(value, dict):
        if isinstance(value, list) and not value:
            return {}
        raise PhpFailureError(f"{value!r} given where an object was declared")
    said = {_snake(key): part for key, part in value.items()}
    if unknown := said.keys() - set(names):
        raise PhpFailureError(f"Property {min(unknown)!r} does not have accessor method")
    return said


def _read_list(value: object) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return list(value.values())
    raise ErrorPageError(200)


def _read_items(value: object) -> Iterable[tuple[int, Decimal]]:
    for part in _read_list(value):
        item = _read_object(part, _ITEM)
        if item.get("order_item_id") is None:
            raise RefusedError("An ID is needed. Set the ID and try again.")
        yield _read_int(item, "order_item_id"), _read_amount(item, "qty") or Decimal(0)


def _read_int(said: Document, field: str) -> int:
    value = said[field]
    if isinstance(value, bool) or not re.fullmatch(r"\s*[+-]?\d+\s*", str(value)):
        raise WrongTypeError(field, value, "int")
    return int(str(value))


def _read_amount(said: Document, field: str) -> Decimal | None:
    value = said.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not _NUMBER.fullmatch(str(value)):
        raise WrongTypeError(field, value, "float")
    return Decimal(str(value).strip())


def _read_lenient_int(value: object) -> int:
    """Elements of an int[] are cast: a word becomes 0."""
    digits = re.match(r"\s*[+-]?\d+", str(value))
    return int(digits.group()) if digits else 0


def _snake(name: str) -> str:
    return _CAMEL.sub("_", name).lower()
