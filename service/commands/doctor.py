"""`refundry doctor`: is everything as it must be before the first refund? Looks, and changes nothing.

The one row that it writes is the heartbeat nobody reads, because only writing proves that writing works.

Each check is a line "ok", "warn" or "fail" with what was found and what to do. A check that cannot be made because an
earlier one failed is left out, so that one fault gives one line.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import click

from service.commands.invocation import Invocation, json_option
from service.commands.shown import say, say_json, wrapped
from service.core.plan import Route
from service.errors import MagentoError, RefundryError, SettingsError, SeveralSettingsErrors
from service.flow.turns import in_force
from service.magento import MagentoClient
from service.magento.probes import (
    read_rights,
    read_whether_comments_are_shown,
    read_whether_messages_are_english,
    send_probe,
)
from service.settings import (
    GENERIC,
    AdminAuth,
    BearerAuth,
    Mode,
    NoAuth,
    OAuth1Auth,
    Secret,
    Settings,
    SourceSettings,
    StandardWebhooksAuth,
    StoreSettings,
)
from service.store import SchemaMismatch, open_store

#: Standard Webhooks tolerates five minutes; OAuth 1.0a in Magento ten. A minute is far from both and surely a fault.
_CLOCKS_APART_SECONDS = 60

#: NIST SP 800-107: an HMAC key shorter than its digest is the weakest part.
_STRONG_SECRET_BYTES = 32
_WEAK_SECRET_BYTES = 16

#: PHP gives up at max_execution_time, web servers and balancers before or soon after; beyond this nothing still runs.
_SETTLE_MARGIN_SECONDS = 60

_AUTH_WORDS = {
    BearerAuth: "an integration's token",
    AdminAuth: "an admin user",
    OAuth1Auth: "OAuth 1.0a",
}


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    level: Level
    #: What was looked at: "store main", "source warehouse".
    about: str
    found: str
    remedy: str = ""


@click.command(name="doctor")
@click.option(
    "--try-refund-rights",
    "tries_refunds",
    is_flag=True,
    help="Ask each store to refund an order that cannot exist: only its answer tells whether it may be done.",
)
@json_option
@click.pass_obj
def doctor_command(invocation: Invocation, *, tries_refunds: bool, as_json: bool) -> None:
    """Check everything before the first refund.

    Configuration, database, clock, each store and each source. Exit code 1 if anything fails. Asks Magento with reads
    alone, unless --try-refund-rights is said.
    """
    findings = []
    for finding in examine(invocation, tries_refunds=tries_refunds):
        findings.append(finding)
        if not as_json:
            say(*_lines(finding))
    failed = sum(finding.level is Level.FAIL for finding in findings)
    warned = sum(finding.level is Level.WARN for finding in findings)
    if as_json:
        say_json({"healthy": not failed, "findings": findings})
    else:
        say("", _summary(len(findings), failed, warned))
    if failed:
        raise SystemExit(1)


def examine(invocation: Invocation, *, tries_refunds: bool = False) -> Iterator[Finding]:
    """Every finding, as soon as it is known: a store that does not answer takes its time."""
    try:
        settings = invocation.read_settings()
    except SettingsError as error:
        yield from _bad_settings(error)
        return
    yield _ok("configuration", f"{invocation.config_dir}: {_known(settings)}")
    yield from _check_presence(settings)
    yield from _check_database(settings, invocation.clock)
    for store in settings.stores.values():
        yield from _check_store(store, settings, invocation.clock, tries_refunds=tries_refunds)
    for source in settings.sources.values():
        yield from _check_source(source)


# --- configuration and database ---------------------------------------------------------------------------------------


def _bad_settings(error: SettingsError) -> Iterator[Finding]:
    for each in error.errors if isinstance(error, SeveralSettingsErrors) else (error,):
        yield Finding(level=Level.FAIL, about="configuration", found=each.message)


def _check_presence(settings: Settings) -> Iterator[Finding]:
    if not settings.stores:
        yield _fail(
            "configuration", "no store", "Write config/stores/NAME.toml; `refundry init` writes one to start from"
        )
    if not settings.sources:
        yield _fail("configuration", "no source", "Write config/sources/NAME.toml; `refundry init` writes one")


def _check_database(settings: Settings, clock: Callable[[], datetime]) -> Iterator[Finding]:
    try:
        store = open_store(settings.service.database_url)
    except RefundryError as error:
        yield _fail("database", error.message, "" if isinstance(error, SchemaMismatch) else "See database_url")
        return
    try:
        store.health(clock())
        yield _ok("database", "can be written, schema current")
        for said in store.weaknesses():
            yield _warn("database", said, "Switch it on in postgresql.conf")
        for switch in store.switches.all():
            said = f"refunds for {switch.scope} were stopped by {switch.actor}: {switch.reason or 'no reason given'}"
            yield _warn("switches", said, f"Let them run: refundry go {switch.scope}")
        for pause in in_force(store.pauses.all(), clock()).values():
            remedy = "It goes on by itself, one call first; see whether the shop is up"
            yield _warn(f"store {pause.store}", f"left alone until {pause.until:%H:%M:%S} UTC: {pause.reason}", remedy)
        for guard in store.guards.all():
            remedy = "refundry reconcile, compare with the gateway, then refundry reconcile --accept"
            yield _warn("guard", f"online refunds of {guard.instance} wait: {guard.reason}", remedy)
    except RefundryError as error:
        yield _fail("database", error.message, "See database_url")
    finally:
        store.close()


# --- stores -----------------------------------------------------------------------------------------------------------


def _check_store(
    store: StoreSettings, settings: Settings, clock: Callable[[], datetime], *, tries_refunds: bool
) -> Iterator[Finding]:
    about = f"store {store.name}"
    yield from _check_store_settings(store, about)
    if all(source.store != store.name for source in settings.sources.values()):
        yield _warn(about, "no source belongs to it", f'Set store = "{store.name}" in a file of config/sources/')
    client = MagentoClient(store)
    try:
        yield from _check_answers(client, store, about, clock)
        if tries_refunds:
            yield from _check_refund_rights(client, store, about)
    except RefundryError as error:
        yield _fail(about, error.message.removeprefix(f"{about}: "), "Then ask again: refundry doctor")
    finally:
        client.close()


def _check_store_settings(store: StoreSettings, about: str) -> Iterator[Finding]:
    if store.mode is Mode.SHADOW:
        yield _warn(
            about, 'mode = "shadow": plans and shows, sends nothing', 'Set mode = "live" when you trust the plans'
        )
    if not store.base_url.startswith("https://") and not _is_loopback(store.base_url):
        yield _fail(about, f"{store.base_url} is not https: tokens travel in the clear", "Use the https address")
    least = store.refund_read_timeout_seconds + _SETTLE_MARGIN_SECONDS
    if store.settle_seconds < least:
        yield _warn(
            about,
            f"settle_seconds = {store.settle_seconds}, a refund may take {store.refund_read_timeout_seconds} s",
            f"Set settle_seconds to {least} or more, and above max_execution_time of Magento's PHP",
        )
    if not store.policy.payments.online:
        yield _warn(
            about, "payments.online is empty: returns of orders paid online go to a person", "Name the gateways"
        )


def _is_loopback(url: str) -> bool:
    return any(url.startswith(f"http://{host}") for host in ("127.0.0.1", "localhost", "[::1]"))


def _check_answers(
    client: MagentoClient, store: StoreSettings, about: str, clock: Callable[[], datetime]
) -> Iterator[Finding]:
    """Reads only: whether refunds may be made is proved by the first one, or by Magento's list of rights."""
    yield _ok(about, f"{store.base_url} answers: {client.read_magento_version() or 'Magento, its version is hidden'}")
    yield from _check_clock(client, about, clock)
    rights = read_rights(client)
    for right in rights:
        if not right.granted:
            yield _fail(about, f"no right {right.resource}: {right.said}", _rights_remedy(store))
    if not all(right.granted for right in rights):
        return
    yield _ok(about, f"signed in by {_AUTH_WORDS[type(store.auth)]}; may read orders, invoices and credit memos")
    yield from _check_language(client, about)
    yield from _check_comments(client, about)


