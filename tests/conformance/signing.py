"""Fills in what recordings leave out: tokens in angle brackets, OAuth 1.0a signatures as ordinary clients make them.

Written against RFC 5849 and not against the sandbox, so that a signature that Magento refused is refused here too.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, quote

from service.sandbox.access import Integration
from service.sandbox.store import SandboxStore

_OAUTH = re.compile(r"OAuth <integration, (?P<method>[\w-]+)>(?: \((?P<remark>.*)\))?")
_BEARER = re.compile(r"Bearer <(?P<who>\w+)(?:, (?P<remark>.*))?>")
_CLOCK = re.compile(r"clock (?:(\d+) s|an hour) (ahead|behind)")
_HASHES = {"HMAC-SHA1": hashlib.sha1, "HMAC-SHA256": hashlib.sha256}
_HOST = "http://localhost"


@dataclass(slots=True)
class Signer:
    """Makes Authorization headers for one store."""

    store: SandboxStore
    _admin_token: str | None = None
    _nonces: int = 0
    _kept_nonce: str | None = None

    def fill_in(self, authorization: str, method: str, path: str) -> str:
        if found := _BEARER.fullmatch(authorization):
            return f"Bearer {self._token(found['who'], found['remark'] or '')}"
        if found := _OAUTH.fullmatch(authorization):
            return self._sign(found["method"], found["remark"] or "", method, path)
        return authorization

    def _token(self, who: str, remark: str) -> str:
        if who == "integration":
            token = self.store.access.integration.token
        else:
            if self._admin_token is None:
                self._admin_token = self.store.bearer()["Authorization"].removeprefix("Bearer ")
            token = self._admin_token
        if "cut" in remark:
            return token[:-5]
        return token[:-1] + ("0" if token[-1] != "0" else "1") if remark else token

    def _sign(self, signature_method: str, remark: str, method: str, path: str) -> str:
        integration = _spoil(self.store.access.integration, remark)
        oauth = {
            "oauth_consumer_key": integration.consumer_key,
            "oauth_token": integration.token,
            "oauth_nonce": self._nonce(remark),
            "oauth_timestamp": str(int(self.store.access.now()) + _clock_error(remark)),
            "oauth_signature_method": signature_method,
            "oauth_version": "1.0",
        }
        oauth["oauth_signature"] = _make_signature(oauth, integration, method, path)
        return "OAuth " + ", ".join(f'{name}="{_encode(value)}"' for name, value in oauth.items())

    def _nonce(self, remark: str) -> str:
        if "same nonce" in remark and self._kept_nonce is not None:
            return self._kept_nonce
        self._nonces += 1
        nonce = f"nonce{self._nonces:08d}"
        if "nonce used the first time" in remark:
            self._kept_nonce = nonce
        return nonce


def _spoil(integration: Integration, remark: str) -> Integration:
    spoilt = {
        "wrong token secret": {"token_secret": "wrong"},
        "wrong consumer secret": {"consumer_secret": "wrong"},
        "unknown access token": {"token": "unknown"},
        "unknown consumer key": {"consumer_key": "unknown"},
    }
    for words, changes in spoilt.items():
        if words in remark:
            return replace(integration, **changes)
    return integration


def _clock_error(remark: str) -> int:
    found = _CLOCK.search(remark)
    if found is None:
        return 0
    seconds = int(found.group(1) or 3600)
    return seconds if found.group(2) == "ahead" else -seconds


def _make_signature(oauth: dict[str, str], integration: Integration, method: str, path: str) -> str:
    secrets = f"{_encode(integration.consumer_secret)}&{_encode(integration.token_secret)}"
    if oauth["oauth_signature_method"] not in _HASHES:
        return secrets
    address, _, query = path.partition("?")
    pairs = sorted((_encode(k), _encode(v)) for k, v in (*parse_qsl(query, keep_blank_values=True), *oauth.items()))
    parameters = "&".join(f"{key}={value}" for key, value in pairs)
    base = "&".join((method, _encode(_HOST + address), _encode(parameters)))
    digest = hmac.new(secrets.encode(), base.encode(), _HASHES[oauth["oauth_signature_method"]])
    return base64.b64encode(digest.digest()).decode()


def _encode(text: str) -> str:
    return quote(text, safe="~")
