"""What this service asks of one Magento store: reads of orders, invoices and memos, and a refund sent at most once.

Reads raise MagentoError and its kinds, or NotFound. A refund never raises: its Outcome says what is known.
Source: recordings/search-orders.json, search-memos-many.json, comment-marker.json.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from secrets import token_hex
from typing import Any

import requests

from service.core.orders import CreditMemo, Invoice, Order
from service.core.plan import RefundRequest
from service.errors import MagentoError, MagentoUnavailable, MagentoUnreadable, NotFound, OrderNotFound
from service.magento import documents
from service.magento.answers import read_document
from service.magento.auth import AdminToken, Auth, OAuth1Signature, StaticToken
from service.magento.login import read_admin_token
from service.magento.outcomes import Outcome, classify, classify_failure
from service.magento.pace import Pause, StorePaused
from service.magento.refunds import refund_body, refund_path
from service.magento.search import Filter, read_page, search_query
from service.magento.session import HttpAnswer, SessionFactory, failure_text, open_session, was_never_sent
from service.magento.transport import TooLate, Transport
from service.settings import AdminAuth, BearerAuth, StoreSettings

# Magento may be set to allow no more than 300, and warns of more than 100.
PAGE_SIZE = 100

_log = logging.getLogger(__name__)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _nonce() -> str:
    """32 characters, the width of Magento's nonce column."""
    return token_hex(16)


