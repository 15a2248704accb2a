"""What the answer to a read means: the document it holds, or an error that names the remedy.

Magento says 401 for a wrong token and for a missing right alike, and 404 for an unknown order and an unknown path.
Source: recordings/unknown-order.json, auth-missing-and-bad-token.json, store-code-in-path.json, search-orders.json.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from service.errors import MagentoError, MagentoUnauthorized, MagentoUnavailable, MagentoUnreadable, NotFound
from service.magento.documents import parse_json
from service.magento.said import Refusal, read_json, read_refusal
from service.magento.session import HttpAnswer

_REMEDIES = {
    "Specified request cannot be processed.": "Magento does not know this store_code",
    "Request does not match any route.": "Magento answers at base_url, but not with this path; check base_url",
    "The signature is invalid. Verify and try again.": (
        "check the four OAuth credentials, and that base_url has the scheme, host and port that Magento itself sees"
    ),
    "An error occurred validating the nonce": "this machine's clock is ahead of Magento's",
    "Signature method %1 is not supported": "this Magento does not take HMAC-SHA256; use another auth",
    "The consumer isn't authorized to access %resources.": (
        "the token is wrong or expired, or lacks this right; from Magento 2.4.4 an integration's token is not taken "
        'as bearer, use auth = "oauth1"'
    ),
}


def read_document(answer: HttpAnswer, *, store: str, path: str, now: datetime) -> Any:
    """The parsed body of a 200. NotFound when Magento has no such entity, else MagentoError or one of its kinds."""
    if answer.status == 200:
        return _parsed(answer, store=store, path=path)
    raise _error(answer, read_refusal(read_json(answer.content_type, answer.body)), store=store, path=path, now=now)


def _parsed(answer: HttpAnswer, *, store: str, path: str) -> Any:
    if "json" not in answer.content_type.lower():
        raise MagentoUnreadable(
            f"store {store}: {path} answered 200 with {answer.content_type or 'no content type'} instead of JSON; "
            "is base_url the shop itself, without a password page or a front end before it?",
            store=store,
            path=path,
        )
    return parse_json(answer.body)


def _error(
    answer: HttpAnswer, refusal: Refusal | None, *, store: str, path: str, now: datetime
) -> MagentoError | NotFound:
    said = f"store {store}: {path} answered {answer.status}" + (f" {refusal.text}" if refusal else "")
    remedy = _REMEDIES.get(refusal.template) if refusal else None
    told = f"{said} ({remedy})" if remedy else said
    if answer.status == 429 or answer.status >= 500:
        return MagentoUnavailable(
            told, retry_after_seconds=answer.retry_after_seconds(now), store=store, path=path, status=answer.status
        )
    if answer.status == 401:
        return MagentoUnauthorized(told, store=store, path=path, resource=refusal.resources if refusal else "")
    if answer.status == 404 and refusal and not remedy:
        return NotFound(told, store=store, path=path)
    if 300 <= answer.status < 400:
        target = urlsplit(answer.location or "")
        told = f"{said}, a redirect to {target.scheme}://{target.netloc}; set base_url to where Magento answers itself"
    return MagentoError(told, store=store, path=path, status=answer.status)
