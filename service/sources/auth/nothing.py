"""No proof at all: anybody who finds the address may send. Only where the operator wrote insecure = true."""

from __future__ import annotations

from datetime import datetime

from service.settings import NoAuth, Secret
from service.sources.auth.proofs import delivery_key, id_headers
from service.sources.base import Incoming, Verified


def verify(auth: NoAuth, secrets: tuple[Secret, ...], incoming: Incoming, now: datetime) -> Verified:
    del secrets, now
    return Verified(delivery_key=delivery_key(incoming, auth.delivery_id_header), secret_index=0)


def sign(auth: NoAuth, secret: Secret, unsigned: Incoming, now: datetime, delivery_id: str) -> list[tuple[str, str]]:
    del secret, unsigned, now
    return id_headers(auth.delivery_id_header, delivery_id)
