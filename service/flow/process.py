"""One claimed delivery, start to finish; reads like the table "one webhook, step by step" in docs/architecture.md.

Safe to run again at any point: what was done is found in the store and in Magento, and the difference is what is left.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from service.core.lifecycle import SLOT_STATES, DeliveryState
from service.core.returns import Ignored, ReturnEvent
from service.errors import (
    BlindReturn,
    MagentoError,
    MagentoUnauthorized,
    MagentoUnavailable,
    NotFound,
    OrderBusy,
    OrderNotFound,
    Unreadable,
)
from service.flow.backoff import pause_after, waited_before
from service.flow.execute import refund_return
from service.flow.outcome import Ended, together
from service.runtime import Runtime
from service.settings import SourceSettings
from service.sources import Limits, parse
from service.store import Claim, EventClash, MarkerTaken, RefundRow, ReturnCase, format_id

#: So often Magento answers what we cannot use before a person hears of it: for some seconds.
_TRIES_OF_AN_ANSWER = 3

#: The Magento client repeats no refused sign-in before, lest the account be locked; an earlier try asks nobody.
_REFUSED_LOGIN_SECONDS = 900


def process_delivery(runtime: Runtime, claim: Claim) -> Ended:
    """Carry one claimed delivery as far as it can go today, and write down how far that was."""
    return write_down(runtime, claim, _carry(runtime, claim))


def write_down(runtime: Runtime, claim: Claim, ended: Ended) -> Ended:
    """How it ended, as it stands in the store afterwards; a person who is needed is told."""
    written = runtime.store.inbox.finish(
        claim,
        ended.state,
        runtime.clock(),
        due_at=ended.due_at,
        is_try=ended.is_try,
        reason_code=ended.code,
        reason=ended.reason,
    )
    ended = replace(ended, state=written.state, code=written.reason_code, reason=written.reason)
    if ended.state is DeliveryState.NEEDS_PERSON:
        subject = format_id("delivery", claim.delivery.id)
        runtime.notifier.needs_person(subject=subject, code=ended.code, reason=ended.reason)
    return ended


def _carry(runtime: Runtime, claim: Claim) -> Ended:
    source = runtime.settings.sources.get(claim.delivery.source)
    if source is None:
        return Ended.needs_person("source-gone", f"source '{claim.delivery.source}' is not configured any more")
    try:
        limits = Limits(json_depth=runtime.settings.service.max_json_depth)
        said = parse(source, claim.delivery.body, tuple(claim.delivery.headers.items()), limits)
    except BlindReturn as error:
        return Ended.needs_person(error.kind, error.message)
    except Unreadable as error:
        return Ended(state=DeliveryState.UNREADABLE, code="unreadable", reason=error.message)
    if isinstance(said, Ignored):
        return Ended(state=DeliveryState.IGNORED, code="ignored", reason=said.reason)
    return together([(str(event.order), _carry_event(runtime, claim, source, event)) for event in said])


def _carry_event(runtime: Runtime, claim: Claim, source: SourceSettings, event: ReturnEvent) -> Ended:
    """One order's part of a delivery."""
    store = runtime.store_of(source)
    now = runtime.clock()
    namespace = runtime.store.returns.frozen_namespace(source.name, source.namespace, now)
    try:
        case = runtime.store.returns.record_event(
            claim, event, namespace=namespace, instance=store.instance, store=store.name, now=now
        )
    except EventClash as error:
        return Ended.needs_person("event-clash", error.message)
    if (since := store.policy.ignore_returns_before) is not None and case.first_occurred_at < since:
        return Ended(
            state=DeliveryState.IGNORED,
            code="before-start",
            reason=f"of {case.first_occurred_at:%Y-%m-%d}, before the store's ignore_returns_before = {since:%Y-%m-%d}",
        )
    if not case.is_newest and not event.counts_when_late and not _holds_a_slot(runtime, claim, case):
        newest = format_id("delivery", case.event_delivery_id)
        return Ended(state=DeliveryState.DONE, code="older", reason=f"{newest} says more recently what is approved")
    if _asks_for_nothing(runtime, case):
        said = f"{event.type}: nothing is approved any more" if event.is_withdrawn else "nothing is approved so far"
        return _told_on_return(runtime, claim, case, Ended.done(said, code="nothing-left"))
    return _refund(runtime, claim, source, case)


