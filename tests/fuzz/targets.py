"""What is fed, and how bytes become a request: the first byte chooses what is wrong with a good one, the rest is that.

A target raises nothing but Wrong, and that only when the code under it broke its promise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from service.errors import Unauthentic
from service.settings import SignedForm
from service.sources import Incoming, verify
from service.sources.auth import adobe_events, client_certificate, message_signature, plain_hmac, proofs
from service.sources.base import MAX_ID_LENGTH, read_header
from tests.sources.given import NOW
from tests.sources.schemes import SENDERS, Sender

#: As WSGI hands header values on: bytes as Latin-1.
_WIRE = "latin-1"

Target = Callable[[bytes], None]


class Wrong(AssertionError):
    """The promise that was broken, and by which input."""


def request_from(sender: Sender, content: bytes, good: Incoming) -> Incoming:
    """A good request with one part replaced by the content, or nothing but the content."""
    if not content:
        return good
    choice, rest = content[0], content[1:]
    names = [name for name, _ in good.headers]
    if choice < 0x80:
        changed = names[choice % len(names)]
        value = rest.decode(_WIRE)
        return replace(good, headers=[(name, value if name == changed else old) for name, old in good.headers])
    if choice < 0xA0:
        return replace(good, raw=rest)
    if choice < 0xC0:
        at = rest[0] % (len(good.headers) + 1) if rest else 0
        added = (names[rest[1] % len(names)] if len(rest) > 1 else "x", rest[2:].decode(_WIRE))
        return replace(good, headers=[*good.headers[:at], added, *good.headers[at:]])
    if choice < 0xE0:
        # A byte of the proof changed: what is nearly right is where parsers are careless.
        where, what = (rest[0], rest[1:2]) if rest else (0, b"")
        proof = next(value for name, value in good.headers if name.lower() == sender.proof.lower())
        at = where % (len(proof) + 1)
        changed_proof = proof[:at] + what.decode(_WIRE) + proof[at + (choice & 1) :]
        headers = [(name, changed_proof if name.lower() == sender.proof.lower() else old) for name, old in good.headers]
        return replace(good, headers=headers)
    lines = rest.split(b"\n")
    headers = [(name.decode(_WIRE), value.decode(_WIRE)) for name, _, value in (line.partition(b":") for line in lines)]
    return replace(good, headers=headers)


def verifier(sender: Sender) -> Target:
    """Verified, which only a request with an untouched body may be where the body is signed; or Unauthentic."""
    source, good = sender.source(0, 1), sender.sends()

    def run(content: bytes) -> None:
        request = request_from(sender, content, good)
        try:
            verified = verify(source, request, NOW)
        except Unauthentic:
            return
        if sender.auth.signs_body and _signed(sender, request) != _signed(sender, good):
            raise Wrong(f"a body that nobody signed was accepted: {request}")
        if not verified.delivery_key or len(verified.delivery_key) > MAX_ID_LENGTH + 65:
            raise Wrong(f"an odd delivery key: {verified}")
        if verified.secret_index not in {0, 1}:
            raise Wrong(f"an odd secret: {verified}")

    return run


def _signed(sender: Sender, request: Incoming) -> bytes:
    is_rewritten = getattr(sender.auth, "signed_form", SignedForm.RAW) is SignedForm.PHP_JSON
    return plain_hmac._as_php_writes_json(request.raw) if is_rewritten else request.raw


def _unauthentic_or_fine(run: Callable[[bytes], object]) -> Target:
    def target(content: bytes) -> None:
        try:
            run(content)
        except Unauthentic:
            return

    return target


_CERTIFICATE_FORMS = {name: sender for name, sender in SENDERS.items() if sender.auth.scheme == "client-cert"}

#: Readers of headers and bodies by themselves, without the proof that stands before them.
READERS: dict[str, Target] = {
    "header": _unauthentic_or_fine(lambda content: read_header([("x", content.decode(_WIRE))], "X")),
    "base64": lambda content: _check_base64(content.decode(_WIRE)),
    "seconds": _unauthentic_or_fine(lambda content: proofs.read_seconds(content.decode(_WIRE), "t")),
    "dictionary": _unauthentic_or_fine(
        lambda content: message_signature._read_dictionary([("Signature", content.decode(_WIRE))], "Signature")
    ),
    "signature input": _unauthentic_or_fine(
        lambda content: message_signature._read_signatures(
            [("Signature-Input", content.decode(_WIRE)), ("Signature", "a=:AAAA:")]
        )
    ),
    "envoy's element": _unauthentic_or_fine(lambda content: client_certificate._envoy_hash(content.decode(_WIRE))),
    "recipients": _unauthentic_or_fine(lambda content: list(adobe_events._recipients(content))),
    "php's json": lambda content: _check_php(content),  # noqa: PLW0108 -- it stands below
    **{
        f"certificate, {name}": _unauthentic_or_fine(
            lambda content, auth=sender.auth: client_certificate._shown_hash(
                auth, [(sender_header(auth), content.decode(_WIRE))], NOW
            )
        )
        for name, sender in _CERTIFICATE_FORMS.items()
    },
}


def sender_header(auth) -> str:
    return auth.header or client_certificate._HEADERS[auth.certificate_form]


def _check_base64(text: str) -> None:
    decoded = proofs.decode_base64(text)
    if decoded is not None and not text.isascii():
        raise Wrong(f"no base64: {text!r}")


def _check_php(content: bytes) -> None:
    once = plain_hmac._as_php_writes_json(content)
    if plain_hmac._as_php_writes_json(once) != once:
        raise Wrong(f"written anew, it changes once more: {content!r}")


TARGETS: dict[str, Target] = {**{name: verifier(sender) for name, sender in SENDERS.items()}, **READERS}


def seeds(name: str) -> list[bytes]:
    """Inputs to start from: each header of a good request, as itself."""
    sender = SENDERS.get(name)
    if sender is None:
        return [
            b"",
            b"a=1",
            b'sig1=("@method");created=1;keyid="a"',
            b":AAAA:",
            b"Hash=" + b"0" * 64,
            b'{"a":[1]}',
            b"1770000000",
        ]
    good = sender.sends()
    texts = [value.encode(_WIRE) for _, value in good.headers]
    return [bytes([index]) + text for index, text in enumerate(texts)] + [
        b"\xe0" + b"\n".join(f"{header}:{value}".encode(_WIRE) for header, value in good.headers)
    ]
