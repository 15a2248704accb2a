"""The only place that speaks HTTP to Magento. GETs may be asked again; a refund is posted once."""

from service.magento.client import MagentoClient
from service.magento.outcomes import Outcome, OutcomeKind
from service.magento.refunds import refund_body, refund_path

__all__ = ["MagentoClient", "Outcome", "OutcomeKind", "refund_body", "refund_path"]
