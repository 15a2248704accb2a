"""`refundry web` with storage left out: the same command, route, verification and answer; the inbox forgets at once.

What it takes in a second is what the rest of the way allows, and durable intake is measured against it.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

from service import runtime
from service.__main__ import main
from service.commands import run
from service.store import NewDelivery, Received


class ForgetfulInbox:
    def __init__(self) -> None:
        self._numbers = count(1)

    def receive(self, new: NewDelivery) -> Received:
        del new
        return Received(delivery_id=next(self._numbers), duplicate=False, clash=False)


def build_forgetful_runtime(*args: Any, **options: Any) -> runtime.Runtime:
    made = runtime.build_runtime(*args, **options)
    forgetful: Any = ForgetfulInbox()
    return replace(made, store=replace(made.store, inbox=forgetful))


if __name__ == "__main__":
    run.build_runtime = build_forgetful_runtime  # type: ignore[attr-defined]
    main()
