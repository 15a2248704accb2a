"""What holds where the settings say nothing: written down, since merchants rely on it without having said it."""

from decimal import Decimal

from service.core.policy import (
    Amounts,
    Quantities,
    SharedFees,
    ShippingRule,
    ShippingRuleKind,
    SourcePolicy,
    StockOwner,
    StoreCredit,
)


def test_a_source_that_says_nothing_refunds_what_is_approved_and_asks_about_the_rest():
    assert SourcePolicy() == SourcePolicy(
        refund_on=("return.approved",),
        withdraw_on=("return.cancelled", "return.rejected", "return.expired"),
        quantities=Quantities.CUMULATIVE,
        restock=("sellable",),
        stock_owner=StockOwner.MAGENTO,
        amounts=Amounts.COMPUTE,
        amounts_include_tax=None,
        store_credit=StoreCredit.PERSON,
        shared_fees=SharedFees.PERSON,
        notify_customer=True,
    )


def test_no_shipping_goes_back_unless_a_rule_says_so():
    assert ShippingRule() == ShippingRule(kind=ShippingRuleKind.NONE, amount=Decimal(0))
