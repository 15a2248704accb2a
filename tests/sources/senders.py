"""The senders' samples: bodies of our own, made of the fields that their documents name, and what each must become.

The source is the one that config/presets/<kind>.toml.example makes, which an operator starts from. Beside each
tests/samples/sources/<kind>/<name>.json stand its headers, where they say something, and <name>.event.json: the events
without what is at its default, or why there are none.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from service.core.returns import Ignored
from service.errors import Unreadable
from service.settings import load_settings, shipped_file
from service.sources import Limits, parse

SENDERS = Path(__file__).parent.parent / "samples" / "sources"
KINDS = tuple(sorted(folder.name for folder in SENDERS.iterdir()))

_STORE = 'base_url = "https://shop.example"\ntoken_env = "MAGENTO_TOKEN"\n'
#: A secret that most schemes can take for their own.
_SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
_CREDENTIALS = "narvar:s3cr:et"


class _Environment(dict):
    """Every variable is set, whatever a source calls it."""

    def get(self, name, default=None):
        if name.startswith("REFUNDRY"):
            return default
        return _CREDENTIALS if name.endswith("_CREDENTIALS") else _SECRET


def example_of(kind):
    return shipped_file(f"presets/{kind}.toml.example").read_text()


def _private_key():
    """In the place of the sender's public key, so that a test can sign as the sender does."""
    key = generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@cache
def source_of(kind):
    """The source as an operator would have configured it."""
    with TemporaryDirectory() as folder:
        for name, text in (("stores/main", _STORE), (f"sources/{kind}", example_of(kind))):
            file = Path(folder) / f"{name}.toml"
            file.parent.mkdir()
            file.write_text(text)
        for name in tomllib.loads(example_of(kind)).get("secrets_file", ()):
            (Path(folder) / name).write_text(_private_key())
        return load_settings(Path(folder), _Environment()).sources[kind]


def samples():
    """("loop", "closed") for each sample."""
    return [
        (kind, file.stem)
        for kind in KINDS
        for file in sorted((SENDERS / kind).glob("*.json"))
        if not file.name.endswith((".headers.json", ".event.json"))
    ]


def body_of(kind, name):
    return (SENDERS / kind / f"{name}.json").read_bytes()


def headers_of(kind, name):
    file = SENDERS / kind / f"{name}.headers.json"
    return tuple(json.loads(file.read_text()).items()) if file.exists() else ()


def expected_of(kind, name):
    return json.loads((SENDERS / kind / f"{name}.event.json").read_text())


def reading(source, raw, headers=()):
    """What a body becomes, as plain values."""
    try:
        said = parse(source, raw, headers, Limits())
    except Unreadable as error:
        return {"unreadable": error.message}
    return {"ignored": said.reason} if isinstance(said, Ignored) else [_plain(event) for event in said]


def _plain(value):
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value) if not _is_default(value, each)}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, str | int) else str(value)


def _is_default(value, each):
    return each.default is not MISSING and getattr(value, each.name) == each.default