class MagentoClient:
    """One store's client; safe to share between threads."""

    def __init__(
        self,
        settings: StoreSettings,
        *,
        now: Callable[[], datetime] = _utc_now,
        nonce: Callable[[], str] = _nonce,
        sleep: Callable[[float], None] = time.sleep,
        session_factory: SessionFactory = open_session,
    ) -> None:
        self.settings = settings
        self._now = now
        auth = _choose_auth(settings, now=now, nonce=nonce, session_factory=session_factory)
        self._transport = Transport(settings, auth=auth, now=now, sleep=sleep, open_session=session_factory)

    @property
    def pause(self) -> Pause | None:
        """Why and until when the store is left alone by this process; set until a call after it was answered."""
        return self._transport.pace.pause

    def room(self) -> int:
        """How many deliveries may be worked on at once now."""
        return self._transport.pace.room()

    def send_refund(self, request: RefundRequest, *, may_send: Callable[[], bool] = lambda: True) -> Outcome:
        """Post the refund once and say what is known of it; `may_send` is asked last of all before the first byte."""
        outcome = self._send_refund(request, may_send)
        _log.info(
            "refund answered",
            extra={
                "store": self.settings.name,
                "order_id": request.order_id,
                "invoice_id": request.invoice_id,
                "marker": request.marker,
                "outcome": outcome.kind.value,
                "rule": outcome.rule,
                "status": outcome.status,
                "memo_id": outcome.memo_id,
            },
        )
        return outcome

    def refund_url(self, request: RefundRequest) -> str:
        """Where the refund would be posted, for a dry run."""
        return self._transport.rest_url(refund_path(request))

    def read_order_by_increment(self, increment_id: str) -> tuple[Order, ...]:
        """Every order of this number: store views of one Magento number their orders apart, so there may be several."""
        found = self._read_all("/V1/orders", Filter(field="increment_id", value=increment_id))
        orders = (documents.read_order(document) for document in found)
        # The database compares without case or trailing blanks.
        return tuple(order for order in orders if order.increment_id == increment_id)

    def read_order(self, entity_id: int) -> Order:
        """The order of this entity_id; OrderNotFound when Magento has none."""
        try:
            order = documents.read_order(self._read(f"/V1/orders/{entity_id}"))
        except NotFound as error:
            raise OrderNotFound(
                f"store {self.settings.name} has no order with entity_id {entity_id}; "
                "an order's number is its increment_id, another thing",
                store=self.settings.name,
                order_id=entity_id,
            ) from error
        if order.entity_id != entity_id:
            raise self._answered_for_another("order", entity_id)
        return order

    def read_invoices(self, order_id: int) -> tuple[Invoice, ...]:
        found = self._read_all("/V1/invoices", Filter(field="order_id", value=str(order_id)))
        invoices = tuple(documents.read_invoice(document) for document in found)
        if any(invoice.order_id != order_id for invoice in invoices):
            raise self._answered_for_another("invoices of order", order_id)
        return invoices

    def read_memos(self, order_id: int) -> tuple[CreditMemo, ...]:
        """Every memo of the order, ours or not, oldest first; with fewer than Magento counts this raises."""
        found = self._read_all("/V1/creditmemos", Filter(field="order_id", value=str(order_id)))
        memos = tuple(documents.read_memo(document) for document in found)
        if any(memo.order_id != order_id for memo in memos):
            raise self._answered_for_another("memos of order", order_id)
        return memos

    def read_memo(self, memo_id: int) -> CreditMemo:
        memo = documents.read_memo(self._read(f"/V1/creditmemo/{memo_id}"))
        if memo.entity_id != memo_id:
            raise self._answered_for_another("credit memo", memo_id)
        return memo

    def find_memos(self, text: str, *, since: datetime | None = None) -> tuple[CreditMemo, ...]:
        """Memos of all orders whose comment holds this text.

        Searched in `customer_note`, a copy of the refund's comment that no answer shows; `comments` cannot be searched.
        """
        filters = [Filter(field="customer_note", value=f"%{text}%", condition="like")]
        if since is not None:
            moment = since.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
            filters.append(Filter(field="created_at", value=moment, condition="from"))
        memos = (documents.read_memo(document) for document in self._read_all("/V1/creditmemos", *filters))
        # `like` takes _ for any character and knows no case.
        return tuple(memo for memo in memos if any(text in comment for comment in memo.comments))

    def ask_email(self, memo_id: int) -> bool:
        """Ask Magento to mail the memo to the customer; whether it says it did. It moves no money."""
        path = f"/V1/creditmemo/{memo_id}/emails"
        try:
            answer = self._transport.post_once(path, {}, read_timeout_seconds=self.settings.read_timeout_seconds)
        except requests.RequestException as error:
            raise MagentoUnavailable(
                f"store {self.settings.name}: {path} got no answer ({failure_text(error)})", store=self.settings.name
            ) from error
        return self._document(answer, path) is True

    def read_magento_version(self) -> str | None:
        """Such as "Magento/2.4 (Community)"; None where the shop hides it."""
        answer = self._transport.read_open("/magento_version")
        text = answer.body.decode("utf-8", "replace").strip()
        return text if answer.status == 200 and text.startswith("Magento/") else None

    def read_clock(self) -> datetime | None:
        """What time it is at Magento, to the second; None where its answers carry no date."""
        return self._transport.read_open("/magento_version").made_at

    def read_search(self, path: str, *filters: Filter, page_size: int = 1) -> tuple[tuple[dict[str, Any], ...], int]:
        """The newest entries of a search as Magento says them, and how many there are."""
        query = search_query(*filters, page=1, page_size=page_size, newest_first=True)
        return read_page(self._read(path, query))

    def close(self) -> None:
        self._transport.close()

    def _send_refund(self, request: RefundRequest, may_send: Callable[[], bool]) -> Outcome:
        try:
            answer = self._transport.post_once(
                refund_path(request),
                refund_body(request),
                read_timeout_seconds=self.settings.refund_read_timeout_seconds,
                may_send=may_send,
            )
        except TooLate as error:
            return classify_failure("too-late", str(error))
        except StorePaused as error:
            return classify_failure("store-paused", str(error), retry_after_seconds=error.seconds)
        except requests.RequestException as error:
            name = "no-connection" if was_never_sent(error) else "answer-lost"
            return classify_failure(name, failure_text(error))
        except MagentoError as error:
            return classify_failure("no-token", error.message)
        return classify(
            answer.status,
            answer.content_type,
            answer.body,
            request.route,
            retry_after_seconds=answer.retry_after_seconds(self._now()),
        )

    def _read(self, path: str, query: str = "") -> Any:
        return self._document(self._transport.read(path, query), path)

    def _document(self, answer: HttpAnswer, path: str) -> Any:
        return read_document(answer, store=self.settings.name, path=path, now=self._now())

    def _read_all(self, path: str, *filters: Filter) -> tuple[dict[str, Any], ...]:
        """All pages of a search. A reading with gaps would refund twice, so one that cannot be whole raises."""
        found: dict[object, dict[str, Any]] = {}
        for page in count(1):
            items, total = read_page(self._search(path, search_query(*filters, page=page, page_size=PAGE_SIZE)))
            known = len(found)
            found |= {item.get("entity_id"): item for item in items}
            if len(found) >= total:
                break
            if len(found) == known:
                raise MagentoUnreadable(
                    f"store {self.settings.name}: {path} counts {total} and shows {known}", store=self.settings.name
                )
        return tuple(found.values())

    def _search(self, path: str, query: str) -> Any:
        try:
            return self._read(path, query)
        except NotFound as error:
            # Magento finds nothing with a 200 and an empty list.
            raise MagentoUnreadable(f"{error.message}, to a search", store=self.settings.name, path=path) from error

    def _answered_for_another(self, thing: str, asked: int) -> MagentoUnreadable:
        return MagentoUnreadable(
            f"store {self.settings.name}: asked for {thing} {asked}, Magento answered with another; "
            "does a cache or proxy before it drop the query?",
            store=self.settings.name,
        )


def _choose_auth(
    settings: StoreSettings,
    *,
    now: Callable[[], datetime],
    nonce: Callable[[], str],
    session_factory: SessionFactory,
) -> Auth:
    auth = settings.auth
    if isinstance(auth, BearerAuth):
        return StaticToken(auth.token)
    if isinstance(auth, AdminAuth):
        return AdminToken(lambda: read_admin_token(settings, auth, session_factory, now()), now=now)
    return OAuth1Signature(auth, now=now, nonce=nonce)
