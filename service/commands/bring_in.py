"""The command `import`: events from a file, through the same inbox as a webhook's."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import click

from service.commands.captured import read_headers
from service.commands.event_files import EventFile, FileEvent
from service.commands.invocation import Invocation, actor_of, actor_option, header_option, json_option
from service.commands.shown import say, say_json, table
from service.errors import BadRequest
from service.flow.bulk import MOST_AT_ONCE, Brought, take_in
from service.flow.reread import Reading, reread
from service.runtime import Runtime
from service.settings import CANONICAL, SourceSettings
from service.sources import Headers

#: So many refused lines are told of; a file of refused ones has all.
_MOST_TOLD = 20

_DEFAULT_TYPE = "return.approved"


@dataclass(slots=True)
class _Report:
    stored: int = 0
    known: int = 0
    #: Of what was stored and known: what asks for nothing.
    ignored: int = 0
    #: The reason of one of those, because it is mostly the same for all.
    ignored_because: str = ""
    refused: int = 0
    told: list[tuple[int, str]] = field(default_factory=list)

    def refuse(self, event: FileEvent) -> None:
        self.refused += 1
        if len(self.told) < _MOST_TOLD:
            self.told.append((event.line, event.refused))


@click.command(name="import")
@click.argument("file", type=click.File("rb"))
@click.option("--source", "source_name", required=True, metavar="NAME", help="Whose events these are.")
@click.option("--dry-run", is_flag=True, help="Read all of it, store nothing.")
@click.option("--strict", is_flag=True, help="Stop at the first line that is refused; what came before is stored.")
@click.option(
    "--rejects",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A new file for refused lines, each with its reason above it; mend it and import it.",
)
@header_option
@actor_option
@json_option
@click.pass_obj
def import_command(
    invocation: Invocation,
    *,
    file: BinaryIO,
    source_name: str,
    dry_run: bool,
    strict: bool,
    rejects: Path | None,
    header_texts: tuple[str, ...],
    actor: str | None,
    as_json: bool,
) -> None:
    """Take in a file of events, JSON lines or CSV.

    They are stored as a webhook's would be, and the worker refunds them. The same event twice, in one file or in two
    runs, is stored once; so a run that broke off is simply started again. Lines that cannot be read are refused with
    their numbers, and do not hold up the others. Exit code 1 if any was.
    """
    name = "" if dry_run else actor_of(invocation, actor)
    if rejects is not None and rejects.exists():
        raise BadRequest(f"{rejects} is there already; name a new file for refused lines")
    with invocation.open_runtime() as runtime:
        source = runtime.source(source_name)
        events = EventFile(
            stream=file,
            max_bytes=source.max_body_bytes,
            default_type=next(iter(source.policy.refund_on), _DEFAULT_TYPE),
            is_canonical=source.kind == CANONICAL,
        )
        run = _Run(
            runtime=runtime,
            source=source,
            file=events,
            headers=read_headers(header_texts),
            dry_run=dry_run,
            strict=strict,
            rejects=rejects,
        )
        run.go()
        report = run.report
        if not dry_run:
            runtime.store.journal.add(
                now=runtime.clock(),
                actor=name,
                what="deliveries.imported",
                text=f"{_name(file)} for source {source.name}: {report.stored} stored, {report.known} known already, "
                f"{report.refused} refused",
            )
    if as_json:
        say_json({**_counts(report), "refused_lines": [{"line": line, "reason": why} for line, why in report.told]})
    else:
        say(*_lines(report, events, dry_run=dry_run, rejects=rejects))
    if report.refused:
        raise SystemExit(1)


@dataclass(slots=True, kw_only=True)
class _Run:
    runtime: Runtime
    source: SourceSettings
    file: EventFile
    headers: Headers
    dry_run: bool
    strict: bool
    rejects: Path | None
    report: _Report = field(default_factory=_Report)
    _waiting: list[Brought] = field(default_factory=list)

    def go(self) -> None:
        for event in self._with_progress():
            refused = event if event.body is None else self._take(event, event.body)
            if refused is not None:
                self._refuse(refused)
                if self.strict:
                    break
        self._store()

    def _with_progress(self) -> Iterator[FileEvent]:
        """Each event of the file, with a bar on standard error where that is a terminal."""
        size, shown = _size(self.file.stream), 0
        is_hidden = not size or not sys.stderr.isatty()
        with click.progressbar(length=size or 1, label="reading", file=sys.stderr, hidden=is_hidden) as bar:
            for event in self.file.events():
                yield event
                bar.update(self.file.bytes_read - shown)
                shown = self.file.bytes_read

    def _take(self, event: FileEvent, body: bytes) -> FileEvent | None:
        """The event's turn; itself, with the reason, when it cannot be read."""
        said = reread(self.runtime.settings, self.source.name, body, self.headers)
        if said.reading is Reading.UNREADABLE:
            return FileEvent(line=event.line, raw=event.raw, refused=said.reason)
        if said.reading is Reading.IGNORED:
            self.report.ignored += 1
            self.report.ignored_because = said.reason
        origin = f"{_name(self.file.stream)} line {event.line}"
        self._waiting.append(Brought(body=body, origin=origin, headers=self.headers))
        if len(self._waiting) == MOST_AT_ONCE:
            self._store()
        return None

    def _store(self) -> None:
        if self.dry_run:
            self.report.stored += len(self._waiting)
        elif self._waiting:
            received = take_in(self.runtime, self.source, self._waiting)
            known = sum(each.duplicate for each in received)
            self.report.known += known
            self.report.stored += len(received) - known
        self._waiting.clear()

    def _refuse(self, event: FileEvent) -> None:
        self.report.refuse(event)
        if self.rejects is None:
            return
        is_new = not self.rejects.exists()
        with self.rejects.open("ab") as file:
            if is_new and self.file.header:
                file.write(self.file.header)
            file.write(f"# line {event.line}: {event.refused}\n".encode() + event.raw.rstrip(b"\r\n") + b"\n")


def _name(stream: BinaryIO) -> str:
    return Path(getattr(stream, "name", "<stdin>")).name


def _size(stream: BinaryIO) -> int:
    """0 where nobody can tell, as of a pipe."""
    try:
        return os.fstat(stream.fileno()).st_size
    except OSError:
        return 0


def _counts(report: _Report) -> dict[str, int]:
    return {
        "stored": report.stored,
        "known": report.known,
        "ignored": report.ignored,
        "refused": report.refused,
    }


def _lines(report: _Report, file: EventFile, *, dry_run: bool, rejects: Path | None) -> Iterator[str]:
    if report.told:
        yield from table(("line", "refused because"), report.told)
        if report.refused > len(report.told):
            yield f"… and {report.refused - len(report.told)} more" + ("" if rejects else "; --rejects FILE keeps all")
        yield ""
    stored = "can be stored" if dry_run else "stored"
    yield f"{report.stored} {stored}, {report.known} known already, {report.refused} refused"
    if report.ignored:
        yield f"{report.ignored} of them ask for nothing, as: {report.ignored_because}"
    if file.ignored_columns:
        yield f"columns that were not read: {', '.join(file.ignored_columns)}"
    if report.refused and rejects:
        yield f"what was refused is in {rejects}, with the reasons; mend it and import it"
    if dry_run:
        yield "nothing was stored"
