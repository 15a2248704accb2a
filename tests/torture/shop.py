"""What really happened, by the sandbox store's own books, and what is made to go wrong there.

The sandbox keeps its state in memory, so it is never killed: a store that dies is played by its faults, which drop the
connection before or after the effect.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import Any

from tests.torture.books import Given, given_by_view

#: In force all the time: calls last long enough for a kill to land inside them, before and after the effect.
_SLOW = (
    "POST */order/*/refund latency seconds=0.4",
    "POST */invoice/*/refund slow-gateway seconds=0.5",
)

#: What goes wrong once, now and then → of how many refund calls it can take the answer away.
FAULTS = {
    "POST */refund lost-before times=1": 1,
    "POST */refund lost-after times=1": 1,
    "POST */refund 500-before times=1": 1,
    "POST */refund 500-after times=1": 1,
    "POST */refund 502-after times=1": 1,
    "POST */refund html-200-after times=1": 1,
    "POST */refund truncated times=1": 1,
    "POST */invoice/*/refund paid-rolled-back times=1": 1,
    "POST */refund 429 times=1 retry-after=5": 0,
    "GET * lost-before times=2": 0,
    "GET * truncated times=1": 0,
    "* * maintenance times=5": 5,
}

_START_SECONDS = 60.0


class Shop:
    def __init__(self, url: str) -> None:
        self.url = url

    def wait_until_open(self) -> None:
        ends = time.monotonic() + _START_SECONDS
        while True:
            try:
                self._ask("GET", "ledger")
            except OSError:
                if time.monotonic() > ends:
                    raise
                time.sleep(0.05)
            else:
                return

    def make_slow(self) -> None:
        for rule in _SLOW:
            self._ask("POST", "faults", rule)

    def go_wrong(self, random: Random) -> str:
        """One fault more, and which."""
        rule = random.choice(tuple(FAULTS))
        self._ask("POST", "faults", rule)
        return rule

    def recover(self) -> None:
        """Nothing goes wrong from here on."""
        self._ask("DELETE", "faults")

    def read_paid_back(self) -> dict[str, list[Decimal]]:
        """What the gateway paid back, by order."""
        books = Books(shop=self)
        books.read_on()
        return books.paid_back

    def read_ledger(self, *, skip: int) -> list[Any]:
        return self._ask("GET", f"ledger?skip={skip}")

    def read_memos(self, *, skip: int) -> list[Any]:
        """As the sandbox has them: no fault touches this look, and it uses none up."""
        return self._ask("GET", f"memos?skip={skip}")

    def read_order_ids(self) -> dict[str, int]:
        """Increment id → entity id."""
        return {order["increment_id"]: int(order["entity_id"]) for order in self._ask("GET", "orders")}

    def _ask(self, method: str, what: str, text: str = "") -> Any:
        request = urllib.request.Request(f"{self.url}/sandbox/{what}", data=text.encode() or None, method=method)
        request.add_header("Content-Type", "text/plain")
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.loads(response.read(), parse_float=Decimal, parse_int=Decimal)


@dataclass(kw_only=True, slots=True)
class Books:
    """Ledger and memos as far as they were read. Both only grow, so that each look asks for what is new."""

    shop: Shop
    #: What the gateway paid back, by order.
    paid_back: dict[str, list[Decimal]] = field(default_factory=lambda: defaultdict(list))
    #: What Magento's memos gave back, by order.
    given: dict[str, list[Given]] = field(default_factory=lambda: defaultdict(list))
    _lines_read: int = 0
    _memos_read: int = 0

    def read_on(self) -> set[str]:
        """The orders of which there was something new. A payment is read before its memo, never after it."""
        lines = self.shop.read_ledger(skip=self._lines_read)
        memos = self.shop.read_memos(skip=self._memos_read)
        self._lines_read += len(lines)
        self._memos_read += len(memos)
        paid = [line for line in lines if line["what"] == "refund"]
        for line in paid:
            self.paid_back[line["order"]].append(Decimal(line["amount"]))
        for memo in memos:
            self.given[memo["order"]].append(given_by_view(memo))
        return {each["order"] for each in (*paid, *memos)}