def _asks_for_nothing(runtime: Runtime, case: ReturnCase) -> bool:
    """A snapshot of goods that are all still to come, of a return without refunds: its order need not be read."""
    event = case.event
    is_quiet = not (event.already_refunded or event.discrepancies or event.doubts or event.unsupported)
    says_none = is_quiet and not any(line.quantity > 0 for line in event.lines)
    return says_none and not runtime.store.refunds.of_return(case.id)


def _holds_a_slot(runtime: Runtime, claim: Claim, case: ReturnCase) -> bool:
    return bool(_in_slot(runtime, claim, case))


def _in_slot(runtime: Runtime, claim: Claim, case: ReturnCase) -> list[RefundRow]:
    rows = runtime.store.refunds.of_return(case.id)
    return [row for row in rows if row.delivery_id == claim.delivery.id and row.state in SLOT_STATES]


def _refund(runtime: Runtime, claim: Claim, source: SourceSettings, case: ReturnCase) -> Ended:
    """Refund what is outstanding; whatever Magento could not tell us becomes a wait or a question."""
    try:
        ended = refund_return(runtime, claim, source, case)
    except OrderBusy as error:
        ended = Ended.later(error.kind, error.message)
    except MarkerTaken as error:
        ended = Ended.needs_person(error.kind, error.message)
    except MagentoUnavailable as error:
        ended = Ended.later(error.kind, error.message, at_least_seconds=error.retry_after_seconds or 0)
    except NotFound as error:
        # A sender's increment id became this entity id by a reading: the order was there.
        was_there = isinstance(error, OrderNotFound) and case.event.order.entity_id is None
        ended = _unusable(claim, error) if was_there else Ended.needs_person(error.kind, error.message)
    except MagentoError as error:
        ended = _unusable(claim, error)
    if ended.state is DeliveryState.WAITING and ended.due_at is None:
        ended = _again(runtime, claim, case, ended)
    return _told_on_return(runtime, claim, case, ended)


def _told_on_return(runtime: Runtime, claim: Claim, case: ReturnCase, ended: Ended) -> Ended:
    """Whether the return needs a person now, kept on it besides on the delivery."""
    needs_person = ended.state is DeliveryState.NEEDS_PERSON
    if needs_person or case.needs_person:
        runtime.store.returns.flag(
            case.id,
            claim,
            needs_person=needs_person,
            reason_code=ended.code,
            reason=ended.reason,
            now=runtime.clock(),
        )
    return ended


def _unusable(claim: Claim, error: MagentoError | NotFound) -> Ended:
    """A person is asked about an answer that stays the same; what a deployment or a proxy says once costs nobody."""
    stays = claim.delivery.reason_code == error.kind and claim.delivery.attempts >= _TRIES_OF_AN_ANSWER
    if stays:
        return Ended.needs_person(error.kind, error.message)
    pause_seconds = _REFUSED_LOGIN_SECONDS if isinstance(error, MagentoUnauthorized) else 0
    return Ended.later(error.kind, error.message, at_least_seconds=pause_seconds)


def _again(runtime: Runtime, claim: Claim, case: ReturnCase, ended: Ended) -> Ended:
    """Due again after a back-off; after the last try a person is asked, because waiting for ever is losing."""
    tries = claim.delivery.attempts
    patience = timedelta(seconds=runtime.settings.service.retry_give_up_after_seconds)
    is_worn_out = waited_before(runtime.settings.service, tries) > patience
    if is_worn_out and not _is_to_be_known(runtime, claim, case, patience):
        return Ended.needs_person(ended.code, f"given up after {tries} tries: {ended.reason}")
    return replace(ended, due_at=runtime.clock() + backoff(runtime, claim, ended.at_least_seconds))


def _is_to_be_known(runtime: Runtime, claim: Claim, case: ReturnCase, patience: timedelta) -> bool:
    """A refund of it may have paid, and looking for its memo was possible for less than the patience.

    Whatever was waited for before the call, a person is asked only what a look could not answer.
    """
    known_from = [row.settle_at or row.sent_at for row in _in_slot(runtime, claim, case)]
    return any(since is not None and runtime.clock() < since + patience for since in known_from)


def backoff(runtime: Runtime, claim: Claim, at_least_seconds: float = 0) -> timedelta:
    """The pause after this try: growing by a factor, limited, and never shorter than Magento asked for."""
    pause = pause_after(runtime.settings.service, claim.delivery.attempts)
    return max(pause, timedelta(seconds=at_least_seconds))
