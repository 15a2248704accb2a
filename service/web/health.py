"""Is this process alive; can the service do its work?

/healthz asks nothing of anybody. /readyz says whether returns become refunds. Deliveries are safe as soon as the
database takes them, so what balances webhooks asks /readyz/intake: closing the door because the worker is down would
send senders into their retries for nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from flask import Blueprint, Response

from service.errors import StoreUnavailable
from service.flow.turns import in_force, sources_of
from service.flow.worker import BEAT_SECONDS
from service.runtime import Runtime
from service.store import is_current
from service.web.context import current_runtime

blueprint = Blueprint("health", __name__)

_log = logging.getLogger("refundry.web")

#: Six missed beats are no hiccup.
_BEAT_MISSED_AFTER = timedelta(seconds=6 * BEAT_SECONDS)

#: A delivery whose worker died is taken over after one lease; still there after two, nobody takes it.
_STUCK_AFTER_LEASES = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    name: str
    ok: bool
    detail: str


@blueprint.get("/healthz")
def answer_alive() -> Response:
    return _json({"status": "ok"}, 200)


@blueprint.get("/readyz")
def answer_ready() -> Response:
    return _answer((_check_database, _check_worker, _check_backlog))


@blueprint.get("/readyz/intake")
def answer_intake_ready() -> Response:
    return _answer((_check_database,))


_CheckFunction = Callable[[Runtime, datetime], Check]


def _answer(functions: Sequence[_CheckFunction]) -> Response:
    runtime = current_runtime()
    checks: list[Check] = []
    try:
        for function in functions:
            checks.append(function(runtime, runtime.clock()))  # noqa: PERF401 -- those made before a failure are kept
    except StoreUnavailable as error:
        # The message may name hosts and paths, which is more than this page, open to all, should say.
        _log.warning("not ready", extra={"reason": error.message})
        checks.append(Check(name="database", ok=False, detail="it cannot be read or written; the log says why"))
    is_ready = all(check.ok for check in checks)
    document = {"status": "ready" if is_ready else "not ready", "checks": [asdict(check) for check in checks]}
    return _json(document, 200 if is_ready else 503)


def _check_database(runtime: Runtime, now: datetime) -> Check:
    runtime.store.health(now)
    if not is_current(runtime.settings.service.database_url):
        return Check(name="database", ok=False, detail="its schema is another version's: run refundry migrate")
    return Check(name="database", ok=True, detail="it can be written")


def _check_worker(runtime: Runtime, now: datetime) -> Check:
    beat = runtime.store.last_beat()
    if beat is None:
        return Check(name="worker", ok=False, detail="none has ever run: start refundry work")
    age_seconds = int((now - beat).total_seconds())
    return Check(name="worker", ok=now - beat <= _BEAT_MISSED_AFTER, detail=f"last alive {age_seconds} s ago")


def _check_backlog(runtime: Runtime, now: datetime) -> Check:
    # What waits for a shop that is down is in no trouble here, and nothing that a balancer does would help it.
    paused = sources_of(runtime.settings, set(in_force(runtime.store.pauses.all(), now)))
    due_since = runtime.store.inbox.oldest_due(now, passing_over=paused)
    if due_since is None:
        return Check(name="backlog", ok=True, detail="nothing is due" + (" but for shops left alone" if paused else ""))
    limit = timedelta(seconds=_STUCK_AFTER_LEASES * runtime.settings.service.lease_seconds)
    waited_seconds = int((now - due_since).total_seconds())
    return Check(name="backlog", ok=now - due_since <= limit, detail=f"the oldest has been due for {waited_seconds} s")


def _json(document: object, status: int) -> Response:
    return Response(json.dumps(document), status=status, content_type="application/json")
