"""The marker that our refunds carry in the memo's comment: derived from the return, never drawn.

`RR-` + 16 base32 characters for the return, then part and letter: `-01R` restocks, `-02N` does not, because the memo
itself does not say. A derived marker survives the loss of our database. Magento stores the comment in the memo's own
transaction whatever `appendComment` says. Source: recordings/comment-marker.json.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from service.core.orders import CreditMemo

#: What every marker begins with.
MARKER_START = "RR-"

# Whole tokens only: a marker inside a longer word is somebody else's text.
_TOKEN = re.compile(rf"(?<![A-Z0-9-])({MARKER_START}[A-Z2-7]{{16}})-(\d{{2,}})([RN])(?![A-Z0-9-])")

# Long enough to recognise any return number; the comment is for people, and Magento mails none of it.
_RETURN_ID_SHOWN = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class Marker:
    #: "RR-…", the same for every refund of one return on one order.
    stem: str
    part: int
    restocks: bool

    def __str__(self) -> str:
        return f"{self.stem}-{self.part:02d}{'R' if self.restocks else 'N'}"


def stem_of(*, namespace: str, instance: str, order_id: int, return_id: str) -> str:
    """The part of the marker that says which return of which order: 80 bits of SHA-256."""
    said = json.dumps([namespace, instance, order_id, return_id], ensure_ascii=True, separators=(",", ":"))
    return MARKER_START + base64.b32encode(hashlib.sha256(said.encode()).digest())[:16].decode()


def comment_for(marker: Marker, *, return_id: str, source: str) -> str:
    """What a person reads in Magento's admin. ASCII: Magento keeps an emoji as `????` and would lose the match."""
    shown = return_id.encode("ascii", "replace").decode()[:_RETURN_ID_SHOWN]
    return f"Return {_TOKEN.sub('?', shown)} ({source}) {marker}"


def markers_in(text: str) -> tuple[Marker, ...]:
    return tuple(
        Marker(stem=stem, part=int(part), restocks=letter == "R") for stem, part, letter in _TOKEN.findall(text)
    )


def markers_of(memo: CreditMemo) -> tuple[Marker, ...]:
    return tuple(marker for comment in memo.comments for marker in markers_in(comment))


def memo_with(marker: str, memos: Iterable[CreditMemo]) -> CreditMemo | None:
    """The memo whose comment carries exactly this marker, if Magento made one."""
    return next((memo for memo in memos if marker in map(str, markers_of(memo))), None)
