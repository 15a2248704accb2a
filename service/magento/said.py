r"""What Magento says when it refuses: a JSON object whose `message` keeps placeholders, with `parameters` beside it.

Shape: `message` always; `parameters` a list for `%1`, an object for `%name`, absent where the text is ready;
`errors` holds several of the same; `code` and `trace` sometimes. A proxy in front of Magento answers otherwise.
Source: recordings/unknown-order.json, malformed-requests.json, Magento 2.4.6 Framework\Webapi\ErrorProcessor.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from service.errors import MagentoUnreadable
from service.magento.documents import parse_json

_PLACEHOLDER = re.compile(r"%(\d+|[A-Za-z_]\w*)")

_KEYS = frozenset({"message", "parameters", "errors", "code", "trace"})

# A developer-mode trace or an HTML page has no place in a journal.
_SHOWN_CHARACTERS = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """One error answer of Magento's own; `template` is what rules compare, `text` what people read."""

    template: str
    text: str
    #: The rights that a 401 says are missing: "Magento_Sales::actions_view". A wrong token gets the same answer.
    resources: str = ""


def read_refusal(document: Any) -> Refusal | None:
    """The refusal in a parsed body; None when the body does not have Magento's shape."""
    if not isinstance(document, dict) or not _KEYS.issuperset(document):
        return None
    template = document.get("message")
    if not isinstance(template, str) or not template:
        return None
    parameters = document.get("parameters")
    return Refusal(
        template=template,
        text=_readable("\n".join(_texts(document)))[:_SHOWN_CHARACTERS],
        resources=str(parameters.get("resources", "")) if isinstance(parameters, dict) else "",
    )


def read_json(content_type: str, body: bytes) -> Any:
    """The parsed body; None when it is not JSON, whatever it calls itself."""
    if "json" not in content_type.lower():
        return None
    try:
        return parse_json(body)
    except (MagentoUnreadable, RecursionError):
        return None


def render(template: str, parameters: Any) -> str:
    """The text with its placeholders filled: `%1` from a list, `%name` from an object; unfilled ones stay."""
    if isinstance(parameters, list):
        named: Mapping[str, Any] = {str(place): value for place, value in enumerate(parameters, start=1)}
    elif isinstance(parameters, dict):
        named = parameters
    else:
        return template
    # In one pass: a product's name may hold a percent sign of its own.
    return _PLACEHOLDER.sub(lambda match: str(named.get(match[1], match[0])), template)


def _texts(document: Mapping[str, Any]) -> Iterator[str]:
    yield render(document["message"], document.get("parameters"))
    errors = document.get("errors")
    for error in errors if isinstance(errors, list) else ():
        if isinstance(error, dict) and isinstance(error.get("message"), str):
            yield render(error["message"], error.get("parameters"))


def _readable(text: str) -> str:
    """Magento joins its validators' messages by line breaks below a heading; a journal wants one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and lines[0].endswith(":"):
        return f"{lines[0]} {'; '.join(lines[1:])}".strip()
    return "; ".join(lines)
