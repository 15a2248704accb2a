"""How hard one store may be asked by this process, and when not at all.

Four rules, each over every call to the store, reads and refunds alike:
- so many calls at once: at most max_concurrency, halved when the store says that it is too much (429, 502 to 504, no
  answer) and grown back by one for each round of calls that went well, as TCP does;
- so many calls a second: a bucket of tokens that holds one second's worth;
- no call before the time that a 429 or 503 named in Retry-After;
- no call for a while after circuit_failures failures in a row, each such while twice as long as the one before.

After either pause one call goes first, and the others follow if it was answered. docs/decisions/0020 says why latency
is not listened to, and why this is kept for each process while pauses are shared.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import requests

from service.errors import MagentoUnavailable
from service.magento.said import read_json, read_refusal
from service.magento.session import AnswerTooLarge, HttpAnswer, failure_text
from service.settings import StoreSettings

#: A wish for longer is asked about again by one call an hour: a proxy that says a year must not stop a shop for good.
MOST_PAUSE_SECONDS = 3600.0

#: 429 without Retry-After: long enough to let a rate limit's window pass, which is a second or some.
_PAUSE_AFTER_429_SECONDS = 5.0

#: What says "too much" rather than "something is wrong with this request".
_TOO_MUCH = frozenset({429, 502, 503, 504})


class StorePaused(requests.RequestException):
    """The store is left alone for now; nothing was sent."""

    def __init__(self, said: str, *, seconds: float) -> None:
        super().__init__(said)
        self.seconds = seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Pause:
    """Until when a store is left alone, and why: "5 failures in a row, the last: no answer in time"."""

    until: datetime
    reason: str


class Pace:
    """One store's, for one process; safe to share between threads."""

    def __init__(self, settings: StoreSettings, *, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self._free = threading.Condition()
        self._busy = 0
        #: How many calls at once are allowed; whole ones count.
        self._allowed = float(settings.max_concurrency)
        self._tokens = self._most_tokens
        self._tokens_at = now()
        self._failures = 0
        #: Pauses in a row for failures alone, which make the next one longer.
        self._openings = 0
        self._pause: Pause | None = None
        self._is_trying = False

    @property
    def pause(self) -> Pause | None:
        """Set until a call after it was answered, so its time may be over."""
        with self._free:
            return self._pause

    def room(self) -> int:
        """How many deliveries may be worked on at once now; each makes one call at a time."""
        with self._free:
            if self._pause is not None:
                return 0 if self._is_trying or self._seconds_left(self._pause) > 0 else 1
            # A reading is good for seconds only: more deliveries than calls a second would wait each other out of time.
            rate = self._settings.calls_per_second
            return int(self._allowed) if rate is None else min(int(self._allowed), max(1, int(rate)))

    @contextmanager
    def turn(self, sleep: Callable[[float], None]) -> Iterator[Turn]:
        """One call's turn, waited for; StorePaused when the store is not to be asked now."""
        turn = Turn(self, is_trial=self._enter())
        try:
            wait_seconds = self._take_token()
            if wait_seconds > 0:
                sleep(wait_seconds)
            yield turn
        finally:
            self._leave(turn)

    def _enter(self) -> bool:
        """Whether this call is the one that finds out if the pause is over."""
        with self._free:
            while True:
                if self._pause is not None:
                    seconds = self._seconds_left(self._pause)
                    if seconds > 0 or self._is_trying:
                        raise StorePaused(self._said(self._pause), seconds=seconds)
                    self._is_trying = True
                elif self._busy >= int(self._allowed):
                    self._free.wait()
                    continue
                self._busy += 1
                return self._is_trying

    def _leave(self, turn: Turn) -> None:
        with self._free:
            self._busy -= 1
            if turn.is_trial:
                self._is_trying = False
            self._free.notify_all()

    def _take_token(self) -> float:
        """Seconds to wait first; tokens are lent, so that those who wait are served in the order of asking."""
        rate = self._settings.calls_per_second
        if rate is None:
            return 0.0
        with self._free:
            now = self._now()
            # A clock that is put back must not take tokens away.
            passed_seconds = max(0.0, (now - self._tokens_at).total_seconds())
            self._tokens = min(self._most_tokens, self._tokens + passed_seconds * rate) - 1
            self._tokens_at = now
            return max(0.0, -self._tokens / rate)

    @property
    def _most_tokens(self) -> float:
        return max(1.0, self._settings.calls_per_second or 1.0)

    # --- what calls tell ----------------------------------------------------------------------------------------------

    def went_well(self, *, is_trial: bool) -> None:
        with self._free:
            if self._pause is not None:
                # A call that began before the pause tells nothing about its end.
                if not is_trial:
                    return
                self._pause, self._openings = None, 0
                self._allowed = 1.0
            else:
                self._allowed = min(float(self._settings.max_concurrency), self._allowed + 1 / self._allowed)
            self._failures = 0

    def went_wrong(self, why: str, *, is_trial: bool, is_too_much: bool, asked_seconds: float | None) -> None:
        """`asked_seconds`: how long the store asked to be left alone for."""
        with self._free:
            if is_too_much:
                self._allowed = max(1.0, self._allowed / 2)
            if self._pause is not None and not is_trial:
                self._lengthen(why, asked_seconds or 0.0)
                return
            self._failures += 1
            if is_trial or self._failures >= self._settings.circuit_failures:
                self._open(why, asked_seconds or 0.0)
            elif asked_seconds is not None:
                self._pause = self._paused_for(f"{why}, and asked for {asked_seconds:.0f} s", asked_seconds)

    def _open(self, why: str, asked_seconds: float) -> None:
        settings = self._settings
        # The power would overflow long after the limit is reached.
        seconds = settings.circuit_seconds * 2.0 ** min(self._openings, 16)
        self._openings += 1
        reason = why if self._failures == 1 else f"{self._failures} failures in a row, the last: {why}"
        self._pause = self._paused_for(reason, max(asked_seconds, min(seconds, settings.circuit_max_seconds)))

    def _lengthen(self, why: str, seconds: float) -> None:
        asked = self._paused_for(f"{why}, and asked for {seconds:.0f} s", seconds)
        if self._pause is not None and asked.until > self._pause.until:
            self._pause = asked

    def _paused_for(self, reason: str, seconds: float) -> Pause:
        return Pause(until=self._now() + timedelta(seconds=min(seconds, MOST_PAUSE_SECONDS)), reason=reason)

    def _seconds_left(self, pause: Pause) -> float:
        left = (pause.until - self._now()).total_seconds()
        # More than any pause is long: the clock was put back, and this one is not waited for.
        return 0.0 if left > MOST_PAUSE_SECONDS else max(0.0, left)

    def _said(self, pause: Pause) -> str:
        return f"store {self._settings.name} is left alone until {pause.until:%H:%M:%S} UTC: {pause.reason}"


class Turn:
    """One call's turn; whoever makes the call tells here how it went."""

    def __init__(self, pace: Pace, *, is_trial: bool) -> None:
        self._pace = pace
        self.is_trial = is_trial

    def answered(self, answer: HttpAnswer, now: datetime) -> None:
        if not _is_stores_trouble(answer):
            self._pace.went_well(is_trial=self.is_trial)
            return
        asked_seconds = answer.retry_after_seconds(now) if answer.status in (429, 503) else None
        if answer.status == 429 and asked_seconds is None:
            asked_seconds = _PAUSE_AFTER_429_SECONDS
        self._pace.went_wrong(
            f"it answered {answer.status}",
            is_trial=self.is_trial,
            is_too_much=answer.status in _TOO_MUCH,
            asked_seconds=asked_seconds,
        )

    def refused(self, error: MagentoUnavailable) -> None:
        """Signing in, before the call itself, found the store unavailable."""
        self._pace.went_wrong(
            "signing in failed", is_trial=self.is_trial, is_too_much=True, asked_seconds=error.retry_after_seconds
        )

    def lost(self, error: requests.RequestException) -> None:
        if isinstance(error, AnswerTooLarge):
            self._pace.went_well(is_trial=self.is_trial)
            return
        self._pace.went_wrong(failure_text(error), is_trial=self.is_trial, is_too_much=True, asked_seconds=None)


def _is_stores_trouble(answer: HttpAnswer) -> bool:
    """Whether the store as a whole fails, not this request: a 500 in Magento's own words is about one document."""
    if answer.status == 500:
        return read_refusal(read_json(answer.content_type, answer.body)) is None
    return answer.status == 429 or answer.status >= 500
