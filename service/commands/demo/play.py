"""Plays the scenarios: posts each event as its source would, and waits until nothing is under way any more."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.commands.deliver import Answer, post, webhook_url
from service.commands.demo.scenarios import SCENARIOS, SOURCES, Said, Scenario
from service.commands.demo.stage import Stage
from service.core.lifecycle import DeliveryState
from service.sources import sign
from service.store import Delivery, Store, parse_id

#: By then everything has been decided, a lost answer included; more means that something hangs.
_SETTLE_SECONDS = 40.0

_UNDER_WAY = (DeliveryState.RECEIVED, DeliveryState.WAITING)


@dataclass(frozen=True, kw_only=True, slots=True)
class Posted:
    """One event as it was posted, and every answer to it."""

    scenario: Scenario
    answers: tuple[Answer, ...]

    @property
    def delivery_ids(self) -> tuple[int, ...]:
        said = (json.loads(answer.body) for answer in self.answers if answer.is_accepted)
        return tuple(parse_id("delivery", each["delivery_id"]) for each in said)


def play(stage: Stage, store: Store, clock: Callable[[], datetime], echo: Callable[[str], None]) -> tuple[Posted, ...]:
    """Post everything, round by round: a return's second event is sent when its first has been carried out."""
    posted: list[Posted] = []
    for number in range(max(len(scenario.events) for scenario in SCENARIOS)):
        in_round = [scenario for scenario in SCENARIOS if len(scenario.events) > number]
        echo(f"Sending {len(in_round)} return events" if number == 0 else "\nSending a later event of the same return")
        sent = [_send(stage, scenario, number, clock()) for scenario in in_round]
        for each in sent:
            echo(_sent_line(each))
        posted += sent
        _wait(store, sent, echo)
    return tuple(posted)


def event_body(scenario: Scenario, number: int, occurred_at: datetime) -> bytes:
    """The scenario's event as its source would write it."""
    said = scenario.events[number]
    return json.dumps(
        {
            "type": "return.approved",
            "id": f"evt_{scenario.return_id}_{number + 1}",
            "occurred_at": occurred_at.isoformat(),
            "return": {"id": scenario.return_id},
            "order": {"increment_id": scenario.order},
            "lines": [
                {"sku": line.sku, "quantity": line.quantity, "disposition": line.disposition} for line in said.lines
            ],
            "fees": _fees(said),
            "currency": "USD",
        }
    ).encode()


def _fees(said: Said) -> Sequence[dict[str, str]]:
    return [{"kind": "restocking", "amount": said.fee}] if said.fee else []


def _send(stage: Stage, scenario: Scenario, number: int, now: datetime) -> Posted:
    source = stage.settings.sources[scenario.source]
    raw = event_body(scenario, number, now - timedelta(minutes=5) + timedelta(seconds=number))
    url = webhook_url(stage.url, scenario.source)
    delivery_id = f"msg_{scenario.return_id}_{number + 1}"
    times = scenario.events[number].times
    answers = tuple(post(url, raw, sign(source, raw, now, delivery_id)) for _ in range(times))
    return Posted(scenario=scenario, answers=answers)


def _sent_line(posted: Posted) -> str:
    scenario = posted.scenario
    statuses = ", ".join(str(answer.status) for answer in posted.answers)
    signed = f"{scenario.source} ({SOURCES[scenario.source]})"
    return f"  {statuses:<13}  {scenario.return_id:<11}  {signed:<29}  {scenario.title}"


def _wait(store: Store, posted: Iterable[Posted], echo: Callable[[str], None]) -> None:
    """Until no delivery is under way, saying each time how many still are; what hangs is left to the comparison."""
    began = time.monotonic()
    ids = {number for each in posted for number in each.delivery_ids}
    last = len(ids) + 1
    while time.monotonic() - began < _SETTLE_SECONDS:
        waiting = list(_under_way(store.inbox.delivery(number) for number in ids))
        if len(waiting) < last:
            reason = waiting[0].reason.partition(" (")[0] if len(waiting) == 1 else ""
            why = f"; one waits: {reason}" if reason else ""
            echo(f"  {time.monotonic() - began:4.1f} s  {len(ids) - len(waiting)} of {len(ids)} carried out{why}")
            last = len(waiting)
        if not waiting:
            return
        time.sleep(0.2)


def _under_way(deliveries: Iterable[Delivery]) -> Iterator[Delivery]:
    return (delivery for delivery in deliveries if delivery.state in _UNDER_WAY)
