"""What a body may be, by kind of sender: events, ignored or unreadable, and never another exception.

The first byte chooses one of the sender's samples: below 128 its headers, and the rest is the body; above, the rest
says what of the sample is replaced by what. An expression is fed alone, too: what compiles is evaluated over any
document, or that is unreadable.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from service.core.returns import ReturnEvent
from service.errors import Unreadable
from service.settings import EnvelopeFormat
from service.settings.expressions import BadExpression, compile_expression
from service.sources import Limits, parse
from service.sources.expressions import Budget, evaluate
from service.sources.json_body import read_json_object
from tests.sources.senders import KINDS, body_of, headers_of, samples, source_of

Target = Callable[[bytes], None]

#: From this first byte on, a sample is changed value by value: few random bytes are JSON.
_TWISTS = 0x80
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 1.5, 10**38, 1e300, "", "0", "1", "-1", "1.23456", "x", "\x00", "\ud800"),
    *("9" * 300, "2026-11-22 02:40:00", [], {}, [None], [1, "1"], ["x", ["y"]], {"amount": "1"}, {"id": {}}, [{}, {}]),
)


def _reader(kind: str, envelope: EnvelopeFormat | None = None, payload_field: str | None = None) -> Target:
    configured = source_of(kind)
    source = replace(configured, envelope=envelope or configured.envelope, payload_field=payload_field)
    known = [(body_of(kind, name), headers_of(kind, name)) for of, name in samples() if of == kind]

    def run(content: bytes) -> None:
        sample, headers = known[content[0] % len(known)] if content else (b"", ())
        raw = twisted(sample, content[1:]) if content and content[0] >= _TWISTS else content[1:]
        try:
            said = parse(source, raw, headers, Limits())
        except Unreadable:
            return
        assert not isinstance(said, tuple) or (said and all(isinstance(event, ReturnEvent) for event in said))

    return run


def twisted(sample: bytes, instructions: bytes) -> bytes:
    """The sample with some of its values replaced: two bytes say which, one by what."""
    body = json.loads(sample)
    for at in range(0, len(instructions) - 2, 3):
        places = list(_places(body))
        inner, key = places[int.from_bytes(instructions[at : at + 2]) % len(places)] if places else (body, "id")
        inner[key] = copy.deepcopy(_VALUES[instructions[at + 2] % len(_VALUES)])
    return json.dumps(body).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


def _expression(content: bytes) -> None:
    """An expression and a body, with an empty line between."""
    text, _, raw = content.partition(b"\n\n")
    try:
        expression = compile_expression(text.decode("utf-8", "replace"), ("body",))
        evaluate(expression, {"body": read_json_object(raw or b"{}", Limits())}, Budget(), row="x")
    except (BadExpression, Unreadable):
        return


BODIES: dict[str, Target] = {
    **{f"body, {kind}": _reader(kind) for kind in KINDS},
    "body, form": _reader("generic", EnvelopeFormat.FORM),
    "body, form with JSON": _reader("generic", EnvelopeFormat.FORM, "payload"),
    "body, CloudEvent": _reader("loop", EnvelopeFormat.CLOUDEVENTS),
    "expression": _expression,
}


def body_seeds(name: str) -> list[bytes]:
    """Where the search starts: the sender's samples, each under its own headers."""
    kind = name.removeprefix("body, ")
    if kind in KINDS:
        names = [name for of, name in samples() if of == kind]
        whole = [bytes([number]) + body_of(kind, name) for number, name in enumerate(names)]
        return [*whole, *(bytes([_TWISTS + number, 0, 7, 3, 0, 20, 5]) for number in range(len(names)))]
    if name == "expression":
        rows = (*source_of("aftership").map.rows, *source_of("rich-returns").map.rows)
        return [row.expression.text.encode() + b"\n\n" + body_of("aftership", "resolved") for row in rows]
    return [
        b"\0rma=1&order_name=%23101&rows=",
        b'\0payload={"rma":1,"rows":[]}',
        b"\0" + body_of("adobe-rma", "approved"),
    ]
