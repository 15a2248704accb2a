"""Who goes on, and what time it is: threads that pass one baton, so that a seed decides everything.

Product code is synchronous, so every actor has a thread of its own; only the one with the baton runs. It offers the
baton at each `point` and gives it away while it sleeps. Time stands still while anybody runs: a point takes a few
milliseconds, and when everybody sleeps it moves to the first who wakes.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

#: As often as not the same actor goes on: long runs of one actor are as likely to be wrong as a change at each point.
_GOES_ON = 0.5

#: A point takes up to this long.
_MOST_MILLISECONDS = 20


class Stopped(BaseException):
    """The schedule is over; whoever still waits goes home. No `except Exception` of the product may stop it."""


@dataclass(eq=False)
class Actor:
    name: str
    #: When it goes on, in seconds; None: when somebody wakes it.
    wakes_at: float | None = 0.0
    gate: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


class Scheduler:
    """`seconds` is the time that really passes; whatever clocks say is derived from it elsewhere."""

    def __init__(self, seed: str, *, horizon_seconds: float) -> None:
        # Not for secrets; random.Random of a string is the same in every process.
        self.random = random.Random(seed)
        self.seconds = 0.0
        self.points = 0
        self.trace: list[str] = []
        self.overran = False
        self._horizon_seconds = horizon_seconds
        self._actors: list[Actor] = []
        self._current: Actor | None = None
        self._failure: BaseException | None = None
        self._over = threading.Semaphore(0)
        self._is_over = False
        self._threads: list[threading.Thread] = []

    @property
    def current(self) -> str:
        return self._current.name if self._current else "-"

    def say(self, text: str) -> None:
        self.trace.append(f"{self.seconds:12.3f}  {self.current:<12} {text}")

    def spawn(self, name: str, work: Callable[[], None], *, after_seconds: float = 0.0) -> None:
        """Let another actor begin; it gets the baton in its turn."""
        actor = Actor(name=name, wakes_at=self.seconds + after_seconds)
        thread = threading.Thread(target=self._live, args=(actor, work), name=name, daemon=True)
        self._actors.append(actor)
        self._threads.append(thread)
        thread.start()

    def run(self) -> None:
        """Give the baton to the first, and return when all that are left sleep until woken."""
        self._pass_on(None)
        self._over.acquire()
        for actor in self._actors:
            actor.gate.release()
        for thread in self._threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def point(self, what: str) -> None:
        """Whoever has the baton is about to do `what`; others may go first."""
        assert self._current is not None
        self.points += 1
        self.say(what)
        self.seconds += self.random.randrange(1, _MOST_MILLISECONDS) / 1000
        if self.random.random() >= _GOES_ON:
            self._wait(self._current, self.seconds)

    def sleep(self, seconds: float | None) -> None:
        """Let time pass for the current actor; None: until somebody wakes it."""
        assert self._current is not None
        self._wait(self._current, None if seconds is None else self.seconds + seconds)

    def wake(self, name_begins: str, within_seconds: float) -> None:
        """Whoever sleeps under such a name goes on soon, as one who polls would."""
        for actor in self._actors:
            if actor.name.startswith(name_begins) and actor is not self._current:
                soon = self.seconds + self.random.random() * within_seconds
                actor.wakes_at = soon if actor.wakes_at is None else min(actor.wakes_at, soon)

    # --- the baton --------------------------------------------------------------------------------------------------

    def _live(self, actor: Actor, work: Callable[[], None]) -> None:
        actor.gate.acquire()
        try:
            if not self._is_over:
                work()
        except Stopped:
            return
        except BaseException as error:  # noqa: BLE001 -- raised again by `run`, in the thread of whoever asked
            self._failure = self._failure or error
            self._end()
            return
        if not self._is_over:
            self._actors.remove(actor)
            self._pass_on(actor)

    def _wait(self, actor: Actor, until: float | None) -> None:
        actor.wakes_at = until
        if self._pass_on(actor) is actor:
            return
        actor.gate.acquire()
        if self._is_over:
            raise Stopped

    def _pass_on(self, giver: Actor | None) -> Actor | None:
        """Choose who goes on; the giver itself is told by the return value, everybody else by their gate."""
        chosen = self._choose()
        if chosen is None:
            self._end()
            return None
        self._current = chosen
        if chosen is not giver:
            chosen.gate.release()
        return chosen

    def _choose(self) -> Actor | None:
        sleeping = [actor for actor in self._actors if actor.wakes_at is not None]
        if not sleeping:
            return None
        awake = [actor for actor in sleeping if (actor.wakes_at or 0) <= self.seconds]
        if not awake:
            self.seconds = min(actor.wakes_at or 0 for actor in sleeping)
            awake = [actor for actor in sleeping if (actor.wakes_at or 0) <= self.seconds]
        if self.seconds > self._horizon_seconds:
            self.overran = True
            return None
        return awake[0] if len(awake) == 1 else self.random.choice(awake)

    def _end(self) -> None:
        self._is_over = True
        self._over.release()
