"""What differs between the two Magento versions the sandbox can be: one row per difference, one column per version.

Source: recordings/differences-2.4.6.md; where a row rests on Magento's code alone, the row says so.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Quirks:
    """`magento_version` is what `GET /magento_version` and the recordings call it."""

    magento_version: str
    #: A memo of 0 or below passes, and the gateway is called with that amount (recordings/negative-total.json).
    allows_zero_grand_total: bool
    #: Fractions of an item that is sold in whole units are refused instead of cut off.
    refuses_fractions_of_whole_units: bool
    #: A memo without any quantity needs shipping left to refund (Magento 2.4.1 QuantityValidator).
    needs_products_or_shipping: bool
    #: The order route waits for a lock on the order's row; the invoice route never does.
    locks_order_route: bool
    #: Unshipped units that are named for return are taken off their source as well (restock-partly-shipped.json).
    deducts_unshipped_units_named_for_return: bool
    #: Stock is moved by SQL arithmetic; otherwise refunds at once read, add and write, and lose each other's moves.
    moves_stock_atomically: bool
    #: What may still be refunded of the tax is counted per invoice (Magento 2.4.3 Total/Tax), not per order.
    limits_tax_per_invoice: bool
    #: The method `free` can be refunded on the invoice route (Magento 2.4.6 Invoice/Validation/CanRefund).
    refunds_free_invoices: bool
    #: Asynchronous routes go into a database queue; otherwise there is no broker and they fail with 500.
    queues_async_calls: bool
    #: An integration's access token is accepted as a bearer token.
    takes_integration_token_as_bearer: bool
    oauth_signature_methods: tuple[str, ...]
    admin_token_seconds: int


MAGENTO_2_4_1 = Quirks(
    magento_version="2.4.1",
    allows_zero_grand_total=False,
    refuses_fractions_of_whole_units=False,
    needs_products_or_shipping=True,
    locks_order_route=False,
    deducts_unshipped_units_named_for_return=True,
    moves_stock_atomically=False,
    limits_tax_per_invoice=False,
    refunds_free_invoices=False,
    queues_async_calls=False,
    takes_integration_token_as_bearer=True,
    oauth_signature_methods=("HMAC-SHA1", "HMAC-SHA256"),
    admin_token_seconds=4 * 3600,
)

MAGENTO_2_4_6_P4 = Quirks(
    magento_version="2.4.6-p4",
    allows_zero_grand_total=True,
    refuses_fractions_of_whole_units=True,
    needs_products_or_shipping=False,
    locks_order_route=True,
    deducts_unshipped_units_named_for_return=False,
    moves_stock_atomically=True,
    limits_tax_per_invoice=True,
    refunds_free_invoices=True,
    queues_async_calls=True,
    takes_integration_token_as_bearer=False,
    oauth_signature_methods=("HMAC-SHA256",),
    admin_token_seconds=3600,
)

QUIRKS = {quirks.magento_version: quirks for quirks in (MAGENTO_2_4_1, MAGENTO_2_4_6_P4)}
DEFAULT_VERSION = MAGENTO_2_4_6_P4.magento_version
