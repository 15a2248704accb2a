"""`refundry docs DIR`: the documents that are printed from the code, so that they cannot say anything else.

cli.md from the commands, settings.md from the schemas, lifecycle.md from the states, their moves and the rules of
drift, routes.md from the decision tables of payments and of Magento's answers, semantics.md from those of core,
auth-schemes.md from the shapes of the schemes, and the printed parts of sources/*.md from the presets. A test compares
them with what is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path

import click

from service.commands.markdown import PRINTED, markdown_table
from service.commands.semantics_page import semantics_reference
from service.commands.shown import say
from service.commands.source_pages import print_pages, senders_reference
from service.core.drift import DRIFT_RULES
from service.core.lifecycle import DELIVERY_MOVES, REFUND_MOVES, SLOT_STATES, DeliveryState, RefundState
from service.core.refund_mode import RULES as PAYMENT_RULES
from service.core.refund_mode import RefundMode
from service.magento.outcomes import FAILURE_RULES, Rule
from service.magento.outcomes import RULES as ANSWER_RULES
from service.settings import SOURCE_AUTHS, SourceAuth, settings_reference
from service.settings.rules import SCHEME_KEYS

_MODE_WORDS = {
    RefundMode.OFFLINE: "order route: `POST /V1/order/<id>/refund`",
    RefundMode.ONLINE: "invoice route: `POST /V1/invoice/<id>/refund` with `isOnline: true`",
    RefundMode.REVIEW: "a person decides",
    RefundMode.WAIT: "planned again later",
}


@click.command(name="docs", hidden=True)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@click.pass_context
def docs_command(context: click.Context, *, folder: Path) -> None:
    """Print the documents that are made from the code into DIR."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in documents(context.find_root().command).items():
        (folder / name).write_text(text, encoding="utf-8")
        say(f"wrote {folder / name}")
    for page in print_pages(folder / "sources"):
        say(f"wrote {page}")


def documents(root: click.Command) -> dict[str, str]:
    """File name → content; `root` is the whole command line."""
    printed: dict[str, Callable[[], str]] = {
        "cli.md": lambda: cli_reference(root),
        "settings.md": settings_reference,
        "lifecycle.md": lifecycle_reference,
        "routes.md": routes_reference,
        "semantics.md": semantics_reference,
        "auth-schemes.md": auth_reference,
        "senders.md": senders_reference,
    }
    return {name: make() for name, make in printed.items()}


# --- the command line -------------------------------------------------------------------------------------------------


def cli_reference(root: click.Command) -> str:
    """Every command with its arguments and options, from what `--help` is made of."""
    context = click.Context(root, info_name="refundry")
    lines = ["# The command line", "", PRINTED, "", *_command_lines(context)]
    lines += [
        "Exit codes: 0 done, 1 it could not be done and the line on standard error says why, 2 written wrongly.",
        "",
    ]
    return "\n".join(lines)


def _command_lines(context: click.Context) -> Iterator[str]:
    command = context.command
    pieces = " ".join(command.collect_usage_pieces(context))
    yield from (f"{'#' * min(_depth(context) + 1, 3)} `{context.command_path}`", "")
    yield from (_unwrapped(command.help or ""), "", "```", f"{context.command_path} {pieces}".rstrip(), "```", "")
    options = [row for row in map(_option_row, command.get_params(context)) if row is not None]
    if options:
        yield from markdown_table(("option", "is"), options)
    if command.epilog:
        yield from ("```", command.epilog.replace("\b\n", ""), "```", "")
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                yield from _command_lines(click.Context(child, info_name=name, parent=context))


def _depth(context: click.Context) -> int:
    return 1 if context.parent is None else 1 + _depth(context.parent)


def _option_row(parameter: click.Parameter) -> tuple[str, str] | None:
    if not isinstance(parameter, click.Option) or "--help" in parameter.opts:
        return None
    value = f" {parameter.metavar}" if parameter.metavar else ""
    names = ", ".join(f"`{name}{value}`" for name in [*parameter.opts, *parameter.secondary_opts])
    default = parameter.default
    shown = f" Default: `{default}`." if parameter.show_default and default not in (None, ()) else ""
    variable = f" From `{parameter.envvar}` where that is set." if parameter.envvar else ""
    needed = " **Required.**" if parameter.required else ""
    return names, f"{parameter.help or ''}{shown}{variable}{needed}"


