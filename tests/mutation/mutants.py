"""Which small faults are tried: one change of one place of a module's syntax tree.

Left alone is what no test should pin: annotations, docstrings, decorators, assertions (they state what types cannot),
log lines, prose (every text with a space in it), and the words of enums, which are compared as members; those that are
stored are pinned by the store's tests. Everything else that decides something is changed.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

_Node = TypeVar("_Node", bound=ast.AST)

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "ROUND_HALF_UP": "ROUND_DOWN"}
#: Two of everything: the base currency, and the one that the customer saw.
_ATTRIBUTES = {"base": "shown", "shown": "base"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Mutant:
    """One fault; `number` counts those of its module, `before` and `after` are the changed expression or statement."""

    module: str
    number: int
    where: str
    line: int
    #: Where the innermost statement around it begins that is carried out by a call; 0: it is carried out by the import.
    statement: int
    before: str
    after: str

    @property
    def name(self) -> str:
        """Stays the same when lines move: what equivalents are listed by."""
        return f"{self.module}:{self.where}: {self.before} → {self.after}"


def mutants_of(module: str, source: str) -> Iterator[tuple[Mutant, Callable[[], ast.Module]]]:
    """Every fault of a module, with what makes the tree that holds it. The same source, the same faults."""
    tree = ast.parse(source)
    number = 0
    for place in _places(tree):
        for changed in _changes(place.node):
            mutant = Mutant(
                module=module,
                number=number,
                where=place.where,
                line=place.node.lineno,
                statement=place.statement,
                before=_one_line(place.node),
                after=_one_line(changed),
            )
            yield mutant, partial(_with, tree, place, changed)
            number += 1


def statements_of(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    """Every list of statements that a call carries out one after the other."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            yield from _blocks(function)


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for _, value in ast.iter_fields(node):
        if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
            yield value
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.FunctionDef | ast.Lambda):
                yield from _blocks(child)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """A node and how to get to it: field names and list indexes from the root."""

    node: ast.expr | ast.stmt
    path: tuple[tuple[str, int | None], ...]
    where: str
    #: See Mutant.statement.
    statement: int


def _places(tree: ast.Module) -> Iterator[_Place]:
    yield from _below(tree, (), "", 0)


def _below(node: ast.AST, path: tuple[tuple[str, int | None], ...], where: str, statement: int) -> Iterator[_Place]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        where = f"{where}.{node.name}" if where else node.name
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "type_comment", "type_params"}:
            continue
        children = enumerate(value) if isinstance(value, list) else [(None, value)]
        for index, child in children:
            if not isinstance(child, ast.AST) or _is_left_alone(child):
                continue
            step = (*path, (name, index))
            within = _statement(node, name, child, statement)
            if isinstance(child, ast.expr | ast.stmt):
                yield _Place(node=child, path=step, where=where or "(module)", statement=within)
            yield from _below(child, step, where, within)


def _statement(node: ast.AST, name: str, child: ast.AST, around: int) -> int:
    if isinstance(child, ast.stmt) and (around or (isinstance(node, ast.FunctionDef) and name == "body")):
        return child.lineno
    return around


def _is_left_alone(node: ast.AST) -> bool:
    match node:
        case ast.Assert() | ast.Import() | ast.ImportFrom() | ast.JoinedStr():
            return True
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.ClassDef(bases=[ast.Name(id="StrEnum")]):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="_log")))):
            return True
        case ast.Assign(value=ast.Call(func=ast.Attribute(value=ast.Name(id="logging")))):
            return True
    return False


def _changes(node: ast.expr | ast.stmt) -> Iterator[ast.expr | ast.stmt]:  # noqa: C901, PLR0912  a table, one row a case
    match node:
        case ast.Compare(ops=[op]):
            for other in _COMPARISONS[type(op)]:
                yield _replaced(node, ops=[other()])
        case ast.BinOp(op=op) if type(op) in _ARITHMETIC:
            yield _replaced(node, op=_ARITHMETIC[type(op)]())
        case ast.BinOp(op=ast.FloorDiv() | ast.Pow()):
            yield _replaced(node, op=ast.Mult())
        case ast.BoolOp(op=op):
            yield _replaced(node, op=ast.And() if isinstance(op, ast.Or) else ast.Or())
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.Constant(value=bool(value)):
            yield _replaced(node, value=not value)
        case ast.Constant(value=int(value)):
            yield _replaced(node, value=value + 1)
        case ast.Constant(value=str(value)) if value and " " not in value:
            yield _replaced(node, value=f"{value}?")
        case ast.Name(id=name) if name in _NAMES:
            yield _replaced(node, id=_NAMES[name])
        case ast.Attribute(attr=attr) if attr in _ATTRIBUTES:
            yield _replaced(node, attr=_ATTRIBUTES[attr])
        case ast.If(test=test) | ast.IfExp(test=test) if not isinstance(test, ast.Compare | ast.UnaryOp):
            yield _replaced(node, test=ast.copy_location(ast.UnaryOp(ast.Not(), test), test))
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and not value.value):
            yield _replaced(node, value=ast.copy_location(ast.Constant(None), node))
        case ast.AugAssign(op=ast.Add()):
            yield _replaced(node, op=ast.Sub())
        case ast.AugAssign(op=ast.Sub()):
            yield _replaced(node, op=ast.Add())
        case ast.Expr() | ast.Raise():
            yield ast.copy_location(ast.Pass(), node)
        case ast.Continue():
            yield ast.copy_location(ast.Break(), node)
        case ast.Break():
            yield ast.copy_location(ast.Continue(), node)


def _replaced(node: _Node, **fields: object) -> _Node:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _with(tree: ast.Module, place: _Place, changed: ast.expr | ast.stmt) -> ast.Module:
    mutated = copy.deepcopy(tree)
    at: ast.AST = mutated
    for name, index in place.path[:-1]:
        value = getattr(at, name)
        at = value if index is None else value[index]
    name, index = place.path[-1]
    if index is None:
        setattr(at, name, changed)
    else:
        getattr(at, name)[index] = changed
    return ast.fix_missing_locations(mutated)


def _one_line(node: ast.AST) -> str:
    shown = copy.copy(node)
    if isinstance(shown, ast.If):
        return f"if {ast.unparse(shown.test)}"
    return " ".join(ast.unparse(shown).split())
