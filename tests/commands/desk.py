"""A whole service on one desk: sandbox store, configuration directory, database, and the command line over them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from click.testing import CliRunner, Result

from service.__main__ import cli
from service.flow.receive import receive
from service.flow.worker import work_once
from service.runtime import build_runtime
from service.sandbox.command import Sandbox
from service.sandbox.faults import parse_fault
from service.settings import load_settings
from service.sources import Incoming, sign
from service.store import format_id, migrate


@dataclass
class Desk:
    config_dir: Path
    sandbox: Sandbox

    def run(self, *words: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(cli, ["--config-dir", str(self.config_dir), *words], input=typed)

    def json(self, *words: str):
        return self.json_of(*words, "--json")

    def json_of(self, *words: str):
        """As `json`, where --json cannot stand last."""
        result = self.run(*words)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def settings(self):
        return load_settings(self.config_dir, {})

    def migrate(self) -> None:
        migrate(self.settings().service.database_url)

    def deliver(self, *lines, order="000000101", return_id="RMA-1", source="warehouse", event_id="evt_1") -> str:
        """Store one event as if it had arrived; the delivery's public id."""
        return self.deliver_body(
            event(*lines, order=order, return_id=return_id, event_id=event_id), source, f"msg_{event_id}"
        )

    def deliver_body(self, body, source="warehouse", message_id="msg_1") -> str:
        raw = json.dumps(body).encode()
        runtime = build_runtime(self.settings())
        now = datetime.now(UTC)
        headers = sign(runtime.settings.sources[source], raw, now, message_id)
        received = receive(runtime, source, Incoming(raw=raw, headers=headers))
        runtime.store.close()
        return format_id("delivery", received.delivery_id)

    def work(self) -> None:
        """Carry out everything that is due now."""
        runtime = build_runtime(self.settings())
        while work_once(runtime, "test"):
            pass
        runtime.store.close()

    def refund_by_hand(self, *, order_id: int, item_id: int) -> int:
        """A refund of one unit that somebody makes in Magento's admin: no marker, booked offline. The memo's id."""
        runtime = build_runtime(self.settings())
        (client,) = runtime.magento.values()
        body = {"items": [{"order_item_id": item_id, "qty": 1}], "arguments": {"shipping_amount": 0}}
        # The store's own session, to post what the product never would.
        answer = client._transport.post_once(f"/V1/order/{order_id}/refund", body, read_timeout_seconds=10)
        runtime.store.close()
        assert answer.status == 200, answer.body
        return int(json.loads(answer.body))

    def fault(self, rule: str) -> None:
        self.sandbox.faults.add(parse_fault(rule))


def event(*lines, order="000000101", return_id="RMA-1", event_id="evt_1"):
    said = lines or (("WS12-M-Orange", "1", "sellable"),)
    return {
        "type": "return.approved",
        "id": event_id,
        "return": {"id": return_id},
        "order": {"increment_id": order},
        "lines": [{"sku": sku, "quantity": quantity, "disposition": word} for sku, quantity, word in said],
        "fees": [],
        "currency": "USD",
    }
