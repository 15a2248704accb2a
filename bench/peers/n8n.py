"""n8n from npm with its SQLite: a webhook and an HTTP request to the store. It needs a newer Node than Debian's.

It proves no sender: its webhook knows no such signature, and its code node may not use `crypto` by default. By default
it answers at once; at its most durable it answers when the last node is done, which is tried five times, 5 s apart.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import load, messages
from bench.peers.cache import N8N, NODE_24, installed
from bench.processes import Running, free_port, is_listening, start, wait_until

_WORKFLOW = "bench0000000001"


def missing() -> str | None:
    for package in (NODE_24, N8N):
        if not installed(package):
            return f"{package} is not installed: make bench-peers"
    return None


@dataclass(kw_only=True, slots=True)
class N8n:
    folder: Path
    store: str
    durable: bool
    port: int = field(default_factory=free_port)
    runners_port: int = field(default_factory=free_port)
    path: str = "/webhook/bench"
    parts: dict[str, Running] = field(default_factory=dict)

    def start(self, *, works: bool = True) -> None:
        del works  # it is all one process
        flow = self.folder / "flow.json"
        flow.write_text(json.dumps([self._flow()]))
        for words in (("import:workflow", f"--input={flow}"), ("publish:workflow", f"--id={_WORKFLOW}")):
            subprocess.run(self._command(*words), check=True, env=self._environ(), capture_output=True)
        self.start_receiver()

    def start_receiver(self, *, works: bool = True) -> None:
        del works
        process = start(self._command("start"), folder=self.folder, name="n8n", environ=self._environ())
        self.parts["n8n"] = process
        wait_until(lambda: is_listening(self.port), "n8n does not listen", process=process, seconds=180)
        wait_until(self._knows_webhook, "n8n does not start", process=process, seconds=180)

    def _knows_webhook(self) -> bool:
        """It listens some time before it has read its workflows; the probe's order is nobody's."""
        time.sleep(0.5)
        probe = load.send(self.port, messages.requests(iter(("probe",)), 1, path=self.path), connections=1)
        return bool(probe.acknowledged) or 500 in probe.statuses

    def kill_receiver(self) -> None:
        self.parts.pop("n8n").kill()
        (self.folder / "n8n.log").unlink()

    def stop(self) -> None:
        for part in self.parts.values():
            part.kill()
        self.parts.clear()

    def resident_bytes(self) -> int:
        return sum(sum(part.resident_bytes()) for part in self.parts.values())

    def _command(self, *words: str) -> tuple[str, ...]:
        return (str(installed(NODE_24)), str(installed(N8N)), *words)

    def _environ(self) -> dict[str, str]:
        programs = str(installed(NODE_24)).rpartition("/")[0]
        return {
            "PATH": f"{programs}:{os.environ.get('PATH', '')}",
            "HOME": str(self.folder),
            "N8N_USER_FOLDER": str(self.folder),
            "N8N_PORT": str(self.port),
            "N8N_LISTEN_ADDRESS": "127.0.0.1",
            "N8N_RUNNERS_BROKER_PORT": str(self.runners_port),
            "N8N_DIAGNOSTICS_ENABLED": "false",
            "N8N_VERSION_NOTIFICATIONS_ENABLED": "false",
            "N8N_TEMPLATES_ENABLED": "false",
        }

    def _flow(self) -> dict[str, Any]:
        answers = "lastNode" if self.durable else "onReceived"
        webhook = {"httpMethod": "POST", "path": "bench", "responseMode": answers}
        webhook["options"] = {"responseCode": {"values": {"responseCode": 202}}}
        tell = {"method": "POST", "url": f"={self.store}/refund/{{{{ $json.body.order.increment_id }}}}", "options": {}}
        tries = {"retryOnFail": True, "maxTries": 5, "waitBetweenTries": 5000} if self.durable else {}
        place = {"position": [0, 0]}
        return {
            "id": _WORKFLOW,
            "name": "bench",
            "active": False,
            "settings": {},
            "nodes": [
                {"id": "a1", "name": "Webhook", "type": "n8n-nodes-base.webhook", "typeVersion": 2, **place}
                | {"webhookId": "bench", "parameters": webhook},
                {"id": "a2", "name": "Store", "type": "n8n-nodes-base.httpRequest", "typeVersion": 4.2, **place}
                | {"parameters": tell, **tries},
            ],
            "connections": {"Webhook": {"main": [[{"node": "Store", "type": "main", "index": 0}]]}},
        }
