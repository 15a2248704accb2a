"""HTTP Message Signatures. Source: RFC 9421; the body's digest is RFC 9530's Content-Digest.

Which key and which algorithm count is ours to say: `keyid` finds the key, and an `alg` that says otherwise is refused.
Signed must be the method, the address, the body's digest and a time; a signature over less proves too little. What is
signed is built anew from the request, so a component that we cannot build is refused, not passed over.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import http_sf

from service.errors import Unauthentic
from service.settings import HashAlgorithm, MessageSignatureAuth, Secret, SignatureAlgorithm
from service.sources.auth.proofs import (
    delivery_key,
    ed25519_matches,
    ed25519_sign,
    id_headers,
    is_key_pair,
    mac,
    require_current,
)
from service.sources.base import Headers, Incoming, Verified, require_header

_INPUT, _SIGNATURE, _DIGEST = "Signature-Input", "Signature", "Content-Digest"
_LABEL = "refundry"

#: A request has one, or one more for each proxy that signs too.
_MAX_SIGNATURES = 4
_MAX_COMPONENTS = 32

_ADDRESSES = (frozenset({"@target-uri"}), frozenset({"@authority", "@path", "@query"}))
_REQUIRED = ("@method", "content-digest")
#: What a request signs where nothing more is asked for.
_COMPONENTS = ("@method", "@target-uri", "content-digest")

#: RFC 9530 §5; the others of its registry are broken or no hashes.
_DIGESTS: Mapping[str, Callable[[bytes], Any]] = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Signature:
    components: tuple[str, ...]
    parameters: Mapping[str, object]
    #: As it is signed: the inner list with its parameters.
    input_text: str
    value: bytes

    @property
    def key_id(self) -> str | None:
        key_id = self.parameters.get("keyid")
        return key_id if isinstance(key_id, str) else None


def verify(auth: MessageSignatureAuth, secrets: tuple[Secret, ...], incoming: Incoming, now: datetime) -> Verified:
    signatures = _read_signatures(incoming.headers)
    signature = _ours(signatures, {secret.key_id for secret in secrets})
    _require_enough(auth, signature)
    index = _matching_secret(auth, secrets, signature, _signature_base(incoming, signature))
    if index is None:
        raise Unauthentic("the signature does not match the key that its keyid names")
    _require_digest(incoming)
    _require_time(auth, signature.parameters, now)
    return Verified(delivery_key=delivery_key(incoming, auth.delivery_id_header), secret_index=index)


def sign(
    auth: MessageSignatureAuth, secret: Secret, unsigned: Incoming, now: datetime, delivery_id: str
) -> list[tuple[str, str]]:
    digest = base64.b64encode(hashlib.sha256(unsigned.raw).digest()).decode()
    headers = [(_DIGEST, f"sha-256=:{digest}:"), *id_headers(auth.delivery_id_header, delivery_id)]
    names = (*_COMPONENTS, *auth.components)
    parameters = {"created": int(now.timestamp()), "keyid": secret.key_id, "alg": str(auth.signature_algorithm)}
    text = _written(([(name, {}) for name in names], parameters))
    signature = _Signature(components=names, parameters=parameters, input_text=text, value=b"")
    sent = Incoming(raw=unsigned.raw, headers=[*unsigned.headers, *headers], method=unsigned.method, url=unsigned.url)
    base = _signature_base(sent, signature)
    if auth.signature_algorithm is SignatureAlgorithm.ED25519:
        value = ed25519_sign(secret, base)
    else:
        value = mac(secret, HashAlgorithm.SHA256, base)
    return [
        *headers,
        (_INPUT, f"{_LABEL}={text}"),
        (_SIGNATURE, f"{_LABEL}=:{base64.b64encode(value).decode()}:"),
    ]


# --- reading ----------------------------------------------------------------------------------------------------------


def _read_signatures(headers: Headers) -> list[_Signature]:
    inputs = _read_dictionary(headers, _INPUT)
    values = _read_dictionary(headers, _SIGNATURE)
    if len(inputs) > _MAX_SIGNATURES or len(values) > _MAX_SIGNATURES:
        raise Unauthentic(f"more than {_MAX_SIGNATURES} signatures")
    if inputs.keys() != values.keys():
        raise Unauthentic(f"{_INPUT} and {_SIGNATURE} do not name the same signatures")
    return [_read_signature(label, inputs[label], values[label]) for label in inputs]


def _read_signature(label: str, covered: Any, value: Any) -> _Signature:
    items, parameters = covered
    if not isinstance(items, list) or len(items) > _MAX_COMPONENTS:
        raise Unauthentic(f"{_INPUT} {label} is no list of at most {_MAX_COMPONENTS} components")
    signature, _ = value
    if not isinstance(signature, bytes):
        raise Unauthentic(f"{_SIGNATURE} {label} is no byte sequence")
    names = tuple(_component_name(item) for item in items)
    if len(set(names)) < len(names):
        raise Unauthentic(f"{_INPUT} {label} names a component twice")
    try:
        text = _written(covered)
    except ValueError as error:
        raise Unauthentic(f"{_INPUT} {label} cannot be written again") from error
    return _Signature(components=names, parameters=parameters, input_text=text, value=signature)


def _written(covered: Any) -> str:
    """An inner list as RFC 9651 writes it; the library writes lists only as members of something."""
    return http_sf.ser({"a": covered}).removeprefix("a=")


def _component_name(item: Any) -> str:
    name, parameters = item
    # Parameters (sf, bs, key, req, tr) make another value of a header; none of the senders needs them.
    if not isinstance(name, str) or name != name.lower() or parameters:
        raise Unauthentic("a component is not the plain name of a header")
    return name


def _read_dictionary(headers: Headers, name: str) -> dict[str, Any]:
    text = require_header(headers, name)
    doubled: list[str] = []
    try:
        parsed = http_sf.parse(text.encode(), tltype="dictionary", on_duplicate_key=lambda key, _: doubled.append(key))
    except http_sf.StructuredFieldError as error:
        raise Unauthentic(f"header {name} is no dictionary of RFC 9651", header=name) from error
    # RFC 9651 takes the last; whoever looked at the first would have seen another signature.
    if doubled or not isinstance(parsed, dict):
        raise Unauthentic(f"header {name} has a key twice", header=name)
    return parsed


# --- deciding ---------------------------------------------------------------------------------------------------------


def _ours(signatures: Sequence[_Signature], key_ids: AbstractSet[str]) -> _Signature:
    """The one signature whose keyid is ours; those of others on the way are passed over."""
    known = [signature for signature in signatures if signature.key_id in key_ids]
    if len(known) != 1:
        raise Unauthentic(f"{len(known)} signatures have a keyid of auth.key_ids, not one")
    return known[0]


def _require_enough(auth: MessageSignatureAuth, signature: _Signature) -> None:
    covered = frozenset(signature.components)
    missing = [name for name in (*_REQUIRED, *auth.components) if name not in covered]
    if not any(address <= covered for address in _ADDRESSES):
        missing.append("@target-uri")
    if missing:
        raise Unauthentic(f"not signed: {', '.join(missing)}")
    if signature.parameters.get("alg", auth.signature_algorithm) != auth.signature_algorithm:
        raise Unauthentic(f"its alg is not {auth.signature_algorithm}, which auth.signature_algorithm asks for")


def _matching_secret(
    auth: MessageSignatureAuth, secrets: Sequence[Secret], signature: _Signature, base: bytes
) -> int | None:
    """Two secrets may have one name: a sender that rotates the key and keeps the keyid."""
    named = [index for index, secret in enumerate(secrets) if secret.key_id == signature.key_id]
    return next((index for index in named if _matches(auth, secrets[index], signature.value, base)), None)


def _matches(auth: MessageSignatureAuth, secret: Secret, value: bytes, base: bytes) -> bool:
    if auth.signature_algorithm is SignatureAlgorithm.ED25519:
        return is_key_pair(secret) and ed25519_matches(secret, value, base)
    return not is_key_pair(secret) and hmac.compare_digest(mac(secret, HashAlgorithm.SHA256, base), value)


def _require_digest(incoming: Incoming) -> None:
    """Every digest that we can compute must be the body's, and there must be one."""
    digests = _read_dictionary(incoming.headers, _DIGEST)
    known = [(_DIGESTS[name], value) for name, (value, _) in digests.items() if name in _DIGESTS]
    if not known:
        raise Unauthentic(f"{_DIGEST} has none of {', '.join(_DIGESTS)}")
    for make, value in known:
        if not isinstance(value, bytes) or not hmac.compare_digest(make(incoming.raw).digest(), value):
            raise Unauthentic(f"{_DIGEST} is not that of the body")


