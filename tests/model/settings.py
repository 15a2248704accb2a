"""In which worlds the protocol is checked, and which of its guards are taken away to see that they are needed."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import NamedTuple

from service.flow.reconcile import MAX_SENDS
from tests.model.protocol import Guards, Setting

#: Each trouble is in one of them, for every test run.
QUICK: Mapping[str, Setting] = {
    "offline, staff": Setting(is_online=False, has_order_lock=False, has_staff=True, has_redelivery=False),
    "online, staff, plugin, lock": Setting(
        is_online=True, has_order_lock=True, has_plugin=True, has_staff=True, has_redelivery=False
    ),
    "offline, redelivery, lock": Setting(is_online=False, has_order_lock=True, has_staff=False, max_sends=1),
    "online, redelivery": Setting(is_online=True, has_order_lock=False, has_staff=False),
}

#: All of them at once, with and without the lock, on both routes, with as many sends as there are.
FULL: Mapping[str, Setting] = {
    f"{'online' if is_online else 'offline'}, {'lock' if has_order_lock else 'no lock'}": Setting(
        is_online=is_online,
        has_order_lock=has_order_lock,
        has_plugin=is_online,
        max_sends=MAX_SENDS,
    )
    for is_online, has_order_lock in product((False, True), repeat=2)
}

#: The smallest worlds in which a protocol without one of its guards can go wrong. Staff only where they matter: with
#: them the same traces are found among five times as many states.
SMALL_OFFLINE = Setting(is_online=False, has_order_lock=True, has_staff=False)
SMALL_ONLINE = Setting(is_online=True, has_order_lock=True, has_staff=False)
STAFF_OFFLINE = QUICK["offline, staff"]
STAFF_ONLINE = QUICK["online, staff, plugin, lock"]


class Mutant(NamedTuple):
    """The protocol without one of its guards, and where that is tried."""

    guards: Guards
    offline: Setting = SMALL_OFFLINE
    online: Setting = SMALL_ONLINE


MUTANTS: Mapping[str, Mutant] = {
    "no marker is looked for": Mutant(Guards(looks_for_marker=False)),
    "settle_seconds are not waited for": Mutant(Guards(waits_until_settled=False)),
    "no slot per order": Mutant(Guards(has_slot=False)),
    "no fence on a claim": Mutant(Guards(has_fence=False)),
    "no send deadline": Mutant(Guards(has_deadline=False)),
    "an unknown online refund is sent again": Mutant(Guards(asks_about_online=False)),
    "foreign memos are not asked about": Mutant(Guards(asks_about_foreign_memos=False), STAFF_OFFLINE, STAFF_ONLINE),
    "a person's answer is ignored": Mutant(Guards(heeds_answers=False), STAFF_OFFLINE, STAFF_ONLINE),
}
