"""A schedule as people read it, and its hash: the same seed gives the same, in every process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from tests.simulation.world import World


def shown(world: World) -> Iterator[str]:
    story = world.story
    yield f"{story.name}: Magento {story.magento_version}"
    for message in story.messages:
        lines = ", ".join(f"{units} × {sku} {how}" for sku, units, how in message.lines)
        yield f"  {message.key} says {message.event_id}: {message.return_id} of {message.order}, {lines}"
    for refund in story.hand_refunds:
        yield f"  by hand: {refund.units} × {refund.sku} of {refund.order}"
    yield "     seconds  who          what"
    yield from world.scheduler.trace
    yield from _ended(world)


def hash_of(world: World) -> str:
    return hashlib.sha256("\n".join(shown(world)).encode()).hexdigest()[:16]


def _ended(world: World) -> Iterator[str]:
    for delivery in reversed(world.deliveries):
        yield f"{delivery.delivery_key} is {delivery.state} ({delivery.reason_code}): {delivery.reason}"
    for row in reversed(world.refunds):
        yield f"refund {row.id} is {row.state}, memo {row.memo_id}, sent {row.sends}: {row.marker} {row.reason}"
