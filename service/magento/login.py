r"""An admin's sign-in. For services an integration is better: an admin's needs a password and breaks with two factors.

Source: Magento 2.4.6 Integration\Api\AdminTokenServiceInterface; TwoFactorAuth answers this route with its own text.
"""

from __future__ import annotations

import json
from datetime import datetime

import requests

from service.errors import MagentoError, MagentoUnauthorized, MagentoUnavailable, MagentoUnreadable, NotFound
from service.magento.answers import read_document
from service.magento.said import read_json, read_refusal
from service.magento.session import HttpAnswer, HttpCall, SessionFactory, failure_text, send_call
from service.settings import AdminAuth, StoreSettings

# Below no store code: signing in is the installation's business.
_PATH = "/rest/V1/integration/admin/token"

_TWO_FACTOR_WORDS = ("2fa", "two-factor", "two factor")


def read_admin_token(settings: StoreSettings, auth: AdminAuth, open_session: SessionFactory, now: datetime) -> str:
    """A new token. MagentoUnauthorized when Magento knows the account not, or wants a second factor."""
    answer = _send(settings, auth, open_session)
    if answer.status in (400, 401):
        raise _refused(answer, settings.name)
    token = _read_token(answer, settings.name, now)
    if not isinstance(token, str) or not token:
        raise MagentoUnreadable(f"store {settings.name}: {_PATH} answered without a token", store=settings.name)
    return token


def _read_token(answer: HttpAnswer, store: str, now: datetime) -> object:
    try:
        return read_document(answer, store=store, path=_PATH, now=now)
    except NotFound as error:
        # Whoever wanted the token reads an order, and would take it for the order that is not there.
        raise MagentoUnreadable(f"{error.message}, to a sign-in; check base_url", store=store) from error


def _send(settings: StoreSettings, auth: AdminAuth, open_session: SessionFactory) -> HttpAnswer:
    body = json.dumps({"username": auth.username.reveal(), "password": auth.password.reveal()}).encode()
    call = HttpCall(
        method="POST",
        url=settings.base_url.rstrip("/") + _PATH,
        auth=None,
        body=body,
        connect_timeout_seconds=settings.connect_timeout_seconds,
        read_timeout_seconds=settings.read_timeout_seconds,
        closes=True,
    )
    try:
        with open_session(1) as session:
            return send_call(session, call)
    except requests.RequestException as error:
        raise MagentoUnavailable(
            f"store {settings.name}: signing in got no answer ({failure_text(error)})", store=settings.name
        ) from error


def _refused(answer: HttpAnswer, store: str) -> MagentoError:
    refusal = read_refusal(read_json(answer.content_type, answer.body))
    said = refusal.text if refusal else answer.content_type
    if any(word in said.lower() for word in _TWO_FACTOR_WORDS):
        remedy = 'two-factor sign-in is on, which a service cannot do; make an integration and use auth = "oauth1"'
    else:
        remedy = "check username and password, and that the account is not locked"
    return MagentoUnauthorized(f"store {store}: signing in answered {answer.status} {said} ({remedy})", store=store)
