"""What is kept, durably, in SQL: the only place that speaks it. `open_store(url)` gives everything there is."""

from service.store.backup import backup, restore
from service.store.clashes import EventClash, IllegalMove, SchemaMismatch
from service.store.guards import DATABASE_BEHIND
from service.store.ids import Kind, format_id, kind_of, parse_id
from service.store.migrate import is_current, migrate
from service.store.rows import (
    Attempt,
    Beat,
    Claim,
    Delivery,
    DeliverySummary,
    DriftCheck,
    FoundMarker,
    Guard,
    JournalEntry,
    Key,
    NewDelivery,
    Received,
    RefundRow,
    Refusal,
    RefusalCount,
    ReturnCase,
    SentTotals,
    Settlement,
    SourceCount,
    StoredEvent,
    Switch,
)
from service.store.store import Store, open_store

__all__ = [
    "DATABASE_BEHIND",
    "Attempt",
    "Beat",
    "Claim",
    "Delivery",
    "DeliverySummary",
    "DriftCheck",
    "EventClash",
    "FoundMarker",
    "Guard",
    "IllegalMove",
    "JournalEntry",
    "Key",
    "Kind",
    "NewDelivery",
    "Received",
    "RefundRow",
    "Refusal",
    "RefusalCount",
    "ReturnCase",
    "SchemaMismatch",
    "SentTotals",
    "Settlement",
    "SourceCount",
    "Store",
    "StoredEvent",
    "Switch",
    "backup",
    "format_id",
    "is_current",
    "kind_of",
    "migrate",
    "open_store",
    "parse_id",
    "restore",
]
