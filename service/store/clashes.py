"""What can go wrong here and nowhere else; each is one of service.errors' kinds."""

from __future__ import annotations

from service.errors import Conflict, StoreUnavailable


class EventClash(Conflict):
    """One event id came with two contents. Neither is believed over the other: a person looks at both deliveries."""

    kind = "event-clash"


class IllegalMove(Conflict):
    """A move that core/lifecycle.py does not have; nothing was changed."""

    kind = "illegal-move"


class MarkerTaken(Conflict):
    """A refund was planned under the marker of another return's: a person looks which of the two is right."""

    kind = "marker-taken"


class SchemaMismatch(StoreUnavailable):
    """The database's schema is not this program's. Coming back later does not mend it."""

    kind = "schema-mismatch"
    try_again = False
