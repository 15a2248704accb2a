"""Commands that run the service: web, work, migrate, and serve for both together on one machine."""

from __future__ import annotations

import socket
import sys
from dataclasses import replace

import click

from service.app import configure_logging, create_app
from service.commands.invocation import Invocation
from service.commands.shown import say
from service.commands.supervisor import Child, Supervisor
from service.errors import BadRequest
from service.flow.worker import Worker
from service.runtime import build_runtime
from service.settings import Settings
from service.store import is_current, migrate
from service.web.server import gunicorn_options, run_gunicorn

#: What a worker needs to end, beyond the longest call that may be in flight.
_AFTER_CALL_SECONDS = 15

host_option = click.option("--host", metavar="ADDRESS", help="The address to listen on; default: service.host.")
port_option = click.option(
    "--port", type=click.IntRange(0, 65535), help="The port to listen on; default: service.port."
)


@click.command(name="serve")
@host_option
@port_option
@click.pass_obj
def serve_command(invocation: Invocation, *, host: str | None, port: int | None) -> None:
    """Run web and worker together on this machine.

    Brings the database up to date first. Both are watched and started again if they die; SIGTERM or Ctrl-C ends them,
    and what is in flight is finished.
    """
    settings = _at(invocation.read_settings(), host, port)
    service = settings.service
    _check_free(service.host, service.port)
    configure_logging(service.log_level)
    migrate(service.database_url)
    say(f"Refundry listens on http://{service.host}:{service.port}; Ctrl-C ends it")
    ours = (sys.executable, "-m", "service")
    supervisor = Supervisor(
        (
            Child(name="web", command=(*ours, "web", "--host", service.host, "--port", str(service.port))),
            Child(name="worker", command=(*ours, "work")),
        ),
        environ=invocation.child_environ,
        grace_seconds=longest_call_seconds(settings) + _AFTER_CALL_SECONDS,
    )
    raise SystemExit(supervisor.run())


@click.command(name="web")
@host_option
@port_option
@click.pass_obj
def web_command(invocation: Invocation, *, host: str | None, port: int | None) -> None:
    """Run the web alone.

    It takes deliveries in, and serves the API.
    """
    settings = _at(invocation.read_settings(), host, port)
    configure_logging(settings.service.log_level)
    # Said once here; a web process that cannot start would be started again and again.
    build_runtime(settings).store.close()
    run_gunicorn(lambda: create_app(build_runtime(settings, clock=invocation.clock)), gunicorn_options(settings))


@click.command(name="work")
@click.pass_obj
def work_command(invocation: Invocation) -> None:
    """Run a worker alone.

    It plans and makes refunds. Any number may run.
    """
    configure_logging(invocation.read_settings().service.log_level)
    with invocation.open_runtime() as runtime:
        worker = Worker(runtime)
        worker.stop_on_signals()
        worker.run()


@click.command(name="migrate")
@click.pass_obj
def migrate_command(invocation: Invocation) -> None:
    """Make the database, or bring it up to date.

    Safe to run again.
    """
    url = invocation.read_settings().service.database_url
    was_current = is_current(url)
    migrate(url)
    say("the database is current already" if was_current else "the database was brought up to date")


def longest_call_seconds(settings: Settings) -> int:
    """How long a refund may be in flight: ending a worker earlier makes its outcome unknown."""
    return max((store.refund_read_timeout_seconds for store in settings.stores.values()), default=0)


def _check_free(host: str, port: int) -> None:
    """BadRequest when the address is taken: one line here, instead of a web that keeps dying."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            said = f"{host}:{port} cannot be listened on ({error.strerror or error})"
            raise BadRequest(f"{said}; choose another with --host and --port") from error


def _at(settings: Settings, host: str | None, port: int | None) -> Settings:
    service = replace(
        settings.service,
        host=settings.service.host if host is None else host,
        port=settings.service.port if port is None else port,
    )
    return replace(settings, service=service)
