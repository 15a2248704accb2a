"""What every step of carrying one delivery needs at hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from service.core.returns import OrderReference
from service.magento import MagentoClient
from service.runtime import Runtime
from service.settings import SourceSettings, StoreSettings
from service.store import Claim, ReturnCase, Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    runtime: Runtime
    claim: Claim
    source: SourceSettings
    case: ReturnCase

    def now(self) -> datetime:
        return self.runtime.clock()

    @property
    def store(self) -> Store:
        return self.runtime.store

    @property
    def settings(self) -> StoreSettings:
        return self.runtime.store_of(self.source)

    @property
    def magento(self) -> MagentoClient:
        return self.runtime.magento[self.source.store]

    @property
    def order(self) -> OrderReference:
        """By entity id once it is known: one order, where an increment id may name several."""
        if self.case.order_entity_id is not None:
            return OrderReference(entity_id=self.case.order_entity_id)
        return self.case.event.order
