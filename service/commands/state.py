"""Commands about the state as a whole: a copy of it, and its return."""

from __future__ import annotations

from pathlib import Path

import click

from service.commands.invocation import Invocation, actor_of, actor_option
from service.commands.shown import say
from service.store import backup, restore


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
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@actor_option
@click.pass_obj
def restore_command(invocation: Invocation, *, file: Path, actor: str | None) -> None:
    """Make a copy the state again.

    Nothing is overwritten: stop the service and move the present database away first. Afterwards online refunds wait
    until `refundry reconcile` was run and accepted, because Magento may know of refunds that the copy does not.
    """
    settings = invocation.read_settings()
    restore(
        settings.service.database_url,
        file,
        actor=actor_of(invocation, actor),
        now=invocation.clock(),
        instances=sorted({store.instance for store in settings.stores.values()}),
    )
    say(
        f"restored from {file}; online refunds wait",
        "next: refundry reconcile, compare what it shows with the gateway, then refundry reconcile --accept",
    )
