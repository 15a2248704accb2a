"""Evaluates a map's expressions over what a sender sent: exact numbers, bounded work, and one exception.

jmespath by itself knows no Decimal, lets TypeError out where a body has a number for a text, and does as much work as a
body asks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from typing import Any

from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions, signature
from jmespath.visitor import Options, TreeInterpreter

from service.errors import Unreadable
from service.settings.expressions import Expression
from service.sources.unreadable import unreadable

#: A thousand lines with twenty rows of ten steps; about half a second of one core.
MAX_STEPS = 200_000

#: As exact as forty digits; what would be rounded is refused.
_EXACT = Context(prec=60, traps=[Inexact, InvalidOperation, Overflow])


class _TooMuchWork(Exception):
    """The body made the expressions visit more than MAX_STEPS of its values."""


@dataclass(slots=True)
class Budget:
    """The steps left for one delivery, all of its expressions together."""

    steps: int = MAX_STEPS

    def spend(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise _TooMuchWork


def evaluate(expression: Expression, document: Mapping[str, Any], budget: Budget, *, row: str) -> Any:
    """What `expression` finds in `document`, None for nothing; Unreadable, naming the row, for all that goes wrong."""
    try:
        return _Interpreter(budget).visit(expression.tree, document)
    except _TooMuchWork as error:
        raise unreadable(
            f"map.{row}", None, f"the body takes more than {MAX_STEPS} steps to read", "Send one return in one body"
        ) from error
    except (JMESPathError, DecimalException) as error:
        reason = "a number is too long" if isinstance(error, DecimalException) else _said(error)
        remedy = f"Compare the body with the row's expression: {expression.text}"
        raise Unreadable(f"map.{row}: {reason}. {remedy}", path=f"map.{row}", value=None, remedy=remedy) from error


def _said(error: JMESPathError) -> str:
    name, wanted = getattr(error, "function_name", "an expression"), getattr(error, "expected_types", ())
    found = getattr(error, "actual_type", "something else")
    return f"{name}() wants {' or '.join(wanted) or 'another value'} and found {found}"


class _Interpreter(TreeInterpreter):
    def __init__(self, budget: Budget) -> None:
        super().__init__(Options(custom_functions=_Functions(budget)))
        self._budget = budget

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self._budget.spend(1)
        return super().visit(node, *args, **kwargs)

    def visit_comparator(self, node: Any, value: Any) -> Any:
        """Two numbers or two texts are ordered; a number and a text are not, which Python would say by an exception."""
        if node["value"] in {"eq", "ne"}:
            return super().visit_comparator(node, value)
        left, right = (self.visit(child, value) for child in node["children"])
        comparable = any(_is(kind, left) and _is(kind, right) for kind in (str, (int, Decimal)))
        return self.COMPARATOR_FUNC[node["value"]](left, right) if comparable else None


def _is(kind: type | tuple[type, ...], value: object) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


class _Functions(Functions):
    """JMESPath's functions, where Decimal is a number too."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def call_function(self, function_name: str, resolved_args: Any) -> Any:
        self._budget.spend(sum(len(value) for value in resolved_args if isinstance(value, list | dict | str)))
        return super().call_function(function_name, resolved_args)

    def _get_allowed_pytypes(self, types: Sequence[str]) -> tuple[list[str], list[tuple[str, ...]]]:
        alone, in_lists = super()._get_allowed_pytypes(types)  # type: ignore[misc]  # not in the stubs
        return (
            [*alone, "Decimal"] if "int" in alone else alone,
            [(*names, "Decimal") if "int" in names else names for names in in_lists],
        )

    @signature({"types": ["array-number"]})
    def _func_sum(self, numbers: list[int | Decimal]) -> Decimal:
        total = Decimal(0)
        for number in numbers:
            total = _EXACT.add(total, Decimal(number))
        return total

    @signature({"types": []})
    def _func_to_number(self, value: object) -> int | Decimal | None:
        """A number as it is, or the number that a text writes out in full; JMESPath's own makes a float of "0.1"."""
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return value
        try:
            number = _EXACT.create_decimal(value) if isinstance(value, str) else None
        except DecimalException:
            return None
        return number if number is not None and number.is_finite() else None

    @signature({"types": ["array", "string"]}, {"types": []})
    def _func_contains(self, subject: list[Any] | str, search: object) -> bool:
        """Python cannot look for a number in a text; there is none."""
        return isinstance(search, str) and search in subject if isinstance(subject, str) else search in subject
