"""The command line `refundry`: puts the commands together, and says what goes wrong in one line.

Exit codes: 0 done, 1 it could not be done (the line says why and what to do), 2 the command was written wrongly.
"""

from __future__ import annotations

import getpass
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from service.commands import (
    act,
    bring_in,
    docs,
    doctor,
    look,
    poll,
    reconcile,
    replay,
    retention,
    run,
    sandbox,
    send,
    setup,
    sources,
    state,
)
from service.commands.demo import command as demo
from service.commands.invocation import CONFIG_DIR_VARIABLE, Invocation
from service.errors import RefundryError

#: The sections of `refundry --help`, in the order in which somebody meets the service.
SECTIONS: dict[str, tuple[click.Command, ...]] = {
    "Try it": (demo.demo_command, sandbox.sandbox_command, send.send_command),
    "Set it up": (setup.init_command, setup.settings_command, setup.keys_group, doctor.doctor_command),
    "Run it": (run.serve_command, run.web_command, run.work_command, run.migrate_command),
    "Bring in": (bring_in.import_command, poll.poll_command),
    "Keep it": (
        state.backup_command,
        state.restore_command,
        retention.purge_command,
        retention.erase_command,
    ),
    "Look": (look.list_command, look.show_command, look.plan_command, sources.sources_group),
    "Decide": (
        act.approve_command,
        act.answer_command,
        act.settle_command,
        act.retry_command,
        replay.replay_command,
        act.dismiss_command,
        act.acknowledge_command,
        reconcile.reconcile_command,
        act.stop_command,
        act.go_command,
    ),
}

_NAME_WIDTH = max(len(command.name or "") for commands in SECTIONS.values() for command in commands)


class _Failed(click.ClickException):
    def show(self, file: Any = None) -> None:
        for line in self.message.splitlines():
            click.echo(f"error: {line}", err=True, file=file)


class _Refundry(click.Group):
    """Turns what goes wrong into one line, and shows the commands by what they are for."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RefundryError as error:
            if ctx.params["debug"]:
                raise
            raise _Failed(error.message) from error
        except (click.exceptions.Exit, click.ClickException, click.Abort, BrokenPipeError):
            # A reader that has seen enough, as in `refundry list | head`, is no fault: click ends without a word.
            raise
        except Exception as error:
            if ctx.params["debug"]:
                raise
            said = f"a fault of Refundry itself: {type(error).__name__}: {error}"
            raise _Failed(f"{said}. Please report it with what this shows: refundry --debug …") from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(f"{command.name:<{_NAME_WIDTH}}", command.get_short_help_str(80)) for command in commands]
                )


@click.group(cls=_Refundry, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--config-dir",
    type=click.Path(path_type=Path),
    envvar=CONFIG_DIR_VARIABLE,
    default=Path("config"),
    show_default=True,
    show_envvar=True,
    help="Where service.toml, stores/ and sources/ are.",
)
@click.option("--debug", is_flag=True, help="Show a traceback when something goes wrong.")
@click.version_option(version("refundry"), prog_name="refundry")
@click.pass_context
def cli(context: click.Context, *, config_dir: Path, debug: bool) -> None:
    """Approved returns become credit memos in Magento, each exactly once.

    To see it work: refundry demo. To set it up: refundry init.
    """
    del debug  # looked at where errors are shown
    context.obj = Invocation(environ=dict(os.environ), config_dir=config_dir, user=_user())


for _section in SECTIONS.values():
    for _command in _section:
        cli.add_command(_command)
cli.add_command(docs.docs_command)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as containers have
        return ""


def main() -> None:
    cli(prog_name="refundry")


if __name__ == "__main__":
    main()
