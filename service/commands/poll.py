"""The command `poll`: asks a sender that posts nothing, by a command of the operator's own.

The command prints one body a line and says {"cursor": "…"} where everything before it may be forgotten. Bodies are
committed before the cursor moves, and the cursor's file is replaced whole: whoever is killed in between asks again for
what is stored already, and a body that is known is not stored twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Timer
from typing import IO

import click

from service.commands.captured import read_headers
from service.commands.invocation import Invocation, header_option, json_option
from service.commands.shown import moment, readable, say, say_json
from service.errors import BadRequest, NotFound, RefundryError, StoreUnavailable
from service.flow.bulk import MOST_AT_ONCE, Brought, take_in
from service.runtime import Runtime
from service.settings import SourceSettings
from service.sources import Headers
from service.store import format_id
from service.store.content import plain
from service.store.engine import file_turn, is_sqlite, read_url

CURSOR_VARIABLE = "REFUNDRY_CURSOR"
SOURCE_VARIABLE = "REFUNDRY_SOURCE"

#: A command that was told to end gets this long before it is killed.
_END_SECONDS = 5.0


class PollFailed(RefundryError):
    """The operator's command ended badly, or printed what is no body. What it printed before that is stored."""

    kind = "poll-failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """How far a source was asked, and the newest delivery that was stored by then."""

    cursor: str = ""
    delivery_id: int = 0
    body_sha256: str = ""


@dataclass(slots=True)
class _Result:
    stored: int = 0
    known: int = 0
    cursor: str = ""


@click.command(name="poll")
@click.argument("source_name", metavar="SOURCE")
@click.argument("command", metavar="COMMAND…", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--every", metavar="SECONDS", type=click.IntRange(1), help="Again and again; without it, once.")
@click.option("--timeout", metavar="SECONDS", type=click.IntRange(1), default=300, show_default=True)
@click.option("--from", "begin", metavar="CURSOR", help="Ask from here, whatever was kept; known events stay known.")
@click.option(
    "--cursor-file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the cursor is kept; default: beside the database file.",
)
@header_option
@json_option
@click.pass_obj
def poll_command(
    invocation: Invocation,
    *,
    source_name: str,
    command: tuple[str, ...],
    every: int | None,
    timeout: int,
    begin: str | None,
    cursor_file: Path | None,
    header_texts: tuple[str, ...],
    as_json: bool,
) -> None:
    """Ask a sender that posts nothing.

    Runs COMMAND, which prints one event a line, as JSON, and {"cursor": "…"} after those that need not be asked for
    again. It finds the last cursor in REFUNDRY_CURSOR, empty at first. As in: refundry poll portal --every 300 --
    ./portal.py. See docs/polling.md.
    """
    with invocation.open_runtime() as runtime:
        source = runtime.source(source_name)
        file = cursor_file or _file_beside(runtime, source)
        poll = _Poll(
            runtime=runtime,
            source=source,
            command=command,
            headers=read_headers(header_texts),
            file=file,
            environ=invocation.environ,
        )
        with _alone(file, source.name):
            _check_not_ahead(runtime, source, file, begin)
            while True:
                try:
                    result = poll.once(begin, timeout)
                except (PollFailed, StoreUnavailable) as error:
                    if every is None:
                        raise
                    # What does not answer now may answer next time; nothing is lost by asking later.
                    click.echo(f"error: {moment(runtime.clock())}  {readable(error.message)}", err=True)
                else:
                    begin = None
                    _tell(result, runtime, as_json=as_json)
                if every is None:
                    return
                time.sleep(every)


@dataclass(slots=True, kw_only=True)
class _Poll:
    runtime: Runtime
    source: SourceSettings
    command: Sequence[str]
    headers: Headers
    file: Path
    environ: Mapping[str, str]
    _result: _Result = field(default_factory=_Result)
    _place: _Place = field(default_factory=_Place)
    _waiting: list[Brought] = field(default_factory=list)

    def once(self, begin: str | None, timeout: int) -> _Result:
        """Run the command, store what it prints, move the cursor as it says; PollFailed says how far it came."""
        self._place = _read_place(self.file) if begin is None else _Place(cursor=begin)
        self._result, self._waiting = _Result(cursor=self._place.cursor), []
        environ = {**self.environ, CURSOR_VARIABLE: self._place.cursor, SOURCE_VARIABLE: self.source.name}
        begun_at = time.monotonic()
        with _running(self.command, environ, timeout) as process:
            assert process.stdout is not None
            try:
                for number, line in enumerate(_lines(process.stdout, self.source.max_body_bytes), start=1):
                    # What a command that failed wrote last may be the half of a line, and is asked for again.
                    if line.endswith(b"\n") or process.wait() == 0:
                        self._take(number, line.strip())
            finally:
                # Whole lines are events even where a later one is none, or the command failed.
                self._store()
            code = process.wait()
        if code:
            is_late = time.monotonic() - begun_at >= timeout
            ended = f"did not end within {timeout} s" if is_late else f"ended with {code}"
            raise PollFailed(f"{self.command[0]} {ended}; {_counted(self._result)}")
        return self._result

    def _take(self, number: int, line: bytes) -> None:
        body = _object(number, line)
        if set(body) != {"cursor"}:
            origin = f"{Path(self.command[0]).name} line {number}"
            self._waiting.append(Brought(body=line, origin=origin, headers=self.headers))
            if len(self._waiting) == MOST_AT_ONCE:
                self._store()
            return
        if not isinstance(body["cursor"], str):
            raise PollFailed(f'line {number} of the command: a cursor is text, as {{"cursor": "2026-11-23"}}')
        self._store()
        self._move(body["cursor"])

    def _store(self) -> None:
        if not self._waiting:
            return
        received = take_in(self.runtime, self.source, self._waiting)
        known = sum(each.duplicate for each in received)
        self._result.known += known
        self._result.stored += len(received) - known
        newest, bringing = max(zip(received, self._waiting, strict=True), key=lambda each: each[0].delivery_id)
        self._waiting = []
        if newest.delivery_id > self._place.delivery_id:
            self._place = replace(
                self._place, delivery_id=newest.delivery_id, body_sha256=hashlib.sha256(bringing.body).hexdigest()
            )

    def _move(self, cursor: str) -> None:
        self._place = replace(self._place, cursor=cursor)
        _write_place(self.file, self._place)
        self._result.cursor = cursor


# --- the operator's command -------------------------------------------------------------------------------------------


@contextmanager
def _running(command: Sequence[str], environ: Mapping[str, str], timeout: int) -> Iterator[subprocess.Popen[bytes]]:
    """The command, which is ended after `timeout` seconds, and with this block."""
    try:
        process = subprocess.Popen(  # noqa: S603 -- what the operator wrote on the command line
            command, env=dict(environ), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        )
    except OSError as error:
        raise BadRequest(f"{command[0]} cannot be run ({error.strerror or error})") from error
    timer = Timer(timeout, process.terminate)
    timer.daemon = True
    timer.start()
    try:
        yield process
    finally:
        timer.cancel()
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _lines(stream: IO[bytes], max_bytes: int) -> Iterator[bytes]:
    """Lines that are not empty; the last one may have no line feed."""
    while line := stream.readline(max_bytes + 1):
        if len(line) > max_bytes:
            raise PollFailed(f"the command printed a line longer than the source's max_body_bytes ({max_bytes})")
        if line.strip():
            yield line


def _object(number: int, line: bytes) -> Mapping[str, object]:
    try:
        body = json.loads(line)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        shown = readable(line[:60].decode("utf-8", "replace"))
        raise PollFailed(
            f"line {number} of the command is no JSON object: {shown}. Print events and cursors alone, one a line; "
            "messages go to standard error"
        )
    return body


# --- the cursor -------------------------------------------------------------------------------------------------------


def _file_beside(runtime: Runtime, source: SourceSettings) -> Path:
    url = read_url(runtime.settings.service.database_url)
    if not is_sqlite(url) or not url.database:
        raise BadRequest("say where the cursor is kept: --cursor-file FILE, on a disk that stays")
    return Path(url.database).with_name(f"poll-{source.name}.json")


@contextmanager
def _alone(file: Path, source: str) -> Iterator[None]:
    """One poll of a source at a time, so that no cursor moves back."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(file_turn(file.with_name(f"{file.name}.lock"), patience_seconds=0))
        except StoreUnavailable as error:
            raise BadRequest(f"source '{source}' is being polled already; only one can at a time") from error
        yield


