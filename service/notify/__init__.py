"""Tells people that something needs them. For now in the log, by ids and reasons; never a body, token or address."""

from __future__ import annotations

import logging

_log = logging.getLogger("refundry.notify")


class Notifier:
    def needs_person(self, *, subject: str, code: str, reason: str) -> None:
        """Say once that `subject` (a public id) waits for a person, and why."""
        _log.warning("needs a person", extra={"subject": subject, "code": code, "reason": reason})

    def refunded(self, *, subject: str, memo_id: int, order: str) -> None:
        _log.info("refunded", extra={"subject": subject, "memo_id": memo_id, "order": order})
