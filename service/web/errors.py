"""What can go wrong at the edge and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from service.errors import Forbidden, RefundryError


class EncodedBody(RefundryError):
    """A compressed body: its signature covers other bytes than we would read, and it may be a bomb."""

    status: ClassVar[int] = 415
    kind: ClassVar[str] = "encoded-body"


class NoValidKey(RefundryError):
    """A request to the API without a key in use. Says which of the two it was to nobody."""

    status: ClassVar[int] = 401
    kind: ClassVar[str] = "no-valid-key"
    headers: ClassVar[Mapping[str, str]] = {"WWW-Authenticate": 'Bearer realm="refundry"'}


class MissingScope(Forbidden):
    """A valid key that may not do this. Source for the header: RFC 6750 §3.1."""

    kind: ClassVar[str] = "missing-scope"

    def __init__(self, scope: str) -> None:
        super().__init__(f"this key lacks the scope '{scope}'; create one with it: refundry keys create", scope=scope)
        self.headers = {"WWW-Authenticate": f'Bearer realm="refundry", error="insufficient_scope", scope="{scope}"'}
