"""What a running process works with, put together once. The only place that constructs clients."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from service.core.policy import Policy
from service.errors import UnknownSource
from service.magento import MagentoClient
from service.notify import Notifier
from service.settings import Settings, SourceSettings, StoreSettings
from service.store import Store, open_store

Clock = Callable[[], datetime]


def _goes_on() -> bool:
    return False


@dataclass(frozen=True, kw_only=True, slots=True)
class Runtime:
    settings: Settings
    store: Store
    #: By store name.
    magento: Mapping[str, MagentoClient]
    notifier: Notifier
    clock: Clock
    #: The process was told to end: what is in flight is finished, and nothing that takes long is begun.
    is_ending: Callable[[], bool] = _goes_on

    def source(self, name: str) -> SourceSettings:
        """The source called `name`; what UnknownSource says is for the operator, senders are told less."""
        source = self.settings.sources.get(name)
        if source is None:
            raise UnknownSource(f"there is no source called '{name}'; create config/sources/{name}.toml", source=name)
        return source

    def store_of(self, source: SourceSettings) -> StoreSettings:
        return self.settings.stores[source.store]

    def policy_of(self, source: SourceSettings) -> Policy:
        return Policy(store=self.store_of(source).policy, source=source.policy)


def wall_clock() -> datetime:
    return datetime.now(UTC)


def build_runtime(settings: Settings, *, clock: Clock = wall_clock) -> Runtime:
    """Open the database and make one client per store. Opens no connection to Magento."""
    store = open_store(settings.service.database_url)
    store.guards.notice_restore(now=clock(), instances={store.instance for store in settings.stores.values()})
    return Runtime(
        settings=settings,
        store=store,
        magento={name: MagentoClient(store) for name, store in settings.stores.items()},
        notifier=Notifier(),
        clock=clock,
    )
