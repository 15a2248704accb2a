"""The command `send`: plays a sender, to try out a source from end to end."""

from __future__ import annotations

from collections.abc import Sequence
from secrets import token_hex
from typing import BinaryIO

import click

from service.commands.captured import read_captured
from service.commands.deliver import post, webhook_url, with_event_id
from service.commands.invocation import Invocation, json_option
from service.commands.shown import say, say_json
from service.errors import BadRequest
from service.settings import Settings, SourceSettings
from service.sources import sign

#: Of a captured request: what belongs to that one connection.
_OF_THE_CONNECTION = ("host", "content-length", "connection", "transfer-encoding", "accept-encoding", "user-agent")


@click.command(name="send")
@click.argument("source_name", metavar="SOURCE")
@click.argument("file", type=click.File("rb"))
@click.option("--to", "to", metavar="URL", help="The service's address; default: host and port of the settings.")
@click.option("--event-id", metavar="ID", help="The canonical event's id in the body; default: a new one.")
@click.option("--delivery-id", metavar="ID", help="The delivery's id; default: a new one.")
@click.option("--header", "more_headers", metavar="NAME:VALUE", multiple=True, help="One more header, as a topic.")
@click.option("--as-is", is_flag=True, help="Send the file's very bytes, with the event id that it has.")
@click.option("--times", default=1, show_default=True, type=click.IntRange(1, 100), help="Deliver it so often.")
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
    more_headers: tuple[str, ...],
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
    if event_id and (as_is or source.kind != "canonical"):
        raise click.UsageError("--event-id is for canonical events, and not together with --as-is")
    captured = read_captured(file.read(), file.name)
    url = webhook_url(to or f"http://{settings.service.host}:{settings.service.port}", source_name)
    raw = captured.body
    if source.kind == "canonical" and not as_is:
        raw = with_event_id(raw, event_id or f"evt_{token_hex(8)}")
    delivery = delivery_id or f"msg_{token_hex(8)}"
    sent_along = [each for each in captured.headers if each[0].lower() not in _OF_THE_CONNECTION]
    given = _headers(more_headers)
    sent = [
        post(url, raw, [*sent_along, *sign(source, raw, invocation.clock(), delivery), *given]) for _ in range(times)
    ]
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


def _headers(texts: Sequence[str]) -> list[tuple[str, str]]:
    parts = [text.partition(":") for text in texts]
    for text, (name, colon, _) in zip(texts, parts, strict=True):
        if not colon or not name.strip():
            raise BadRequest(f"{text!r} is no header; write it as NAME:VALUE, as in --header X-Topic:return")
    return [(name.strip(), value.strip()) for name, _, value in parts]
