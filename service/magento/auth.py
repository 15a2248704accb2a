"""How requests prove who they are: a bearer token, an admin's token that is renewed, or an OAuth 1.0a signature.

Magento 2.4.4 and later refuse an integration's token as bearer unless a setting allows it; signing works everywhere,
by HMAC-SHA256 only. An admin's token lives 60 minutes by default, and an expired one answers like a wrong one.
Source: recordings/oauth-integration.json (2.4.6), auth-missing-and-bad-token.json.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import requests
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA256
from requests.auth import AuthBase
from requests_oauthlib import OAuth1

from service.errors import MagentoError, MagentoUnauthorized
from service.settings import OAuth1Auth, Secret

# Magento locks an admin account for 30 minutes at the sixth wrong password; two tries in that time leave it open.
_PAUSE_AFTER_REFUSED_LOGIN = timedelta(minutes=15)


class Auth(Protocol):
    def credentials(self) -> AuthBase | None:
        """For one request; never used twice. May sign in first, and then raises what a read raises."""

    def renew(self, refused: AuthBase | None) -> bool:
        """Whether there are newer credentials than these, which answered 401."""


class BearerHeader(AuthBase):
    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.headers["Authorization"] = f"Bearer {self.token}"
        return r


class NoAuth:
    """For addresses that ask for no rights."""

    def credentials(self) -> AuthBase | None:
        return None

    def renew(self, refused: AuthBase | None) -> bool:  # noqa: ARG002 - part of Auth
        return False


class StaticToken:
    """An integration's token as it is."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def credentials(self) -> AuthBase:
        return BearerHeader(self._token.reveal())

    def renew(self, refused: AuthBase | None) -> bool:  # noqa: ARG002 - part of Auth
        return False


class AdminToken:
    """An admin's token: fetched when first needed, shared by threads, fetched again when it was refused."""

    def __init__(self, log_in: Callable[[], str], *, now: Callable[[], datetime]) -> None:
        self._log_in = log_in
        self._now = now
        # Held while signing in: the threads that wait find the new token and do not sign in too.
        self._lock = threading.Lock()
        self._token: str | None = None
        self._refusal: tuple[MagentoError, datetime] | None = None

    def credentials(self) -> AuthBase:
        with self._lock:
            return BearerHeader(self._token or self._fetch())

    def renew(self, refused: AuthBase | None) -> bool:
        with self._lock:
            if isinstance(refused, BearerHeader) and refused.token == self._token:
                self._token = None
                self._fetch()
        return True

    def _fetch(self) -> str:
        if self._refusal is not None:
            error, at = self._refusal
            # A clock that was put back says nothing about how long ago it was, and would make the pause much longer.
            if timedelta(0) <= self._now() - at < _PAUSE_AFTER_REFUSED_LOGIN:
                raise MagentoUnauthorized(f"{error.message} (not asked again, so that the account is not locked)")
        try:
            self._token = self._log_in()
        except MagentoUnauthorized as error:
            self._refusal = (error, self._now())
            raise
        self._refusal = None
        return self._token


class OAuth1Signature:
    """OAuth 1.0a: every request carries its own nonce, which Magento accepts once."""

    def __init__(self, keys: OAuth1Auth, *, now: Callable[[], datetime], nonce: Callable[[], str]) -> None:
        self._keys = keys
        self._now = now
        self._nonce = nonce

    def credentials(self) -> AuthBase:
        return OAuth1(
            self._keys.consumer_key.reveal(),
            client_secret=self._keys.consumer_secret.reveal(),
            resource_owner_key=self._keys.access_token.reveal(),
            resource_owner_secret=self._keys.access_token_secret.reveal(),
            signature_method=SIGNATURE_HMAC_SHA256,
            nonce=self._nonce(),
            timestamp=str(int(self._now().timestamp())),
        )

    def renew(self, refused: AuthBase | None) -> bool:  # noqa: ARG002 - part of Auth
        return False
