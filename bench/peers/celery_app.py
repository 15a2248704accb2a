"""Flask in front of a Celery task, as their documentation shows it; `BENCH_DURABLE=1` for all that makes it safer."""

from __future__ import annotations

import base64
import hmac
import json
import os

import requests
from celery import Celery
from flask import Flask, Response, request

SECRET = os.environ["BENCH_SECRET"].encode()
STORE = os.environ["BENCH_STORE"]
IS_DURABLE = os.environ.get("BENCH_DURABLE") == "1"

tasks = Celery("bench", broker=os.environ["BENCH_BROKER"])
if IS_DURABLE:
    tasks.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        # An hour by default; what a killed worker held comes back after this long. Longer than any task here takes.
        broker_transport_options={"visibility_timeout": 10},
    )

app = Flask("bench")


@tasks.task(
    autoretry_for=(requests.RequestException,),
    retry_backoff=True,
    max_retries=None if IS_DURABLE else 3,  # 3 is Celery's default
)
def tell_store(order: str) -> None:
    requests.post(f"{STORE}/refund/{order}", timeout=30).raise_for_status()


@app.post("/webhooks/bench")
def receive() -> Response:
    raw = request.get_data()
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + raw
    expected = base64.b64encode(hmac.digest(SECRET, signed, "sha256")).decode()
    if not hmac.compare_digest(request.headers["webhook-signature"], f"v1,{expected}"):
        return Response(status=401)
    tell_store.delay(json.loads(raw)["order"]["increment_id"])
    return Response('{"status": "accepted"}', status=202, content_type="application/json")
