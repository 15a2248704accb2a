"""`refundry sandbox`: the store in miniature alone, for trying a configuration or somebody else's client against it."""

from __future__ import annotations

import click

from service.commands.invocation import Invocation
from service.errors import BadRequest
from service.sandbox.command import DEFAULT_HOST, DEFAULT_PORT, run_sandbox
from service.sandbox.faults import MEANINGS, BadFaultError, Fault, parse_fault
from service.sandbox.versions import DEFAULT_VERSION, QUIRKS

_KINDS = "\n".join(f"  {kind:<16} {meaning}" for kind, meaning in MEANINGS.items())


@click.command(
    name="sandbox",
    epilog=f'\b\nKinds of faults, as in --fault "POST */refund lost-after times=1":\n{_KINDS}',
)
@click.option("--host", default=DEFAULT_HOST, show_default=True, help="The address to listen on.")
@click.option("--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(0, 65535))
@click.option("--magento-version", default=DEFAULT_VERSION, show_default=True, type=click.Choice(list(QUIRKS)))
@click.option("--fault", "faults", multiple=True, metavar="RULE", help="What goes wrong; may be said several times.")
@click.option("--token", envvar="SANDBOX_ACCESS_TOKEN", help="The integration's access token.")
@click.pass_obj
def sandbox_command(
    invocation: Invocation, *, host: str, port: int, magento_version: str, faults: tuple[str, ...], token: str | None
) -> None:
    """Run the sandbox store alone, with faults on demand.

    A Magento in miniature; it prints how to sign in and which orders there are to try.
    """
    try:
        run_sandbox(
            now=invocation.clock(),
            echo=click.echo,
            host=host,
            port=port,
            magento_version=magento_version,
            faults=[_read_fault(rule) for rule in faults],
            token=token,
        )
    except KeyboardInterrupt:
        click.echo("")
    except OSError as error:
        raise BadRequest(f"{host}:{port} cannot be listened on ({error.strerror}); choose another --port") from error


def _read_fault(rule: str) -> Fault:
    try:
        return parse_fault(rule)
    except BadFaultError as error:
        raise BadRequest(f"--fault {rule!r}: {error}") from error