def _unwrapped(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n")).replace("\b", "")


# --- the tables that are the program ----------------------------------------------------------------------------------


def lifecycle_reference() -> str:
    """The states of a refund and of a delivery, every move between them, and what may be found afterwards."""
    refund_moves = [(old, new, why) for old, moves in REFUND_MOVES.items() for new, why in moves.items()]
    delivery_moves = [(old, ", ".join(f"`{new}`" for new in moves)) for old, moves in DELIVERY_MOVES.items()]
    slots = ", ".join(f"`{state}`" for state in SLOT_STATES)
    return "\n".join(
        [
            "# Lifecycle",
            "",
            PRINTED,
            "",
            "## A refund",
            "",
            f"{slots} hold the order's slot: no two refunds of an order can be in them, the database says no.",
            "Needing a person is a flag with a reason, not a state.",
            "",
            *_diagram(RefundState.PLANNED, [(old, new) for old, new, _ in refund_moves]),
            *markdown_table(("from", "to", "when"), [(f"`{old}`", f"`{new}`", why) for old, new, why in refund_moves]),
            "## Afterwards",
            "",
            "The order of a refund that is done is read again later; what is found then goes to a person.",
            "",
            *markdown_table(("alarm", "means"), [(f"`{rule.code}`", rule.meaning) for rule in DRIFT_RULES]),
            "## A delivery",
            "",
            *_diagram(DeliveryState.RECEIVED, [(old, new) for old, moves in DELIVERY_MOVES.items() for new in moves]),
            *markdown_table(("from", "to"), [(f"`{old}`", moves) for old, moves in delivery_moves]),
        ]
    )


def routes_reference() -> str:
    """How the money goes back, and what an answer to a refund call proves."""
    payments = [(f"`{rule.name}`", _MODE_WORDS[rule.mode], rule.because) for rule in PAYMENT_RULES]
    return "\n".join(
        [
            "# Routes and answers",
            "",
            PRINTED,
            "",
            "## How the money goes back",
            "",
            "The first rule that applies decides. `{method}` is the order's payment method.",
            "",
            *markdown_table(("rule", "then", "because"), payments),
            "## What an answer to a refund call proves",
            "",
            "The first row that matches; anything that none matches is **unknown**. `x` is any digit, `*` any text.",
            "",
            *markdown_table(("rule", "route", "status", "answer", "then", "because"), map(_answer_row, ANSWER_RULES)),
            "Without an answer, by where the call ended:",
            "",
            *markdown_table(("rule", "then", "because"), map(_failure_row, FAILURE_RULES)),
        ]
    )


def auth_reference() -> str:
    """Every scheme: what it proves, and its settings."""
    return "\n".join(
        [
            "# Schemes of authentication",
            "",
            PRINTED,
            "",
            "One of these is a source's `auth.scheme`; [auth.md](auth.md) shows each whole. Where the body is not",
            "signed, TLS alone keeps it whole; where the time is not signed, a copy is a known delivery for ever.",
            "",
            *markdown_table(
                ("scheme", "is", "signs the body", "signs the time", "settings; **needed**"),
                map(_scheme_row, SOURCE_AUTHS.values()),
            ),
        ]
    )


def _scheme_row(shape: type[SourceAuth]) -> tuple[str, ...]:
    needed = {each.name for each in fields(shape) if each.default is MISSING}
    keys = (f"**`{key}`**" if key in needed else f"`{key}`" for key in SCHEME_KEYS[shape.scheme])
    meaning = " ".join((shape.__doc__ or "").split())
    return (
        f"`{shape.scheme}`",
        meaning,
        *("yes" if claim else "**no**" for claim in (shape.signs_body, shape.signs_time)),
        ", ".join(keys),
    )


def _answer_row(rule: Rule) -> tuple[str, ...]:
    said = "; ".join(f"`{text}`" for text in rule.texts) or rule.body
    return f"`{rule.name}`", rule.route or "both", rule.status, said, f"**{rule.kind}**", rule.because


def _failure_row(rule: Rule) -> tuple[str, ...]:
    return f"`{rule.name}`", f"**{rule.kind}**", rule.because


def _diagram(first: str, moves: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield from ("```mermaid", "stateDiagram-v2", f"    [*] --> {first}")
    yield from (f"    {old} --> {new}" for old, new in moves)
    yield from ("```", "")
