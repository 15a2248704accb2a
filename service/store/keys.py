"""API keys: only a digest is kept, so a copy of the database opens nothing.

A token is 32 random bytes or more, so that one SHA-256 is as good as a slow hash would be for a password.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from service.errors import Conflict, NotFound
from service.store.engine import Database
from service.store.journal import note
from service.store.rows import Key, row_as
from service.store.statements import Statement, given, insert_into, update_where
from service.store.tables import api_keys

#: Lets a leaked token be recognised for what it is, by people and by scanners.
TOKEN_PREFIX = "rfd_"  # noqa: S105 -- a prefix, not a secret

_LEAST_SECRET_BYTES = 32

#: Knowing the minute is enough, and saves a write with most requests.
_USE_NOTED_AFTER = timedelta(minutes=1)


_INSERT = insert_into(api_keys, "name", "key_hash", "scopes", "created_at")
_IN_USE = Statement(select(api_keys).where(api_keys.c.revoked_at.is_(None)))
_ALL = Statement(select(api_keys).order_by(api_keys.c.name))
_USED = update_where(api_keys, api_keys.c.id == given("key"), sets=("last_used_at",))
_REVOKE = update_where(
    api_keys, api_keys.c.name == given("called"), api_keys.c.revoked_at.is_(None), sets=("revoked_at",)
)


class Keys:
    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self, name: str, scopes: tuple[str, ...], secret: bytes, now: datetime, *, actor: str = "command line"
    ) -> str:
        """The new key's token, which cannot be shown again; `secret` is random and the caller's to draw."""
        if len(secret) < _LEAST_SECRET_BYTES:
            raise ValueError(f"a key of {len(secret)} bytes can be guessed; draw {_LEAST_SECRET_BYTES}")
        token = TOKEN_PREFIX + base64.urlsafe_b64encode(secret).decode().rstrip("=")
        try:
            with self._database.write() as tx:
                tx.change(_INSERT, name=name, key_hash=_hash(token), scopes=list(scopes), created_at=now)
                text = f"{name} may {', '.join(scopes)}"
                note(tx, now=now, actor=actor, what="key.created", text=text)
        except IntegrityError as error:
            raise Conflict(f"there is a key {name!r} already, in use or revoked; choose another name") from error
        return token

    def check(self, token: str, now: datetime) -> Key | None:
        """The key of a token, unless it is unknown or revoked; takes the same time for every wrong token."""
        presented = _hash(token)
        with self._database.read() as tx:
            in_use = tx.all(_IN_USE)
        matching = [row for row in in_use if hmac.compare_digest(row["key_hash"], presented)]
        if not matching:
            return None
        key = _key(matching[0])
        if key.last_used_at is None or now - key.last_used_at >= _USE_NOTED_AFTER:
            with self._database.write() as tx:
                tx.change(_USED, key=key.id, last_used_at=now)
        return key

    def revoke(self, name: str, now: datetime, *, actor: str = "command line") -> None:
        with self._database.write() as tx:
            if tx.change(_REVOKE, called=name, revoked_at=now) == 0:
                raise NotFound(f"there is no key {name!r} in use", name=name)
            note(tx, now=now, actor=actor, what="key.revoked", text=name)

    def all(self) -> tuple[Key, ...]:
        with self._database.read() as tx:
            return tuple(_key(row) for row in tx.all(_ALL))


def _key(row: Mapping[Any, Any]) -> Key:
    return row_as(Key, {**row, "scopes": tuple(row["scopes"])})


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
