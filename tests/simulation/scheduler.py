"""Who goes on, and what time it is: one thread whose stacks pass a baton, so that a seed decides everything.

Product code is synchronous, so every actor has a stack of its own, a greenlet; a thread each would cost more time than
what they do. An actor offers the baton at each `point` and gives it away while it sleeps. Time stands still while
anybody runs: a point takes a few milliseconds, and when everybody sleeps it moves to the first who wakes.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from greenlet import GreenletExit, getcurrent, greenlet

#: As often as not the same actor goes on: long runs of one actor are as likely to be wrong as a change at each point.
_GOES_ON = 0.5

#: A point takes up to this long.
_MOST_MILLISECONDS = 20


class Actor:
    """`wakes_at`: when it goes on, in seconds; None: when somebody wakes it."""

    __slots__ = ("name", "stack", "wakes_at")

    def __init__(self, name: str, stack: greenlet, wakes_at: float | None) -> None:
        self.name, self.stack, self.wakes_at = name, stack, wakes_at


class Scheduler:
    """`seconds` is the time that really passes; whatever clocks say is derived from it elsewhere."""

    def __init__(self, seed: str, *, horizon_seconds: float) -> None:
        # Not for secrets; random.Random of a string is the same in every process.
        self.random = random.Random(seed)
        self.seconds = 0.0
        self.points = 0
        self._said: list[tuple[float, str, str]] = []
        self.overran = False
        self._horizon_seconds = horizon_seconds
        self._actors: list[Actor] = []
        self._current: Actor | None = None
        self._referee = getcurrent()

    @property
    def current(self) -> str:
        return self._current.name if self._current else "-"

    def say(self, text: str) -> None:
        self._said.append((self.seconds, self.current, text))

    @property
    def trace(self) -> list[str]:
        return [f"{seconds:12.3f}  {who:<12} {text}" for seconds, who, text in self._said]

    def spawn(self, name: str, work: Callable[[], None], *, after_seconds: float = 0.0) -> None:
        """Let another actor begin; it gets the baton in its turn."""
        stack = greenlet(work, parent=self._referee)
        self._actors.append(Actor(name, stack, self.seconds + after_seconds))

    def run(self) -> None:
        """Give the baton to one after the other, and return when all that are left sleep until woken."""
        self._referee = getcurrent()
        try:
            while (chosen := self._choose()) is not None:
                self._current = chosen
                chosen.stack.switch()
                if chosen.stack.dead:
                    self._actors.remove(chosen)
        finally:
            self._current = None
            for actor in self._actors:
                # A BaseException, so that no `except Exception` of the product holds it back.
                actor.stack.throw(GreenletExit)

    def point(self, what: str) -> None:
        """Whoever has the baton is about to do `what`; others may go first."""
        actor = self._running()
        self.points += 1
        self.say(what)
        self.seconds += self.random.randrange(1, _MOST_MILLISECONDS) / 1000
        if self.random.random() >= _GOES_ON:
            self._wait(actor, self.seconds)

    def sleep(self, seconds: float | None) -> None:
        """Let time pass for the current actor; None: until somebody wakes it."""
        self._wait(self._running(), None if seconds is None else self.seconds + seconds)

    def wake(self, name_begins: str, within_seconds: float) -> None:
        """Whoever sleeps under such a name goes on soon, as one who polls would."""
        for actor in self._actors:
            if actor.name.startswith(name_begins) and actor is not self._current:
                soon = self.seconds + self.random.random() * within_seconds
                actor.wakes_at = soon if actor.wakes_at is None else min(actor.wakes_at, soon)

    # --- the baton --------------------------------------------------------------------------------------------------

    def _wait(self, actor: Actor, until: float | None) -> None:
        actor.wakes_at = until
        self._referee.switch()

    def _running(self) -> Actor:
        if self._current is None:
            raise GreenletExit  # the schedule is over, and somebody was still tidying up
        return self._current

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
