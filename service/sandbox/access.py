"""Who may call: admin tokens that end, integration tokens with their rights, and OAuth 1.0a signatures.

Magento answers one and the same 401 to no token, a wrong one, an ended one and a missing right; only a signature that
does not hold gets words of its own. Source: recordings/auth-missing-and-bad-token.json, oauth-integration.json.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from service.sandbox.http import Request
from service.sandbox.totals import RefusedError
from service.sandbox.versions import Quirks

#: A timestamp may be this far ahead of the server's clock; how far behind does not matter.
MAX_SECONDS_AHEAD = 600

_REQUIRED = ("oauth_consumer_key", "oauth_signature", "oauth_signature_method", "oauth_nonce", "oauth_timestamp")
_OAUTH_PARAMETER = re.compile(r'(oauth_\w+)="([^"]*)"')
_DIGITS = re.compile(r"(\d+)")


class UnauthorizedError(Exception):
    """Nobody we know, or somebody without the right; the answer is the same."""


class SignatureError(RefusedError):
    """An OAuth request that does not hold; `status` is 400 or 401."""

    def __init__(self, message: str, *parameters: str, status: int = 401) -> None:
        super().__init__(message, *parameters)
        self.status = status


@dataclass(frozen=True, kw_only=True, slots=True)
class Integration:
    """An integration and its four secrets. `resources` None: all rights."""

    consumer_id: int = 2
    consumer_key: str = "sandbox-consumer-key"
    consumer_secret: str = "sandbox-consumer-secret"  # noqa: S105 -- the sandbox has nothing to protect
    token: str = "sandbox-integration-token"  # noqa: S105 -- as above
    token_secret: str = "sandbox-token-secret"  # noqa: S105 -- as above
    resources: frozenset[str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Admin:
    username: str
    ends_at: float


@dataclass(slots=True, eq=False)
class Access:
    """`now` is in seconds since 1970."""

    quirks: Quirks
    now: Callable[[], float]
    admins: dict[str, str] = field(default_factory=lambda: {"admin": "sandbox-password"})
    integration: Integration = field(default_factory=Integration)
    _tokens: dict[str, _Admin] = field(default_factory=dict)
    _nonces: set[str] = field(default_factory=set)

    def issue_admin_token(self, username: str, password: str) -> str:
        """A token that ends by itself; raises SignatureError where the password is wrong."""
        if self.admins.get(username) != password:
            raise SignatureError(
                "The account sign-in was incorrect or your account is disabled temporarily. "
                "Please wait and try again later."
            )
        digest = hashlib.sha256(f"{username} {self.now()} {len(self._tokens)}".encode()).hexdigest()
        self._tokens[digest[:32]] = _Admin(username=username, ends_at=self.now() + self.quirks.admin_token_seconds)
        return digest[:32]

    def check(self, request: Request, resource: str) -> None:
        """Raises UnauthorizedError or SignatureError where the caller may not use `resource`."""
        kind, _, rest = (request.header("Authorization") or "").partition(" ")
        if kind.lower() == "oauth":
            self._check_signature(request, rest)
            resources = self.integration.resources
        elif kind.lower() == "bearer":
            resources = self._find_rights(rest.strip())
        else:
            raise UnauthorizedError
        if resources is not None and resource not in resources:
            raise UnauthorizedError

    def _find_rights(self, token: str) -> frozenset[str] | None:
        admin = self._tokens.get(token)
        if admin is not None and admin.ends_at > self.now():
            return None
        if token == self.integration.token and self.quirks.takes_integration_token_as_bearer:
            return self.integration.resources
        raise UnauthorizedError

    def _check_signature(self, request: Request, header: str) -> None:
        said = {name: unquote(value) for name, value in _OAUTH_PARAMETER.findall(header)}
        for name in _REQUIRED:
            if not said.get(name):
                raise SignatureError('"%1" is required. Enter and try again.', name, status=400)
        if said["oauth_consumer_key"] != self.integration.consumer_key:
            raise SignatureError("A consumer having the specified key does not exist")
        self._use_nonce(said["oauth_nonce"], said["oauth_timestamp"])
        if said.get("oauth_token") != self.integration.token:
            raise SignatureError("Specified token does not exist")
        method = said["oauth_signature_method"]
        if method not in self.quirks.oauth_signature_methods:
            raise SignatureError("Signature method %1 is not supported", method, status=400)
        expected = sign(request, said, self.integration)
        if not hmac.compare_digest(expected, said["oauth_signature"]):
            raise SignatureError("The signature is invalid. Verify and try again.")

    def _use_nonce(self, nonce: str, timestamp: str) -> None:
        if not timestamp.isdigit() or int(timestamp) > self.now() + MAX_SECONDS_AHEAD:
            raise SignatureError("An error occurred validating the nonce")
        if nonce in self._nonces:
            raise SignatureError(
                "The nonce is already being used by the consumer with ID %1", str(self.integration.consumer_id)
            )
        self._nonces.add(nonce)


def sign(request: Request, oauth: dict[str, str], integration: Integration) -> str:
    """The signature that Magento computes; the body is no part of it.

    Two ways of its own: a + in the query stays a plus, and keys are sorted "naturally", so [10] comes after [9]. A
    client that sorts by bytes, as OAuth asks for, fails from the eleventh filter on.
    """
    path, _, query = request.path.partition("?")
    pairs = [
        (unquote(key), unquote(value)) for key, _, value in (part.partition("=") for part in query.split("&")) if key
    ]
    pairs += [(name, value) for name, value in oauth.items() if name not in {"oauth_signature", "realm"}]
    encoded = sorted(((_encode(key), _encode(value)) for key, value in pairs), key=lambda pair: _natural(pair[0]))
    base = "&".join(
        (
            request.method.upper(),
            _encode(f"{request.scheme}://{request.host}{path}"),
            _encode("&".join(f"{key}={value}" for key, value in encoded)),
        )
    )
    key = f"{_encode(integration.consumer_secret)}&{_encode(integration.token_secret)}"
    algorithm = hashlib.sha1 if oauth["oauth_signature_method"] == "HMAC-SHA1" else hashlib.sha256
    return base64.b64encode(hmac.new(key.encode(), base.encode(), algorithm).digest()).decode()


def _encode(text: str) -> str:
    return quote(text, safe="~")


def _natural(text: str) -> list[tuple[bool, int, str]]:
    parts = _DIGITS.split(text)
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts if part]
