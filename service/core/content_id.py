"""An id for an event whose sender gives none: a digest of what it says, so that a repeat is known as one.

What changes without the return changing is left out: when it was said, and the words of a reason. So an update of a
parcel's tracking is the same event again. Fields at their defaults are left out too: a field that this service learns
later leaves the ids of what was said before alone.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import Any

from service.core.returns import ReturnEvent

_START = "content-"
#: 128 bits: no two contents of a source meet.
_HEX_DIGITS = 32
_VOLATILE = frozenset({"event_id", "id_is_of_content", "occurred_at", "reason", "doubts"})


def content_id(event: ReturnEvent) -> str:
    """The same for two events that say the same, whatever their ids and times."""
    said = json.dumps(_said(event), sort_keys=True, ensure_ascii=True)
    return _START + hashlib.sha256(said.encode()).hexdigest()[:_HEX_DIGITS]


def _said(value: Any) -> Any:
    if is_dataclass(value):
        return {
            each.name: _said(getattr(value, each.name))
            for each in fields(value)
            if each.name not in _VOLATILE and getattr(value, each.name) != each.default
        }
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, tuple):
        return [_said(each) for each in value]
    return value
