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

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from service.errors import Conflict, NotFound
from service.store.engine import Database
from service.store.journal import note
from service.store.rows import Key, row_as
from service.store.tables import api_keys

#: Lets a leaked token be recognised for what it is, by people and by scanners.
TOKEN_PREFIX = "rfd_"  # noqa: S105 -- a prefix, not a secret

_LEAST_SECRET_BYTES = 32

#: Knowing the minute is enough, and saves a write with most requests.
_USE_NOTED_AFTER = timedelta(minutes=1)


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
        values = {"name": name, "key_hash": _hash(token), "scopes": list(scopes), "created_at": now}
        try:
            with self._database.write() as connection:
                connection.execute(insert(api_keys).values(values))
                text = f"{name} may {', '.join(scopes)}"
                note(connection, now=now, actor=actor, what="key.created", text=text)
        except IntegrityError as error:
            raise Conflict(f"there is a key {name!r} already, in use or revoked; choose another name") from error
        return token

    def check(self, token: str, now: datetime) -> Key | None:
        """The key of a token, unless it is unknown or revoked; takes the same time for every wrong token."""
        presented = _hash(token)
        with self._database.read() as connection:
            in_use = connection.execute(select(api_keys).where(api_keys.c.revoked_at.is_(None))).mappings().all()
        matching = [row for row in in_use if hmac.compare_digest(row["key_hash"], presented)]
        if not matching:
            return None
        key = _key(matching[0])
        if key.last_used_at is None or now - key.last_used_at >= _USE_NOTED_AFTER:
            with self._database.write() as connection:
                connection.execute(update(api_keys).where(api_keys.c.id == key.id).values(last_used_at=now))
        return key

    def revoke(self, name: str, now: datetime, *, actor: str = "command line") -> None:
        with self._database.write() as connection:
            change = update(api_keys).where(api_keys.c.name == name, api_keys.c.revoked_at.is_(None))
            if connection.execute(change.values(revoked_at=now)).rowcount == 0:
                raise NotFound(f"there is no key {name!r} in use", name=name)
            note(connection, now=now, actor=actor, what="key.revoked", text=name)

    def all(self) -> tuple[Key, ...]:
        with self._database.read() as connection:
            rows = connection.execute(select(api_keys).order_by(api_keys.c.name)).mappings()
            return tuple(_key(row) for row in rows)


def _key(row: Mapping[Any, Any]) -> Key:
    return row_as(Key, {**row, "scopes": tuple(row["scopes"])})


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
