"""What every step of carrying one delivery needs at hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from service.core.returns import OrderReference
from service.flow.drift import looks_after
from service.magento import MagentoClient
from service.runtime import Runtime
from service.settings import SourceSettings, StoreSettings
from service.store import Claim, RefundRow, ReturnCase, Store


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

    def mark_done(self, row: RefundRow, memo_id: int, *, stock_proven: bool) -> None:
        """The memo is known; its order is looked at again later, when whatever else happened to it can be read."""
        now = self.now()
        looks = looks_after(self.settings, now)
        self.store.refunds.mark_done(self.claim, row.id, memo_id, now, stock_proven=stock_proven, look_again_at=looks)

    @property
    def order(self) -> OrderReference:
        """By entity id once it is known: one order, where an increment id may name several."""
        if self.case.order_entity_id is not None:
            return OrderReference(entity_id=self.case.order_entity_id)
        return self.case.event.order
