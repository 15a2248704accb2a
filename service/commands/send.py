"""The command `send`: plays a sender, to try out a source from end to end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from secrets import token_hex
from typing import BinaryIO
from urllib.parse import urlencode, urlsplit

import click

from service.commands.captured import read_captured, read_headers
from service.commands.deliver import post, webhook_url, with_event_id
from service.commands.invocation import Invocation, header_option, json_option
from service.commands.shown import say, say_json
from service.errors import BadRequest
from service.settings import CANONICAL, ClientCertificateAuth, EnvelopeFormat, Settings, SourceSettings
from service.settings.keys import decode_key
from service.settings.secret_values import SecretUnusable
from service.sources import sign
from service.sources.auth.client_certificate import forwarded
from service.sources.envelopes import QUERY

_CONTENT_TYPES = {
    EnvelopeFormat.JSON: "application/json",
    EnvelopeFormat.FORM: "application/x-www-form-urlencoded",
    EnvelopeFormat.CLOUDEVENTS: "application/cloudevents+json",
}

#: Of a captured request: what belongs to that one connection.
_OF_THE_CONNECTION = ("host", "content-length", "connection", "transfer-encoding", "accept-encoding", "user-agent")


@click.command(name="send")
@click.argument("source_name", metavar="SOURCE")
@click.argument("file", type=click.File("rb"))
@click.option("--to", "to", metavar="URL", help="The service's address; default: host and port of the settings.")
@click.option("--event-id", metavar="ID", help="The canonical event's id in the body; default: a new one.")
@click.option("--delivery-id", metavar="ID", help="The delivery's id; default: a new one.")
@click.option(
    "--key",
    type=click.File("rb"),
    metavar="FILE",
    help="What the sender alone has: its private key as PEM, its token; for client-cert its certificate.",
)
@click.option("--as-is", is_flag=True, help="Send the file's very bytes, with the event id that it has.")
@click.option("--times", default=1, show_default=True, type=click.IntRange(1, 100), help="Deliver it so often.")
@header_option
@json_option
@click.pass_obj
def send_command(
    invocation: Invocation,
    *,
    source_name: str,
    file: BinaryIO,
    to: str | None,
    event_id: str | None,
    delivery_id: str | None,
    key: BinaryIO | None,
    header_texts: tuple[str, ...],
    as_is: bool,
    times: int,
    as_json: bool,
) -> None:
    """Post a file, signed as a source would sign it.

    FILE is a body, or a request as `refundry show del_17 --raw` writes it, whose headers are sent too. Prints the
    answer; exit code 1 unless it was accepted. A canonical event gets a new id each time, so it is a new event.
    """
    settings = invocation.read_settings()
    source = _source(settings, source_name)
    if event_id and (as_is or source.kind != CANONICAL):
        raise click.UsageError("--event-id is for canonical events, and not together with --as-is")
    captured = read_captured(file.read(), file.name)
    raw = _as_sent(source, captured.body)
    if source.kind == CANONICAL and source.envelope is EnvelopeFormat.JSON and not as_is:
        raw = with_event_id(raw, event_id or f"evt_{token_hex(8)}")
    url = webhook_url(to or f"http://{settings.service.host}:{settings.service.port}", source_name)
    if (query := dict(captured.headers).get(QUERY)) and not urlsplit(url).query:
        url = f"{url}?{query}"
    signer = _Signer(source=source, key=None if key is None else key.read(), url=_address(settings, url))
    along = _last_of_each([("Content-Type", _CONTENT_TYPES[source.envelope]), *_along(captured.headers)])
    given = read_headers(header_texts)
    delivery = delivery_id or f"msg_{token_hex(8)}"

    def headers() -> list[tuple[str, str]]:
        before = _last_of_each([*along, *given])
        return _last_of_each([*before, *signer.headers(raw, invocation.clock(), delivery, before), *given])

    sent = [post(url, raw, headers()) for _ in range(times)]
    if missing := _missing(source, headers()):
        said = f"note: the map of '{source.name}' also reads {', '.join(missing)}; add --header NAME:VALUE"
        click.echo(said, err=True)
    if as_json:
        say_json([{"status": answer.status, "body": answer.body} for answer in sent])
    else:
        say(*(answer.words() for answer in sent))
    if not all(answer.is_accepted for answer in sent):
        raise SystemExit(1)


def _source(settings: Settings, name: str) -> SourceSettings:
    source = settings.sources.get(name)
    if source is None:
        raise BadRequest(f"there is no source called '{name}'; there are: {', '.join(settings.sources) or 'none'}")
    return source


@dataclass(frozen=True, kw_only=True, slots=True)
class _Signer:
    source: SourceSettings
    #: What the sender alone has, where the source knows a public key, a hash or a certificate's fingerprint.
    key: bytes | None
    #: The address as the receiver will know it.
    url: str

    def headers(
        self, raw: bytes, now: datetime, delivery_id: str, headers: Sequence[tuple[str, str]]
    ) -> list[tuple[str, str]]:
        """What the sender adds to `headers`; BadRequest where it takes a --key that was not given."""
        auth = self.source.auth
        if self.key is not None and isinstance(auth, ClientCertificateAuth):
            return forwarded(auth, self.key)
        source = self._with_key()
        try:
            return sign(source, raw, now, delivery_id, url=self.url, headers=headers)
        except BadRequest as error:
            raise BadRequest(f"{error.message}; give what the sender has: --key FILE") from error

    def _with_key(self) -> SourceSettings:
        if self.key is None:
            return self.source
        key_id = self.source.secrets[0].key_id if self.source.secrets else ""
        try:
            secret = decode_key(self.key.decode().strip(), self.source.auth, key_id=key_id)
        except (UnicodeDecodeError, SecretUnusable) as error:
            said = f"{error.problem}. {error.remedy}" if isinstance(error, SecretUnusable) else "it is not text"
            raise BadRequest(f"--key: {said}") from error
        return replace(self.source, secrets=(secret,))


def _address(settings: Settings, url: str) -> str:
    """`url` as a service with these settings sees it: behind its proxy, under its public address."""
    if not settings.service.public_url:
        return url
    parts = urlsplit(url)
    return settings.service.public_url + parts.path + (f"?{parts.query}" if parts.query else "")


def _last_of_each(headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return list({name.lower(): (name, value) for name, value in headers}.values())


def _as_sent(source: SourceSettings, body: bytes) -> bytes:
    """A JSON file for a source that sends forms, as the form it would be; anything else as it is."""
    if source.envelope is not EnvelopeFormat.FORM or not body.lstrip().startswith(b"{"):
        return body
    if source.payload_field is not None:
        return urlencode({source.payload_field: body.decode()}).encode()
    return urlencode(json.loads(body)).encode()


def _along(headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers if name.lower() not in {QUERY, *_OF_THE_CONNECTION}]


def _missing(source: SourceSettings, headers: Sequence[tuple[str, str]]) -> list[str]:
    """Headers that the source's map looks at and nobody gave."""
    sent = {name.lower() for name, _ in headers}
    return [] if source.map is None else sorted(source.map.headers - sent)
