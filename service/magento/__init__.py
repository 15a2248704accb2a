"""The only place that speaks HTTP to Magento. GETs may be asked again; a refund is posted once."""

from service.magento.client import MagentoClient
from service.magento.outcomes import Outcome, OutcomeKind
from service.magento.pace import MOST_PAUSE_SECONDS, Pause
from service.magento.refunds import refund_body, refund_path

__all__ = [
    "MOST_PAUSE_SECONDS",
    "MagentoClient",
    "Outcome",
    "OutcomeKind",
    "Pause",
    "refund_body",
    "refund_path",
]
