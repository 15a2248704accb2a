"""Commands to set the service up: init, keys, settings."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from pathlib import Path

import click

from service.commands.invocation import Invocation, actor_of, actor_option, json_option
from service.commands.shown import moment, say, say_json, table
from service.settings import GENERIC, preset_kinds, settings_reference, shipped_file
from service.web.api.keys import RAW, READ

#: What `Origin.origin` says of a value that nobody set.
_DEFAULTS = "defaults.toml"

#: What a key may be allowed.
SCOPES = (READ, RAW)

_TOKEN_BYTES = 32

#: A shipped example → where `init` puts it.
_STORE = {"stores/main.toml.example": "stores/main.toml"}
_WAREHOUSE = {"sources/warehouse.toml.example": "sources/warehouse.toml"}

_SERVICE_TOML = """\
# What differs from the defaults; `refundry settings --reference` prints every setting, its default and why.

database_url = "sqlite:///var/refundry.db"   # one file, on this machine
#host = "127.0.0.1"                          # loopback until a proxy with TLS stands in front
#port = 8000
"""


@click.command(name="init")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), required=False, metavar="[DIR]")
@click.option(
    "--source",
    "kinds",
    multiple=True,
    metavar="KIND",
    help="The sender: generic or a preset's name, as loop; may be said twice. Without it: one of canonical events.",
)
@click.pass_obj
def init_command(invocation: Invocation, *, folder: Path | None, kinds: tuple[str, ...]) -> None:
    """Write a commented configuration to start from.

    Never overwrites a file.
    """
    target = folder or invocation.config_dir
    known = (GENERIC, *preset_kinds())
    if unknown := set(kinds).difference(known):
        raise click.BadParameter(f"{min(unknown)!r} is none of {', '.join(known)}", param_hint="--source")
    sources = {f"presets/{kind}.toml.example": f"sources/{kind}.toml" for kind in kinds}
    files = {"service.toml": _SERVICE_TOML} | {
        name: shipped_file(example).read_text(encoding="utf-8")
        for example, name in (_STORE | (sources or _WAREHOUSE)).items()
    }
    for name, text in files.items():
        say(_write_new(target / name, text))
    where = "" if target == Path("config") else f"export REFUNDRY_CONFIG_DIR={target}\n  "
    say(
        "",
        "Next:",
        f"  {where}edit {target}/stores/main.toml: the shop's address, payment methods, shipping",
        "  export MAGENTO_TOKEN=…            the integration's access token (Magento: System > Integrations)",
        *_secrets_to_set(target, kinds),
        "  refundry migrate                  make the database",
        "  refundry doctor                   check all of it",
        "  refundry serve",
    )


def _secrets_to_set(target: Path, kinds: tuple[str, ...]) -> Iterator[str]:
    if not kinds:
        yield f"  export WAREHOUSE_SECRET={_new_webhook_secret()}"
        yield "                                    new, kept nowhere: give it to the sender, too"
    for kind in kinds:
        yield f"  edit {target}/sources/{kind}.toml, and export its secret: docs/sources/{kind}.md says where it is"


def _write_new(file: Path, text: str) -> str:
    if file.exists():
        return f"kept   {file} (it is there already)"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return f"wrote  {file}"


def _new_webhook_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(_TOKEN_BYTES)).decode()}"


@click.group(name="keys")
def keys_group() -> None:
    """Create, list and revoke keys of the API."""


@keys_group.command(name="create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    default=("read",),
    show_default=True,
    help="What it may do; may be said twice.",
)
@actor_option
@json_option
@click.pass_obj
def create_key_command(
    invocation: Invocation, *, name: str, scopes: tuple[str, ...], actor: str | None, as_json: bool
) -> None:
    """Make a key and print its token, this once: only a digest is kept."""
    with invocation.open_runtime() as runtime:
        token = runtime.store.keys.create(
            name, scopes, secrets.token_bytes(_TOKEN_BYTES), runtime.clock(), actor=actor_of(invocation, actor)
        )
    if as_json:
        say_json({"name": name, "scopes": scopes, "token": token})
        return
    say(token)
    click.echo(f"key '{name}' may {' and '.join(scopes)}; the token cannot be shown again", err=True)


@keys_group.command(name="list")
@json_option
@click.pass_obj
def list_keys_command(invocation: Invocation, *, as_json: bool) -> None:
    """List the keys, the revoked ones too."""
    with invocation.open_runtime() as runtime:
        keys = runtime.store.keys.all()
    if as_json:
        say_json({"keys": keys})
    elif keys:
        heads = ("name", "may", "created", "last used", "revoked")
        say(
            *table(
                heads, [(k.name, ", ".join(k.scopes), k.created_at, k.last_used_at, moment(k.revoked_at)) for k in keys]
            )
        )
    else:
        say("no keys yet; make one: refundry keys create NAME")


@keys_group.command(name="revoke")
@click.argument("name")
@actor_option
@click.pass_obj
def revoke_key_command(invocation: Invocation, *, name: str, actor: str | None) -> None:
    """End a key; requests with it get 401 from now on."""
    with invocation.open_runtime() as runtime:
        runtime.store.keys.revoke(name, runtime.clock(), actor=actor_of(invocation, actor))
    say(f"key '{name}' is revoked")


@click.command(name="settings")
@click.option("--changed", is_flag=True, help="Only what differs from the defaults.")
@click.option("--reference", is_flag=True, help="Every setting there is, its default and why, as Markdown.")
@json_option
@click.pass_obj
def settings_command(invocation: Invocation, *, changed: bool, reference: bool, as_json: bool) -> None:
    """Show every value in force and where it came from.

    Secrets are named and measured, never shown.
    """
    if reference:
        say(settings_reference().rstrip("\n"))
        return
    origins = [o for o in invocation.read_settings().origins if not (changed and o.origin == _DEFAULTS)]
    if as_json:
        say_json({"settings": origins})
    else:
        say(*table(("setting", "value", "from"), [(o.key, o.value_shown, o.origin) for o in origins]))
