"""A clock that runs faster than ours, the same in every process: minutes of waiting for leases pass in seconds.

The service takes its time as a value, so nothing of it is loosened: every limit of the settings holds, in this clock.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class FastClock:
    #: Seconds since 1970 at which this clock and ours agreed.
    started_at: float
    speed: float

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self.started_at + (time.time() - self.started_at) * self.speed, UTC)
