"""What can be searched for: the columns of Magento's sales tables, whether an answer shows them or not.

Any other field is a database error. Source: Magento 2.4 module-sales/etc/db_schema.xml; recordings/search-orders.json,
comment-marker.json.
"""

from __future__ import annotations


def _columns(*names: str) -> frozenset[str]:
    return frozenset(name for line in names for name in line.split())


_COMMON = (
    "entity_id increment_id store_id state created_at updated_at grand_total base_grand_total subtotal base_subtotal",
    "tax_amount base_tax_amount discount_amount base_discount_amount shipping_amount base_shipping_amount",
    "order_currency_code base_currency_code store_currency_code global_currency_code discount_description",
    "customer_note customer_note_notify email_sent send_email billing_address_id shipping_address_id",
)

ORDER_COLUMNS = _columns(
    *_COMMON,
    "status customer_id customer_email customer_firstname customer_lastname customer_group_id customer_is_guest",
    "coupon_code protect_code quote_id remote_ip shipping_description shipping_method is_virtual weight store_name",
    "total_paid base_total_paid total_refunded base_total_refunded total_due base_total_due total_invoiced",
    "base_total_invoiced total_canceled total_qty_ordered total_item_count total_online_refunded",
    "total_offline_refunded base_total_online_refunded base_total_offline_refunded ext_order_id ext_customer_id",
    "hold_before_state hold_before_status applied_rule_ids original_increment_id relation_child_id relation_parent_id",
    "adjustment_positive adjustment_negative edit_increment",
)
INVOICE_COLUMNS = _columns(
    *_COMMON, "order_id transaction_id is_used_for_refund can_void_flag total_qty base_total_refunded"
)
#: `customer_note` is the first comment's text: it can be searched, and no answer ever shows it.
MEMO_COLUMNS = _columns(
    *_COMMON,
    "order_id invoice_id transaction_id creditmemo_status adjustment adjustment_positive adjustment_negative",
    "base_adjustment base_adjustment_positive base_adjustment_negative",
)
TRANSACTION_COLUMNS = _columns(
    "transaction_id parent_id order_id payment_id txn_id parent_txn_id txn_type is_closed created_at"
)
SOURCE_ITEM_COLUMNS = _columns("source_item_id sku source_code quantity status")
