"""`python -m tests.model`: the full state space, then each mutant with the way in which it goes wrong."""

from __future__ import annotations

import sys

import click

from service.core.lifecycle import REFUND_MOVES
from tests.model.checker import Result, check
from tests.model.protocol import Move, Protocol
from tests.model.settings import FULL, MUTANTS, QUICK


@click.command()
@click.option("--quick", is_flag=True, help="The settings of the test run instead of all troubles at once.")
def main(*, quick: bool) -> None:
    """Check the refund protocol in every state; exit code 1 if anything is wrong, or a mutant is not caught."""
    moves: set[Move] = set()
    is_good = True
    for name, setting in (QUICK if quick else FULL).items():
        # A setting takes minutes: who waits should know for what.
        click.echo(f"{name}: visiting every state")
        result = check(Protocol(setting=setting))
        moves |= result.moves
        is_good &= not result.wrong
        click.echo(
            f"{name:<28} {result.states:>9} states {result.steps:>9} steps {result.seconds:6.1f} s  "
            f"{result.wrong or 'nothing doubled, lost or stuck'}"
        )
        _echo_trace(result)
    known = {(old, new) for old, table in REFUND_MOVES.items() for new in table}
    click.echo(f"\n{len(moves)} of the table's {len(known)} moves were taken, none besides\n")
    is_good &= moves == known
    for name, mutant in MUTANTS.items():
        results = [check(Protocol(setting=each, guards=mutant.guards)) for each in (mutant.offline, mutant.online)]
        caught = next((result for result in results if result.wrong), None)
        is_good &= caught is not None
        click.echo(f"mutant: {name}: {caught.wrong if caught else 'NOT CAUGHT'}")
        if caught is not None:
            _echo_trace(caught)
    sys.exit(0 if is_good else 1)


def _echo_trace(result: Result) -> None:
    for number, text in enumerate(result.trace, start=1):
        click.echo(f"  {number:>3} {text}")


if __name__ == "__main__":
    main()