def _check_refund_rights(client: MagentoClient, store: StoreSettings, about: str) -> Iterator[Finding]:
    routes = (Route.ORDER, Route.INVOICE) if store.policy.payments.online else (Route.ORDER,)
    for route in routes:
        right = send_probe(client, route)
        if right.granted:
            yield _ok(about, f"may refund by the {route} route ({right.resource})")
        else:
            yield _fail(about, f"no right {right.resource}: {right.said}", _rights_remedy(store))


def _rights_remedy(store: StoreSettings) -> str:
    where = (
        "the role of the admin user" if isinstance(store.auth, AdminAuth) else "the integration (System > Integrations)"
    )
    hint = ', or use auth = "oauth1": Magento 2.4.4 and later do not take an integration\'s token as bearer by default'
    return f"Grant Sales > Operations > Orders to {where}{hint if isinstance(store.auth, BearerAuth) else ''}"


def _check_clock(client: MagentoClient, about: str, clock: Callable[[], datetime]) -> Iterator[Finding]:
    with suppress(MagentoError):
        theirs = client.read_clock()
        if theirs is None:
            return
        apart = (clock() - theirs).total_seconds()
        if abs(apart) > _CLOCKS_APART_SECONDS:
            said = f"this clock is {abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} Magento's"
            yield _fail("clock", f"{said} ({about})", "Set both by NTP; signatures and nonces depend on it")
        else:
            yield _ok("clock", f"agrees with Magento's within {max(1, round(abs(apart)))} s ({about})")


