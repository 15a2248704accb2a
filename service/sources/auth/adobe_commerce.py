"""Adobe Commerce webhooks: an RSA signature over the body in base64.

Source: developer.adobe.com/commerce/extensibility/webhooks/signature-verification. Its text says HMAC; its samples, and
this, check an RSA signature with a public key.
"""

from __future__ import annotations

import base64
from datetime import datetime

from service.errors import Unauthentic
from service.settings import AdobeCommerceAuth, Secret
from service.sources.auth.proofs import delivery_key
from service.sources.auth.rsa import matching_key, rsa_sign
from service.sources.base import Incoming, Verified, require_header

_HEADER = "x-adobe-commerce-webhook-signature"


def verify(auth: AdobeCommerceAuth, secrets: tuple[Secret, ...], incoming: Incoming, now: datetime) -> Verified:
    del auth, now
    index = matching_key(secrets, [require_header(incoming.headers, _HEADER)], base64.b64encode(incoming.raw))
    if index is None:
        raise Unauthentic("the signature matches none of the source's keys")
    return Verified(delivery_key=delivery_key(incoming, None), secret_index=index)


def sign(
    auth: AdobeCommerceAuth, secret: Secret, unsigned: Incoming, now: datetime, delivery_id: str
) -> list[tuple[str, str]]:
    del auth, now, delivery_id
    return [(_HEADER, rsa_sign(secret, base64.b64encode(unsigned.raw)))]
