"""Visits every state that a protocol can reach, and says how it got to the first wrong one.

Breadth first, so that a counterexample is as short as there is one. After it, backwards: from every state the machine
alone must be able to come to rest, and with a person's answers to an end; a state from which it cannot is stuck.
"""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.model.protocol import Kind, Move, Protocol, State, Step, is_at_rest, is_over, wrong_in


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    states: int
    steps: int
    seconds: float
    moves: frozenset[Move]
    #: What went wrong first, and the steps to it; "" and none where nothing did.
    wrong: str = ""
    trace: tuple[str, ...] = ()


def check(protocol: Protocol, *, most_states: int = 5_000_000) -> Result:
    """Every state and step of a protocol, or those up to the first wrong one."""
    was_collecting = gc.isenabled()
    # A million states and not one cycle among them: looking for some takes as long as all the rest.
    gc.disable()
    try:
        return _Search(protocol, most_states).run()
    finally:
        if was_collecting:
            gc.enable()


class _Search:
    def __init__(self, protocol: Protocol, most_states: int) -> None:
        self._began = time.perf_counter()
        self._protocol = protocol
        self._most_states = most_states
        self._numbers: dict[State, int] = {}
        self._states: list[State] = []
        #: State number → the one before and the step's text, for the trace.
        self._came_from: list[tuple[int, str]] = []
        #: State number → those from which the machine alone gets there, and those from which a person's answer does.
        self._by_machine: list[list[int]] = []
        self._by_person: list[list[int]] = []
        self._moves: set[Move] = set()
        self._steps = 0

    def run(self) -> Result:
        self._add(self._protocol.start(), -1, "")
        # The list grows while it is walked: it is the queue.
        for number, state in enumerate(self._states):
            for step in self._protocol.steps(state):
                if wrong := self._follow(number, step):
                    return self._result(wrong, number, step.text)
        if (stuck := _first_without(self._states, is_at_rest, (self._by_machine,))) is not None:
            return self._result("stuck: the machine alone never comes to rest from here", stuck)
        if (stuck := _first_without(self._states, is_over, (self._by_machine, self._by_person))) is not None:
            return self._result("lost: whatever is answered, this never ends", stuck)
        return self._result()

    def _follow(self, number: int, step: Step) -> str:
        """Takes a step from a state; what is wrong with it, "" if nothing is."""
        self._steps += 1
        if step.move is not None:
            self._moves.add(step.move)
        if step.wrong:
            return step.wrong
        known = self._numbers.get(step.after)
        if known is None:
            known = self._add(step.after, number, step.text)
            if wrong := wrong_in(step.after):
                return wrong
        if step.kind is Kind.MACHINE:
            self._by_machine[known].append(number)
        elif step.kind is Kind.PERSON:
            self._by_person[known].append(number)
        return ""

    def _add(self, state: State, before: int, text: str) -> int:
        number = self._numbers[state] = len(self._states)
        if number == self._most_states:
            raise RuntimeError(f"more than {self._most_states} states: the model has grown, or lost a bound")
        self._states.append(state)
        self._came_from.append((before, text))
        self._by_machine.append([])
        self._by_person.append([])
        return number

    def _result(self, wrong: str = "", at: int = 0, last: str = "") -> Result:
        return Result(
            states=len(self._states),
            steps=self._steps,
            seconds=time.perf_counter() - self._began,
            moves=frozenset(self._moves),
            wrong=wrong,
            trace=(*self._trace(at), *([last] if last else [])) if wrong else (),
        )

    def _trace(self, number: int) -> list[str]:
        texts: list[str] = []
        while number:
            number, text = self._came_from[number]
            texts.append(text)
        return texts[::-1]


def _first_without(
    states: Sequence[State], is_goal: Callable[[State], bool], edges: Sequence[Sequence[Sequence[int]]]
) -> int | None:
    """The first state from which no goal can be reached over these edges."""
    reaches = [is_goal(state) for state in states]
    queue = deque(number for number, is_there in enumerate(reaches) if is_there)
    while queue:
        number = queue.popleft()
        for backwards in edges:
            for before in backwards[number]:
                if not reaches[before]:
                    reaches[before] = True
                    queue.append(before)
    return next((number for number, is_there in enumerate(reaches) if not is_there), None)