def _check_language(client: MagentoClient, about: str) -> Iterator[Finding]:
    if read_whether_messages_are_english(client):
        yield _ok(about, "answers in English, by which refusals are told apart")
    else:
        yield _warn(
            about,
            "does not answer in English: a plain refusal will look like an unknown outcome and ask a person",
            "Point store_code at an English store view",
        )


def _check_comments(client: MagentoClient, about: str) -> Iterator[Finding]:
    shown = read_whether_comments_are_shown(client)
    if shown is None:
        yield _warn(about, "has no credit memo yet: whether lists show their comments is not known", "Ask again later")
    elif shown:
        yield _ok(about, "lists of credit memos show their comments, where refunds are found again")
    else:
        yield _fail(
            about,
            "lists of credit memos come without comments: a refund whose answer was lost could not be found again",
            "Look for an extension that changes /V1/creditmemos",
        )


# --- sources ----------------------------------------------------------------------------------------------------------


def _check_source(source: SourceSettings) -> Iterator[Finding]:
    about = f"source {source.name}"
    yield from _check_proof(source, about)
    if len(source.secrets) > 1:
        yield _warn(about, f"{len(source.secrets)} secrets are taken", "Remove the old ones when the rotation is over")
    yield from _check_policy(source, about)
    if source.map is not None:
        rows = len(source.map.rows) + len(source.map.line_rows)
        page = f"docs/sources/{source.kind}.md says what of them is not verified"
        yield _ok(about, f"reads {source.kind} bodies by {rows} rows" + ("" if source.kind == GENERIC else f"; {page}"))


def _check_proof(source: SourceSettings, about: str) -> Iterator[Finding]:
    if isinstance(source.auth, NoAuth):
        level = Level.FAIL if source.mode is Mode.LIVE else Level.WARN
        said = "INSECURE: anybody who finds its address may send returns, and a return is money"
        yield Finding(level=level, about=about, found=said, remedy="Choose a scheme: docs/auth.md")
        return
    yield _ok(about, f"proves itself by {source.auth.scheme} for store {source.store}; its secret is there")
    # Key pairs and fingerprints were measured when they were read.
    shared = [len(secret.reveal_bytes()) for secret in source.secrets if type(secret) is Secret]
    shortest = min(shared, default=_STRONG_SECRET_BYTES)
    if shortest < _WEAK_SECRET_BYTES:
        yield _fail(
            about, f"a secret has {shortest} bytes and can be guessed", "Agree on 32 random bytes with the sender"
        )
    elif shortest < _STRONG_SECRET_BYTES and not isinstance(source.auth, StandardWebhooksAuth):
        yield _warn(about, f"a secret has {shortest} bytes", f"{_STRONG_SECRET_BYTES} random bytes are better")
    if not source.auth.signs_body:
        said = f"{source.auth.scheme} proves the sender and not the body: whoever sees one request can write others"
        yield _warn(about, said, "Let it arrive by TLS alone; a signature is better where the sender has one")
    if not isinstance(source.auth, StandardWebhooksAuth) and getattr(source.auth, "delivery_id_header", None) is None:
        yield _ok(about, "its deliveries are told apart by their bodies")


def _check_policy(source: SourceSettings, about: str) -> Iterator[Finding]:
    if not source.policy.refund_on:
        yield _fail(
            about, "refund_on is empty: nothing it sends is ever refunded", 'Set refund_on = ["return.approved"]'
        )
    if not source.policy.restock:
        yield _warn(about, "restock is empty: nothing it sends goes back to stock", 'As in: restock = ["sellable"]')
    if source.mode is Mode.SHADOW:
        yield _warn(about, 'mode = "shadow": its returns are planned, not refunded', 'Set mode = "live"')
    if source.caps.refunds is None and source.caps.amount is None:
        yield _warn(about, "no limit a day: a leaked secret equals money", "Set review.per_day.amount")


# --- showing ----------------------------------------------------------------------------------------------------------


def _lines(finding: Finding) -> Iterable[str]:
    remedy = f"  — {finding.remedy}" if finding.remedy else ""
    return wrapped(f"{finding.level:<5} {finding.about}: ", f"{finding.found}{remedy}")


def _summary(checks: int, failed: int, warned: int) -> str:
    if failed:
        return f"{failed} of {checks} checks failed; returns may not become refunds until they are mended."
    return f"All {checks} checks passed{f', {warned} with a warning' if warned else ''}."


def _known(settings: Settings) -> str:
    return f"{_named('store', settings.stores)}; {_named('source', settings.sources)}"


def _named(word: str, names: Collection[str]) -> str:
    return f"{word}{'' if len(names) == 1 else 's'} {', '.join(names) or 'none'}"


def _ok(about: str, found: str) -> Finding:
    return Finding(level=Level.OK, about=about, found=found)


def _warn(about: str, found: str, remedy: str) -> Finding:
    return Finding(level=Level.WARN, about=about, found=found, remedy=remedy)


def _fail(about: str, found: str, remedy: str) -> Finding:
    return Finding(level=Level.FAIL, about=about, found=found, remedy=remedy)
