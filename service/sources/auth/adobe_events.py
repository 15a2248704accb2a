"""Adobe I/O Events: RSA signatures over the raw body, and the client id in each event.

Source: developer.adobe.com/events/docs/guides/#security-considerations. Two signatures come, made with two keys; one
that holds is enough, so that Adobe can change the keys one after the other. The headers with the keys' paths are not
followed: which keys are Adobe's is configured (docs/decisions/0018). Adobe signs for all its customers with the same
keys, so an event counts only when it names our client id.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from service.errors import Unauthentic
from service.settings import AdobeEventsAuth, Secret
from service.sources.auth.proofs import delivery_key
from service.sources.auth.rsa import matching_key, rsa_sign
from service.sources.base import Incoming, Verified, read_header

_SIGNATURES = ("x-adobe-digital-signature-1", "x-adobe-digital-signature-2")
_KEY_PATHS = ("x-adobe-public-key1-path", "x-adobe-public-key2-path")
_KEY_PATH = re.compile(r"(?:/[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}){1,5}")
_KEY_HOST = "https://static.adobeioevents.com"

#: Both spellings are seen.
_RECIPIENT = ("recipient_client_id", "recipientclientid")
#: Adobe's batches are far smaller.
_MAX_EVENTS = 10_000


def verify(auth: AdobeEventsAuth, secrets: tuple[Secret, ...], incoming: Incoming, now: datetime) -> Verified:
    del now
    sent = [read_header(incoming.headers, name) for name in _SIGNATURES]
    signatures = [each for each in sent if each is not None]
    if not signatures:
        raise Unauthentic(f"header {_SIGNATURES[0]} is missing", header=_SIGNATURES[0])
    index = matching_key(secrets, signatures, incoming.raw)
    if index is None:
        raise Unauthentic(f"no signature matches one of the source's keys{_which_keys(incoming)}")
    for recipient in _recipients(incoming.raw):
        if recipient != auth.recipient_client_id:
            raise Unauthentic("an event is for another client id than auth.recipient_client_id")
    return Verified(delivery_key=delivery_key(incoming, None), secret_index=index)


def sign(
    auth: AdobeEventsAuth, secret: Secret, unsigned: Incoming, now: datetime, delivery_id: str
) -> list[tuple[str, str]]:
    del auth, now, delivery_id
    return [(_SIGNATURES[0], rsa_sign(secret, unsigned.raw))]


def _which_keys(incoming: Incoming) -> str:
    """For the operator: which keys the request names, and where to get Adobe's. Only from Adobe's own host."""
    sent = [read_header(incoming.headers, name) for name in _KEY_PATHS]
    paths = [path for path in sent if path is not None and _KEY_PATH.fullmatch(path)]
    if not paths:
        return ""
    named = " and ".join(f"{_KEY_HOST}{path}" for path in paths)
    return f"; it names {named}: if Adobe changed its keys, save them to files and name those in secrets_file"


def _recipients(raw: bytes) -> Iterator[object]:
    """Every client id that an event names; None, which equals no id, for an event without.

    A doubled key would let two readers see two ids, so it is refused like another's event.
    """
    try:
        # Decoded here: json would take UTF-16 as well, and who reads the body later does not.
        body = json.loads(raw.decode(), object_pairs_hook=_single_keys)
    except (ValueError, RecursionError) as error:
        raise Unauthentic("the body is not JSON that says once for whom it is") from error
    events = body if isinstance(body, list) else [body]
    if not 1 <= len(events) <= _MAX_EVENTS:
        raise Unauthentic(f"a batch of {len(events)} events")
    for event in events:
        said = [event[name] for name in _RECIPIENT if name in event] if isinstance(event, dict) else []
        yield from said or [None]


def _single_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a key stands twice")
    return members
