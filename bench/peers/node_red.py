"""Node-RED from npm, with one flow: HTTP in, a function that proves the sender, HTTP response, HTTP request.

It keeps no queue: by default it answers and then tells the store, at its most durable it answers when the store has.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.messages import SECRET
from bench.peers.cache import NODE_RED, installed
from bench.processes import Running, free_port, is_listening, start, wait_until

_VERIFY = """
const raw = msg.req.headers, body = msg.payload;
const signed = Buffer.concat([Buffer.from(raw['webhook-id'] + '.' + raw['webhook-timestamp'] + '.'), body]);
const expected = Buffer.from('v1,' + crypto.createHmac('sha256', SECRET).update(signed).digest('base64'));
const sent = Buffer.from(raw['webhook-signature'] || '');
if (sent.length !== expected.length || !crypto.timingSafeEqual(sent, expected)) {
    msg.statusCode = 401; msg.payload = ''; return [msg, null];
}
const order = JSON.parse(body.toString()).order.increment_id;
const tell = {url: STORE + '/refund/' + order, method: 'POST', payload: '', req: msg.req, res: msg.res};
if (DURABLE) { return [null, tell]; }
msg.statusCode = 202; msg.payload = {status: 'accepted'};
return [msg, tell];
"""
_ANSWER = """
if (DURABLE) { msg.statusCode = msg.statusCode === 200 ? 202 : 503; msg.payload = {}; msg.headers = {}; return msg; }
"""


def missing() -> str | None:
    if shutil.which("node") is None:
        return "node is not installed"
    return None if installed(NODE_RED) else f"{NODE_RED} is not installed: make bench-peers"


@dataclass(kw_only=True, slots=True)
class NodeRed:
    folder: Path
    store: str
    durable: bool
    port: int = field(default_factory=free_port)
    parts: dict[str, Running] = field(default_factory=dict)

    def start(self, *, works: bool = True) -> None:
        del works  # it is all one process
        (self.folder / "flows.json").write_text(json.dumps(self._flow()))
        (self.folder / "settings.js").write_text(
            "module.exports = {flowFile: 'flows.json', functionExternalModules: true, httpAdminRoot: false,"
            " apiMaxLength: '5mb', uiHost: '127.0.0.1', telemetry: {enabled: false}}"
        )
        self.start_receiver()

    def start_receiver(self, *, works: bool = True) -> None:
        del works
        program = str(installed(NODE_RED))
        command = ("node", program, "--userDir", str(self.folder), "--port", str(self.port))
        environ = {"PATH": os.environ.get("PATH", ""), "HOME": str(self.folder)}
        self.parts["node-red"] = start(command, folder=self.folder, name="node-red", environ=environ)
        process = self.parts["node-red"]
        wait_until(lambda: is_listening(self.port), "Node-RED does not listen", process=process, seconds=120)
        wait_until(lambda: "Started flows" in process.log.read_text(), "no flow", process=process, seconds=120)

    def kill_receiver(self) -> None:
        self.parts.pop("node-red").kill()
        (self.folder / "node-red.log").unlink()

    def stop(self) -> None:
        for part in self.parts.values():
            part.kill()
        self.parts.clear()

    def resident_bytes(self) -> int:
        return sum(sum(part.resident_bytes()) for part in self.parts.values())

    def _flow(self) -> list[dict[str, Any]]:
        constants = (
            f"const SECRET = {SECRET.decode()!r}, STORE = {self.store!r}, DURABLE = {str(self.durable).lower()};"
        )
        node = {"z": "flow"}
        function = {**node, "type": "function", "initialize": "", "finalize": ""}
        crypto = [{"var": "crypto", "module": "crypto"}]
        return [
            {"id": "flow", "type": "tab", "label": "bench"},
            {**node, "id": "in", "type": "http in", "url": "/webhooks/bench", "method": "post", "skipBodyParsing": True}
            | {"wires": [["verify"]]},
            {**function, "id": "verify", "outputs": 2, "func": constants + _VERIFY, "libs": crypto}
            | {"wires": [["response"], ["request"]]},
            {**node, "id": "request", "type": "http request", "method": "use", "ret": "txt", "senderr": False}
            | {"wires": [["answer"]]},
            {
                **function,
                "id": "answer",
                "outputs": 1,
                "func": constants + _ANSWER,
                "libs": [],
                "wires": [["response"]],
            },
            {**node, "id": "response", "type": "http response", "wires": []},
        ]
