"""Bodies are forgotten when their time is over: by the worker, a little now and then, or by a person at once."""

from __future__ import annotations

from datetime import timedelta

from service.runtime import Runtime
from service.store.journal import WORKER

#: Before it looks again; what is a few minutes late was kept for months.
PURGE_EVERY = timedelta(hours=1)

#: At a time: well under a second, because whoever purges also says that the worker is alive.
MOST_PURGED = 1000


def purge_old(runtime: Runtime) -> int:
    """Purge some of what is older than the settings say: how many; with MOST_PURGED or more, there may be more."""
    days = runtime.settings.service.keep_bodies_days
    if not days:
        return 0
    now = runtime.clock()
    return runtime.store.retention.purge(
        now - timedelta(days=days), now, WORKER, goes_on=lambda so_far: so_far < MOST_PURGED and not runtime.is_ending()
    )
