"""Query arguments of the API: every one is known and sent once, so that a misspelt filter never means "all of them"."""

from __future__ import annotations

from typing import Any

from flask import request
from marshmallow import Schema, ValidationError, fields, validate

from service.core.lifecycle import DeliveryState, RefundState
from service.core.plan import Verdict
from service.errors import BadRequest
from service.store import Kind, parse_id

_PAGE = 50
_LARGEST_PAGE = 200


# PostgreSQL takes no NUL in a text, and answers as if the fault were ours.
_NO_NUL = validate.ContainsNoneOf("\0", error="it has a NUL character in it")


class FlagArgument(fields.Field[bool]):
    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        del attr, data, kwargs
        flags = {"true": True, "1": True, "false": False, "0": False}
        if value not in flags:
            raise ValidationError("it is true or false")
        return flags[value]


class IdArgument(fields.Field[int]):
    def __init__(self, kind: Kind, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._kind = kind

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        del attr, data, kwargs
        try:
            return parse_id(self._kind, value)
        except BadRequest as error:
            raise ValidationError(error.message) from error


class PageQuery(Schema):
    limit = fields.Integer(load_default=_PAGE, validate=validate.Range(1, _LARGEST_PAGE))


class DeliveriesQuery(PageQuery):
    source = fields.String(validate=_NO_NUL)
    state = fields.Enum(DeliveryState, by_value=True)
    return_id = IdArgument("return", data_key="return")
    before = IdArgument("delivery", data_key="cursor")


class DeliveryQuery(Schema):
    raw = FlagArgument(load_default=False)


class ReturnsQuery(PageQuery):
    needs_person = FlagArgument()
    store = fields.String(validate=_NO_NUL)
    source = fields.String(validate=_NO_NUL)
    verdict = fields.Enum(Verdict, by_value=True)
    before = IdArgument("return", data_key="cursor")


class RefundsQuery(PageQuery):
    state = fields.Enum(RefundState, by_value=True)
    needs_person = FlagArgument()
    return_id = IdArgument("return", data_key="return")
    instance = fields.String(validate=_NO_NUL)
    before = IdArgument("refund", data_key="cursor")


class NoQuery(Schema):
    pass


def read_query(schema: Schema) -> dict[str, Any]:
    """This request's arguments by `schema`'s names; BadRequest names the argument, its fault and what there is."""
    given = dict(request.args.lists())
    doubled = sorted(name for name, values in given.items() if len(values) > 1)
    if doubled:
        raise BadRequest(f"the query says '{doubled[0]}' more than once; say it once", argument=doubled[0])
    known = sorted(each.data_key or name for name, each in schema.fields.items())
    unknown = sorted(set(given) - set(known))
    if unknown:
        there_is = f"there are: {', '.join(known)}" if known else "this address takes none"
        raise BadRequest(f"there is no query argument '{unknown[0][:100]}'; {there_is}", argument=unknown[0])
    try:
        loaded: dict[str, Any] = schema.load({name: values[0] for name, values in given.items()})
    except ValidationError as error:
        name, messages = next(iter(error.messages_dict.items()))
        raise BadRequest(f"query argument '{name}': {' '.join(map(str, messages))}", argument=name) from error
    return loaded
