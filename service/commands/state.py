"""Commands about the state as a whole: a copy of it, and its return."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from service.commands.invocation import Invocation, actor_of, actor_option
from service.commands.shown import say
from service.errors import BadRequest
from service.store import backup, migrate, open_store, restore


@click.command(name="backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def backup_command(invocation: Invocation, *, file: Path) -> None:
    """Copy the state to a new file while everything runs.

    Holds customers' orders and API key hashes, and is readable by its owner alone. For SQLite; PostgreSQL has pg_dump.
    """
    url = invocation.read_settings().service.database_url
    backup(url, file)
    say(f"wrote {file}, {file.stat().st_size} bytes")


@click.command(name="restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--mark", "marks_only", is_flag=True, help="The database was brought back by its own tools: say so.")
@actor_option
@click.pass_obj
def restore_command(invocation: Invocation, *, file: Path | None, marks_only: bool, actor: str | None) -> None:
    """Make a copy the state again.

    Nothing is overwritten: stop the service and move the present database away first. Afterwards online refunds wait
    until `refundry reconcile` was run and accepted, because Magento may know of refunds that the copy does not. For
    SQLite; PostgreSQL has pg_restore, and --mark afterwards.
    """
    if (file is None) != marks_only:
        raise BadRequest("name the FILE to restore, or say --mark after the database's own tools have restored one")
    settings = invocation.read_settings()
    url, actor, now = settings.service.database_url, actor_of(invocation, actor), invocation.clock()
    instances = sorted({store.instance for store in settings.stores.values()})
    if file is None:
        migrate(url)
        with closing(open_store(url)) as store:
            store.guards.hold_back_all("restored by other tools", actor=actor, now=now, instances=instances)
    else:
        restore(url, file, actor=actor, now=now, instances=instances)
    say(
        f"restored from {file}; online refunds wait" if file else "marked as restored; online refunds wait",
        "next: refundry reconcile, compare what it shows with the gateway, then refundry reconcile --accept",
    )
