"""The exception tree: whose fault it is, what HTTP answer it becomes, and whether trying again can help.

Every message names the thing, the value and the remedy; context travels as fields, so that logs and problem+json
answers can show it without parsing text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class RefundryError(Exception):
    """Something this service expects to go wrong. Not raised itself: use a subclass that answers "whose fault?"."""

    status: ClassVar[int] = 500
    #: Stable last part of the problem+json `type`; scripts may rely on it.
    kind: ClassVar[str] = "internal"
    #: True when the same request may succeed later without anybody changing anything.
    try_again: ClassVar[bool] = False

    def __init__(self, message: str, **context: object) -> None:
        super().__init__(message)
        self.message = message
        self.context = context


class SettingsError(RefundryError):
    """A configuration value that cannot be used; stops the start, never a running worker."""

    kind = "settings"

    def __init__(self, message: str, *, file: str, key: str, value: object, remedy: str) -> None:
        super().__init__(f"{file}: {key} = {value!r}: {message}. {remedy}", file=file, key=key, remedy=remedy)


class SeveralSettingsErrors(SettingsError):
    """All that is wrong with a configuration, shown at once."""

    def __init__(self, errors: Sequence[SettingsError]) -> None:
        RefundryError.__init__(self, "\n".join(error.message for error in errors))
        self.errors = tuple(errors)


class Unauthentic(RefundryError):
    """A delivery whose sender could not be proved. The caller learns no more than that; the operator sees why."""

    status = 401
    kind = "unauthentic"


class UnknownSource(RefundryError):
    status = 404
    kind = "unknown-source"


class NotFound(RefundryError):
    status = 404
    kind = "not-found"


class OrderNotFound(NotFound):
    """Magento has no such order: a wrong number, or not there yet."""

    kind = "order-not-found"


class BadRequest(RefundryError):
    status = 400
    kind = "bad-request"


class TooLarge(RefundryError):
    status = 413
    kind = "too-large"


class Forbidden(RefundryError):
    """A known caller who may not do this."""

    status = 403
    kind = "forbidden"


class Conflict(RefundryError):
    """The thing changed since the caller looked: a fingerprint, a state, a fence."""

    status = 409
    kind = "conflict"


class Unreadable(RefundryError):
    """An authentic body that says nothing we understand. Kept and shown, never bounced: retrying would not mend it."""

    status = 422
    kind = "unreadable"


class BlindReturn(Unreadable):
    """A return that names no order: it can be read, and only a person can find out what it is about."""

    kind = "blind-return"


class StoreUnavailable(RefundryError):
    """Our own database cannot be written now. The sender is asked to come back: nothing was acknowledged."""

    status = 503
    kind = "store-unavailable"
    try_again = True


class LeaseLost(RefundryError):
    """Another worker has taken over what this one held; whatever it meant to write is void."""

    status = 409
    kind = "lease-lost"


class OrderBusy(RefundryError):
    """Another refund of the same order is in flight or of unknown outcome."""

    status = 409
    kind = "order-busy"
    try_again = True


class MagentoError(RefundryError):
    """A read from Magento that gave no answer we can use. Refund calls do not raise: they return an Outcome."""

    status = 502
    kind = "magento"


class MagentoUnavailable(MagentoError):
    """No connection, a time-out, 429, 5xx or maintenance while reading; may carry Magento's `retry_after_seconds`."""

    status = 503
    kind = "magento-unavailable"
    try_again = True

    def __init__(self, message: str, *, retry_after_seconds: float | None = None, **context: object) -> None:
        super().__init__(message, **context)
        self.retry_after_seconds = retry_after_seconds


class MagentoUnauthorized(MagentoError):
    """401 on a read: a bad token or a missing right, Magento does not say which; `context` names the resource."""

    kind = "magento-unauthorized"


class MagentoUnreadable(MagentoError):
    """A 200 whose body lacks what we must know."""

    kind = "magento-unreadable"


class MemoMissing(MagentoError):
    """A memo that our database knows by its id is not among its order's."""

    kind = "memo-missing"
