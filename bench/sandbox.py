"""`python -m bench.sandbox PORT ORDERS`: the sandbox store with one order for each event of bench/losses.py."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from bench.losses import order_names
from bench.messages import SKUS
from bench.ours import TOKEN, VERSION
from service.sandbox.command import run_sandbox
from service.sandbox.order_specs import LineSpec, OrderSpec

if __name__ == "__main__":
    orders = tuple(
        OrderSpec(
            increment_id=name,
            why="bench",
            lines=tuple(LineSpec(sku=sku, qty=1) for sku in SKUS),
            payment="banktransfer",
        )
        for name in order_names(int(sys.argv[2]))
    )
    run_sandbox(
        now=datetime.now(UTC), echo=print, port=int(sys.argv[1]), orders=orders, magento_version=VERSION, token=TOKEN
    )
