"""Plays the sender: signs a body as a source would and posts it. For trying out, and for the demo."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from urllib.parse import urlsplit

from service.errors import BadRequest, RefundryError


class NoAnswer(RefundryError):
    """Nobody listens at the address, or nothing came back."""

    kind = "no-answer"
    try_again = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    status: int
    body: str

    @property
    def is_accepted(self) -> bool:
        return 200 <= self.status < 300

    def words(self) -> str:
        """In one line: what became of it where the answer is of Refundry, else what was answered."""
        try:
            content = json.loads(self.body)
        except ValueError:
            content = None
        said = content if isinstance(content, dict) else {}
        if name := said.get("delivery_id"):
            known = "known already as" if said.get("duplicate") else "stored as"
            return f"{self.status}  {known} {name}; see: refundry show {name}"
        if detail := said.get("detail"):
            here = "Why: refundry list refusals" if self.status == 401 else ""
            return f"{self.status}  " + " ".join(filter(None, (detail, said.get("remedy"), here)))
        return f"{self.status}  {self.body.strip()}".rstrip()


def webhook_url(base: str, source: str) -> str:
    """The address of a source's webhook: `base` may be the service's address or already the whole."""
    parts = urlsplit(base)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise BadRequest(f"'{base}' is no address; as in: --to http://127.0.0.1:8000", to=base)
    return base if "/webhooks/" in parts.path else f"{base.rstrip('/')}/webhooks/{source}"


def with_event_id(raw: bytes, event_id: str) -> bytes:
    """The same JSON body under another event id; BadRequest when it is not a JSON object."""
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise BadRequest(f"the file is not JSON ({error}); send it unread with --as-is") from error
    if not isinstance(body, dict):
        raise BadRequest("the file is not a JSON object; send it unread with --as-is")
    return json.dumps({**body, "id": event_id}, ensure_ascii=False).encode()


def post(url: str, raw: bytes, headers: Sequence[tuple[str, str]], *, timeout_seconds: float = 30) -> Answer:
    """Post once and say what came back, whatever its status; NoAnswer when nothing did.

    Of two headers of one name the last is sent; the body is JSON unless a header says otherwise.
    """
    request = urllib.request.Request(url, data=raw, method="POST")  # noqa: S310 -- webhook_url lets http(s) pass alone
    for name, value in [("Content-Type", "application/json"), *headers]:
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=timeout_seconds) as response:  # noqa: S310 -- as above
            return Answer(status=response.status, body=response.read().decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(status=error.code, body=error.read().decode("utf-8", "replace"))
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise NoAnswer(
            f"{url} gave no answer ({reason}); is the service running there? Start it: refundry serve"
        ) from error
