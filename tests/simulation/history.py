"""What must hold after every schedule: nothing twice, nothing lost, nothing stuck, and the books agree.

The judge knows what really happened: Magento's memos, the gateway's ledger, who was acknowledged. It computes what was
approved by itself and takes no word of the database for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from service.core.lifecycle import DeliveryState, RefundState
from service.core.marker import markers_in, stem_of
from tests.simulation.shop import line_of, order_of
from tests.simulation.story import Message
from tests.simulation.world import BASE_URL, Call, World

_FINAL = (DeliveryState.DONE, DeliveryState.NEEDS_PERSON)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """`what` is one of doubled, lost, stuck, books."""

    what: str
    text: str

    def __str__(self) -> str:
        return f"{self.what}: {self.text}"


def check(world: World) -> tuple[Finding, ...]:
    return tuple(_findings(world))


def _findings(world: World) -> Iterator[Finding]:
    yield from _stuck(world)
    yield from _lost(world)
    yield from _doubled(world)
    yield from _books(world)


def asks_a_person(world: World) -> bool:
    return any(delivery.state is DeliveryState.NEEDS_PERSON for delivery in world.deliveries)


# --- stuck ------------------------------------------------------------------------------------------------------------


def _stuck(world: World) -> Iterator[Finding]:
    if world.scheduler.overran:
        yield Finding(what="stuck", text=f"still not at rest after {world.scheduler.seconds:.0f} s")
    for delivery in world.deliveries:
        if delivery.state not in _FINAL:
            text = f"{delivery.delivery_key} is {delivery.state} ({delivery.reason_code}: {delivery.reason})"
            yield Finding(what="stuck", text=text)
    for row in world.refunds:
        if row.state in {RefundState.CHECKING, RefundState.SENDING}:
            yield Finding(what="stuck", text=f"refund {row.id} holds its order's slot and is {row.state}")
        if row.state is RefundState.UNKNOWN and not row.needs_person:
            yield Finding(what="stuck", text=f"refund {row.id} is unknown and nobody is asked")


# --- lost -------------------------------------------------------------------------------------------------------------


def _lost(world: World) -> Iterator[Finding]:
    kept = {delivery.delivery_key for delivery in world.deliveries}
    for message in world.log.acknowledged:
        if message.key not in kept:
            yield Finding(what="lost", text=f"{message.key} was acknowledged and is not kept")
    for message in world.story.messages:
        if message not in world.log.acknowledged:
            yield Finding(what="lost", text=f"{message.key} was never acknowledged, however often it was sent")
    halted = {d.return_id for d in world.deliveries if d.state is not DeliveryState.DONE}
    returns = {delivery.delivery_key: delivery.return_id for delivery in world.deliveries}
    for message in _newest(world):
        given, approved = _given(world, message), _approved(message)
        if returns.get(message.key) not in halted and approved - given:
            text = f"{message.return_id} is done with {_shown(given)} of {_shown(approved)} and nobody is asked"
            yield Finding(what="lost", text=text)


# --- doubled ----------------------------------------------------------------------------------------------------------


def _doubled(world: World) -> Iterator[Finding]:
    for message in _newest(world):
        given, approved = _given(world, message), _most_approved(world, message)
        if given - approved:
            text = f"{message.return_id} was given {_shown(given)}, approved were {_shown(approved)}"
            yield Finding(what="doubled", text=text)
    for order in sorted({message.order for message in world.story.messages}):
        value = sum((_value(world, message) for message in _newest(world) if message.order == order), Decimal(0))
        paid = sum((p.amount for p in world.log.paid if p.order == order and p.client != "admin"), Decimal(0))
        if paid > value:
            yield Finding(what="doubled", text=f"the gateway paid {paid} for {order}, approved were {value}")
    for call in world.log.calls:
        for hand_order_id, made in world.log.hand_memos:
            if call.order != hand_order_id or not _asks_about_hand_memos(world, call.order):
                continue
            if made < call.read:
                text = f"refunded order {call.order} although a memo made by hand was there to be read"
                yield Finding(what="doubled", text=text)
            elif made < call.sent and world.story.looks_later and not _is_alarmed(world, call):
                text = f"memo {call.memo_id} came after one made by hand that nobody had read, and no alarm was raised"
                yield Finding(what="doubled", text=text)


def _asks_about_hand_memos(world: World, order_id: int) -> bool:
    """Whether a hand-made memo is on a line that is being returned: others raise no question."""
    number = world.sandbox.shop.orders[order_id]["increment_id"]
    returned = {sku for each in world.story.messages if each.order == number for sku, _, _ in each.lines}
    return any(made.sku in returned for made in world.story.hand_refunds if made.order == number)


def _is_alarmed(world: World, call: Call) -> bool:
    """Whether the refund that made a second memo asks a person to compare; true where it made none."""
    rows = [row for row in world.refunds if row.memo_id == call.memo_id]
    return call.memo_id is None or any(row.reason_code.startswith("drift-") for row in rows)


# --- books ------------------------------------------------------------------------------------------------------------


def _books(world: World) -> Iterator[Finding]:
    """Every memo of ours is a return's and worth its units; every payment has its memo, or a person who looks for it;
    every `done` has its memo; no false alarm."""
    memos = world.sandbox.shop.memos
    yield from _wrong_memos(world)
    for order in sorted({message.order for message in world.story.messages}):
        if order_of(world.sandbox, order)["payment"]["method"] == "checkmo":
            continue
        paid = sum((p.amount for p in world.log.paid if p.order == order and p.client != "admin"), Decimal(0))
        in_memos = sum((memo["base_grand_total"] for memo in _our_memos(world, order)), Decimal(0))
        unknown = any(r.state is RefundState.UNKNOWN and r.order_increment_id == order for r in world.refunds)
        if paid != in_memos and not unknown:
            yield Finding(what="books", text=f"order {order}: the gateway paid {paid}, the memos say {in_memos}")
    for row in world.refunds:
        if row.state is RefundState.DONE and (row.memo_id not in memos or row.marker not in _text(memos[row.memo_id])):
            yield Finding(what="books", text=f"refund {row.id} is done by memo {row.memo_id}, which is not its own")
        if row.reason_code.startswith("drift-") and not world.story.hand_refunds:
            yield Finding(what="books", text=f"refund {row.id} raised an alarm about nothing: {row.reason}")


def _wrong_memos(world: World) -> Iterator[Finding]:
    stems = {_stem(world, message) for message in world.story.messages}
    for call in world.log.calls:
        memo = None if call.memo_id is None else world.sandbox.shop.memos.get(call.memo_id)
        if memo is None:
            continue
        if {marker.stem for marker in markers_in(_text(memo))} - stems or not markers_in(_text(memo)):
            yield Finding(what="books", text=f"memo {call.memo_id} is ours and carries no return's marker")
        number = world.sandbox.shop.orders[call.order]["increment_id"]
        worth = sum((_price(world, number, item["sku"]) * item["qty"] for item in memo["items"]), Decimal(0))
        if memo["base_grand_total"] != worth:
            text = f"memo {call.memo_id} gives {memo['base_grand_total']} for units worth {worth}"
            yield Finding(what="books", text=text)


# --- what is compared -------------------------------------------------------------------------------------------------


def _newest(world: World) -> list[Message]:
    """Of each return the message that was said last: it says all that is approved."""
    newest: dict[tuple[str, str], Message] = {}
    for message in world.story.messages:
        known = newest.get((message.return_id, message.order))
        if known is None or message.occurred_seconds > known.occurred_seconds:
            newest[message.return_id, message.order] = message
    return list(newest.values())


def _approved(message: Message) -> Counter[str]:
    approved: Counter[str] = Counter()
    for sku, units, _ in message.lines:
        approved[sku] += units
    return approved


def _most_approved(world: World, message: Message) -> Counter[str]:
    """What was approved at some time: a sender that takes back what was given already is not a second refund."""
    most: Counter[str] = Counter()
    for each in world.story.messages:
        if (each.return_id, each.order) == (message.return_id, message.order):
            most |= _approved(each)
    return most


def _given(world: World, message: Message) -> Counter[str]:
    """Units of the memos that carry the return's marker."""
    stem = _stem(world, message)
    given: Counter[str] = Counter()
    for memo in _our_memos(world, message.order):
        if any(marker.stem == stem for marker in markers_in(_text(memo))):
            for item in memo["items"]:
                given[item["sku"]] += int(item["qty"])
    return given


def _stem(world: World, message: Message) -> str:
    order_id = order_of(world.sandbox, message.order)["entity_id"]
    return stem_of(namespace="warehouse", instance=BASE_URL, order_id=order_id, return_id=message.return_id)


def _our_memos(world: World, order: str) -> list[dict[str, Any]]:
    entity_id = order_of(world.sandbox, order)["entity_id"]
    memos = world.sandbox.shop.memos.values()
    return [memo for memo in memos if memo["order_id"] == entity_id and markers_in(_text(memo))]


def _text(memo: dict[str, Any]) -> str:
    return " ".join(comment["comment"] for comment in memo["comments"])


def _value(world: World, message: Message) -> Decimal:
    approved = _most_approved(world, message)
    return sum((_price(world, message.order, sku) * units for sku, units in approved.items()), Decimal(0))


def _price(world: World, order: str, sku: str) -> Decimal:
    """What a unit is worth: these orders have neither tax nor discount, and no shipping goes back."""
    return Decimal(line_of(world.sandbox, order, sku)["base_price"])


def _shown(units: Counter[str]) -> str:
    return " + ".join(f"{count} {sku}" for sku, count in sorted(units.items())) or "nothing"
