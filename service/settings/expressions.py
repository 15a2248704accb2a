"""A mapping's JMESPath expressions: compiled once, and refused where they could only ever surprise somebody.

What is looked at before a body ever comes: syntax, functions and how many values they take, and where each name starts.
The commonest slip, `data.id` for `body.data.id`, is null in every body and no error to JMESPath. Source: jmespath.org,
grammar and built-in functions.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError, LexerError, ParseError
from jmespath.functions import Functions

#: A syntax tree of jmespath: {"type", "children", "value"}.
Node = dict[str, Any]

#: Longer than any row of a preset several times over; the parser recurses.
MAX_LENGTH = 1000

#: JMESPath's own functions that cannot be used here, and what to do instead.
_REFUSED = {
    "to_string": "It makes the text 'null' of nothing; numbers that are ids become text by themselves",
    "avg": "Money is never averaged",
    "ceil": "Money is never rounded here",
    "floor": "Money is never rounded here",
}

#: Node type → which of its children still look at the whole document; the others look at what those found.
_FIRST_ONLY = {"subexpression", "projection", "filter_projection", "value_projection", "pipe", "index_expression"}


class BadExpression(Exception):
    """What is wrong with an expression and what to do; becomes a SettingsError where file and key are known."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


@dataclass(frozen=True, kw_only=True, slots=True)
class Expression:
    """A compiled expression. Equal when its text is."""

    text: str
    tree: Node = field(repr=False, compare=False)
    #: The headers that it reads, in lower case.
    headers: tuple[str, ...] = ()
    #: The query parameters that it reads.
    params: tuple[str, ...] = ()


def compile_expression(text: str, roots: tuple[str, ...]) -> Expression:
    """`text` over a document that has the keys `roots`; BadExpression for what is none."""
    if len(text) > MAX_LENGTH:
        raise BadExpression(f"longer than {MAX_LENGTH} characters", "Shorten it")
    try:
        tree: Node = jmespath.compile(text).parsed  # type: ignore[assignment]  # a TypedDict, read as what it is
    except LexerError as error:
        raise BadExpression(f"not JMESPath: {error.message}", _SEE) from error
    except ParseError as error:
        raise BadExpression(f"not JMESPath: {error.msg} at character {error.lex_position + 1}", _SEE) from error
    except (JMESPathError, ValueError, RecursionError) as error:
        raise BadExpression("not JMESPath", _SEE) from error
    _check_nodes(tree)
    paths = list(_paths(tree))
    for path in paths:
        _check_path(path, roots)
    return Expression(
        text=text,
        tree=tree,
        headers=tuple(sorted({path[1] for path in paths if path[0] == "headers"})),
        params=tuple(sorted({path[1] for path in paths if path[0] == "params"})),
    )


_SEE = "Text stands in '…', numbers in `…`, names with a dash in \"…\"; see jmespath.org"


def _check_path(path: tuple[str, ...], roots: tuple[str, ...]) -> None:
    start = path[0]
    if start not in roots:
        near = difflib.get_close_matches(start, roots, n=1)
        remedy = f"Did you mean {near[0]}?" if near else f"Say where it stands, as body.{start.strip('@') or 'id'}"
        raise BadExpression(f"{start!r} is none of {', '.join(roots)}", remedy)
    if start in {"headers", "params"} and len(path) == 1:
        raise BadExpression(f"{start} as a whole is not kept", f'Name the one that is meant: {start}."x-topic"')
    if start == "headers" and path[1] != path[1].lower():
        raise BadExpression(f"header {path[1]!r} is not in lower case", f'Write headers."{path[1].lower()}"')


def _check_nodes(tree: Node) -> None:
    for node in _nodes(tree):
        if node["type"] == "literal" and _has_fraction(node["value"]):
            raise BadExpression(f"{node['value']} is a binary fraction", "Compare with whole numbers, or with text")
        if node["type"] == "slice" and node["children"][2] == 0:
            raise BadExpression("a slice cannot go forward by 0", "Leave the last number out")
        if node["type"] == "function_expression":
            _check_call(node["value"], len(node["children"]))


def _has_fraction(literal: object) -> bool:
    inner = literal.values() if isinstance(literal, dict) else literal if isinstance(literal, list) else ()
    return isinstance(literal, float) or any(map(_has_fraction, inner))


def _check_call(name: str, given: int) -> None:
    if name in _REFUSED:
        raise BadExpression(f"{name}() is not available", _REFUSED[name])
    known = Functions.FUNCTION_TABLE
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise BadExpression(f"there is no function {name}()", f"Did you mean {near[0]}?" if near else _SEE)
    wanted = len(known[name]["signature"])
    is_variadic = bool(known[name]["signature"][-1].get("variadic"))
    if given < wanted or (given > wanted and not is_variadic):
        least = "at least " if is_variadic else ""
        raise BadExpression(f"{name}() has {given} arguments", f"Give it {least}{wanted}")


def _nodes(tree: Node) -> Iterator[Node]:
    yield tree
    for child in tree["children"]:
        if isinstance(child, dict):
            yield from _nodes(child)


def _paths(tree: Node) -> Iterator[tuple[str, ...]]:
    """("headers", "x-topic") and the like: what is read of the document itself, as deep as two names go."""
    if tree["type"] == "field":
        yield (tree["value"],)
        return
    if tree["type"] in {"current", "identity"}:
        yield ("@",)
    if tree["type"] == "expref":
        return
    children: list[Node] = [child for child in tree["children"] if isinstance(child, dict)]
    if tree["type"] not in _FIRST_ONLY:
        for child in children:
            yield from _paths(child)
        return
    first, *others = children
    found = list(_paths(first))
    if tree["type"] == "subexpression" and found and len(found[-1]) == 1 and others and others[0]["type"] == "field":
        found[-1] = (*found[-1], others[0]["value"])
    yield from found
