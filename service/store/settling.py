"""What a text says to whoever settles a refund of unknown outcome: the command as a shell takes it, and the moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from service.store.ids import format_id
from service.store.rows import RefundRow

#: No settings may have a longer settle_seconds.
LONGEST_SETTLING = timedelta(days=1)

#: Why a refund of unknown outcome needs a person: its delivery ended, and no worker looks for its memo any more.
UNKNOWN_LEFT = "unknown-left"


def settle_command(row: RefundRow, decision: str = "", *, reason: str = "TEXT") -> str:
    """`refundry settle` for this refund, with all that it is refused without, but for a `decision` named elsewhere.

    The calls are counted only where one of several may have paid: a payment that is known is given its memo without.
    """
    calls = f"--sends {row.sends}" if row.sends > 1 and not row.is_paid_without_memo else ""
    words = ("refundry settle", format_id("refund", row.id), decision, calls, f"--reason {reason}")
    return " ".join(word for word in words if word)


def told_moment(at: datetime, now: datetime | None = None) -> str:
    """`at` in UTC; the time alone where it is `now`'s day. Without `now` for a text that is read on other days."""
    at = at.astimezone(UTC)
    is_today = now is not None and at.date() == now.astimezone(UTC).date()
    return f"{at:%H:%M:%S} UTC" if is_today else f"{at:%Y-%m-%d %H:%M:%S} UTC"