def _check_not_ahead(runtime: Runtime, source: SourceSettings, file: Path, begin: str | None) -> None:
    """BadRequest when the cursor tells of deliveries that the database lacks: it was restored from an older copy."""
    if begin is not None or not (place := _read_place(file)).delivery_id:
        return
    try:
        is_there = runtime.store.inbox.delivery(place.delivery_id).body_sha256 == place.body_sha256
    except NotFound:
        # Old deliveries may be purged; one that is newer than all there are was forgotten.
        is_there = any(each.id > place.delivery_id for each in runtime.store.inbox.list(limit=1))
    if not is_there:
        raise BadRequest(
            f"the cursor {place.cursor!r} of source '{source.name}' is ahead of the database, which does not have "
            f"{format_id('delivery', place.delivery_id)}: was it restored from a copy? Ask from before that: "
            "--from CURSOR (events that are known stay known)"
        )


def _read_place(file: Path) -> _Place:
    try:
        return _Place(**json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return _Place()
    except (ValueError, TypeError) as error:
        raise BadRequest(f"{file} holds no cursor ({error}); say where to begin: --from CURSOR") from error


def _write_place(file: Path, place: _Place) -> None:
    """The old content or the new, whenever the power goes."""
    beside = file.with_name(f"{file.name}.new")
    with beside.open("w", encoding="utf-8") as new:
        new.write(json.dumps(plain(place)) + "\n")
        new.flush()
        os.fsync(new.fileno())
    beside.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _tell(result: _Result, runtime: Runtime, *, as_json: bool) -> None:
    if as_json:
        say_json(result)
    else:
        say(f"{moment(runtime.clock())}  {_counted(result)}")


def _counted(result: _Result) -> str:
    return f"{result.stored} stored, {result.known} known already, cursor {result.cursor or '(none yet)'}"