def _require_time(auth: MessageSignatureAuth, parameters: Mapping[str, object], now: datetime) -> None:
    created = _seconds(parameters, "created")
    if created is None:
        raise Unauthentic("not signed: created")
    require_current(created, now, auth.tolerance_seconds)
    expires = _seconds(parameters, "expires")
    if expires is not None and expires <= now.timestamp():
        raise Unauthentic("the signature has expired")


def _seconds(parameters: Mapping[str, object], name: str) -> int | None:
    value = parameters.get(name)
    # A flag without a value is True, and True is a whole number to Python.
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise Unauthentic(f"{name} is not a whole number of seconds")
    return value


# --- what is signed ---------------------------------------------------------------------------------------------------


def _signature_base(incoming: Incoming, signature: _Signature) -> bytes:
    """RFC 9421 §2.5."""
    lines = [f'"{name}": {_component(incoming, name)}' for name in signature.components]
    return "\n".join([*lines, f'"@signature-params": {signature.input_text}']).encode()


def _component(incoming: Incoming, name: str) -> str:
    if not name.startswith("@"):
        return require_header(incoming.headers, name).strip(" ")
    derive = _DERIVED.get(name)
    if derive is None:
        raise Unauthentic(f"the component {name[:40]!r} is not one that we can build")
    try:
        return derive(incoming)
    except ValueError as error:
        raise Unauthentic("the address is none") from error


#: RFC 9421 §2.2.
_DERIVED: Mapping[str, Callable[[Incoming], str]] = {
    "@method": lambda incoming: incoming.method,
    "@target-uri": lambda incoming: incoming.url,
    "@authority": lambda incoming: urlsplit(incoming.url).netloc.lower(),
    "@scheme": lambda incoming: urlsplit(incoming.url).scheme.lower(),
    "@path": lambda incoming: urlsplit(incoming.url).path or "/",
    "@query": lambda incoming: f"?{urlsplit(incoming.url).query}",
}
