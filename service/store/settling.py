"""What a text says to whoever settles a refund of unknown outcome: the command as a shell takes it, and the moment."""

from __future__ import annotations

from service.store.ids import format_id
from service.store.rows import RefundRow


def settle_command(row: RefundRow, decision: str = "", *, reason: str = "TEXT") -> str:
    """`refundry settle` for this refund, with all that it is refused without, but for a `decision` named elsewhere.

    The calls are counted only where one of several may have paid: a payment that is known is given its memo without.
    """
    calls = f"--sends {row.sends}" if row.sends > 1 and not row.is_paid_without_memo else ""
    words = ("refundry settle", format_id("refund", row.id), decision, calls, f"--reason {reason}")
    return " ".join(word for word in words if word)
