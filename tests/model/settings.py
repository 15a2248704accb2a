"""In which worlds the protocol is checked, and which of its guards are taken away to see that they are needed."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

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

#: What the protocol is without one of its guards.
MUTANTS: Mapping[str, Guards] = {
    "no marker is looked for": Guards(looks_for_marker=False),
    "settle_seconds are not waited for": Guards(waits_until_settled=False),
    "no slot per order": Guards(has_slot=False),
    "no fence on a claim": Guards(has_fence=False),
    "no send deadline": Guards(has_deadline=False),
    "an unknown online refund is sent again": Guards(asks_about_online=False),
}

#: The smallest world in which every mutant can go wrong.
SMALL_OFFLINE = Setting(is_online=False, has_order_lock=True, has_staff=False)
SMALL_ONLINE = Setting(is_online=True, has_order_lock=True, has_staff=False)
