"""How a source's proof is configured: every example of docs/auth.md, each form a key may have, and each mistake."""

import base64
import re
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from service.errors import SettingsError, SeveralSettingsErrors
from service.settings import (
    SOURCE_AUTHS,
    AdobeCommerceAuth,
    BasicAuth,
    ClientCertificateAuth,
    Fingerprint,
    HmacAuth,
    KeyEncoding,
    MessageSignatureAuth,
    Pin,
    PrivateKey,
    PublicKey,
    Secret,
    SignatureAlgorithm,
    StandardWebhooksAuth,
    TokenAuth,
    load_settings,
)
from service.settings.keys import decode_key
from service.settings.secret_values import SecretUnusable
from tests.sources.schemes import CERTIFICATE, CURRENT_SEED, an_rsa_key
from tests.sources.test_auth_vectors import ADOBE_KEY, CERTIFICATE_HASH, KEY_HASH, PUBLIC_KEY, TOKEN_DIGEST

EXAMPLES = re.findall(
    r"```toml\n(.*?)```", (Path(__file__).parent.parent / "docs" / "auth.md").read_text(encoding="utf-8"), re.DOTALL
)
SERVICE = 'public_url = "https://hooks.example"\ntrusted_proxies = ["127.0.0.1", "10.0.0.0/8"]\n'
SOURCE = 'store = "main"\nsecrets_env = ["KEY"]\n'
ENVIRON = {
    "MAGENTO_TOKEN": "t",
    "WAREHOUSE_SECRET": "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    "PORTAL_SECRET": "returns-demo-secret",
    "PORTAL_TOKEN": TOKEN_DIGEST,
    "PORTAL_CREDENTIALS": "narvar:s3cr:et",
    "WMS_KEY": PUBLIC_KEY,
    "WMS_FINGERPRINT": CERTIFICATE_HASH,
    "KEY": "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    "OTHER": "returns-demo-secret",
}


def pem_of(key):
    return load_der_private_key(key.reveal_bytes(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


@pytest.fixture
def configured(tmp_path):
    def load(source, *, service=SERVICE, **environ):
        for name, text in {
            "service.toml": service,
            "stores/main.toml": 'base_url = "https://shop.example"\ntoken_env = "MAGENTO_TOKEN"\n',
            "sources/wms.toml": source,
            "adobe-1.pem": pem_of(an_rsa_key(0)).decode(),
            "adobe-2.pem": ADOBE_KEY,
            "commerce.pem": f"-----BEGIN PUBLIC KEY-----\n{ADOBE_KEY}\n-----END PUBLIC KEY-----\n",
        }.items():
            file = tmp_path / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        return load_settings(tmp_path, ENVIRON | environ).sources["wms"]

    return load


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: re.search(r'scheme = "(.*?)"', text)[1])
def test_an_example_of_the_page_can_be_used(configured, example):
    source = configured(example)

    assert source.auth.scheme in example
    assert bool(source.secrets) is ("secrets_" in example)


def test_the_page_shows_every_scheme():
    assert {re.search(r'scheme = "(.*?)"', text)[1] for text in EXAMPLES} == SOURCE_AUTHS.keys()


MISTAKES = {
    "no scheme and nobody said so": (
        'store = "main"\n[auth]\nscheme = "none"',
        "'none': nothing would prove who",
    ),
    "insecure beside a scheme": (
        f"{SOURCE}insecure = true",
        'scheme = "standard-webhooks" is not insecure',
    ),
    "a secret that proves nothing": (
        f'{SOURCE}insecure = true\n[auth]\nscheme = "none"',
        'KEY: not used by scheme = "none"',
    ),
    "a scheme without its header": (f'{SOURCE}[auth]\nscheme = "api-key"', "auth.header = (missing): api-key needs it"),
    "a client that nobody named": (
        f'{SOURCE}[auth]\nscheme = "adobe-rsa"',
        "auth.recipient_client_id = (missing): adobe-rsa needs it",
    ),
    "a key of another scheme": (
        f'{SOURCE}[auth]\nscheme = "bearer"\nencoding = "hex"',
        'auth.encoding = \'hex\': not used by scheme = "bearer". Delete it, or write scheme = "hmac"',
    ),
    "more names than keys": (
        f'{SOURCE}[auth]\nscheme = "rfc9421"\nsignature_algorithm = "hmac-sha256"\nkey_ids = ["a", "b"]',
        "auth.key_ids = ['a', 'b']: not one for each secret, of which there are 1",
    ),
    "an algorithm that is none": (
        f'{SOURCE}[auth]\nscheme = "rfc9421"\nsignature_algorithm = "none"\nkey_ids = ["a"]',
        'Write "hmac-sha256" or "ed25519"',
    ),
    "a shared secret where a public key belongs": (
        f'{SOURCE}[auth]\nscheme = "rfc9421"\nsignature_algorithm = "ed25519"\nkey_ids = ["a"]',
        "KEY: the secret is not base64",
    ),
    "Envoy's hash is no key's": (
        f'{SOURCE}[auth]\nscheme = "client-cert"\ncertificate_form = "envoy"\npin = "public-key"',
        "auth.pin = 'public-key': Envoy's Hash",
    ),
    "nginx without a header": (
        f'{SOURCE}[auth]\nscheme = "client-cert"\ncertificate_form = "nginx"',
        "auth.header = (missing): nginx has no header",
    ),
}


@pytest.mark.parametrize(("source", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_at_the_start(configured, source, told):
    with pytest.raises(SettingsError) as refused:
        configured(source)

    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("scheme", "service", "told"),
    [
        ("rfc9421", 'trusted_proxies = ["127.0.0.1"]', "Set public_url in service.toml"),
        ("client-cert", 'public_url = "https://hooks.example"', "Set trusted_proxies in service.toml"),
    ],
)
def test_what_a_scheme_needs_of_the_service_is_asked_for(configured, scheme, service, told):
    (example,) = (text for text in EXAMPLES if f'"{scheme}"' in text)

    with pytest.raises(SettingsError) as refused:
        configured(example, service=service)

    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('public_url = "ftp://x:21"', "not an address"),
        ('public_url = "https://x/?a"', "not an address"),
        ('trusted_proxies = ["10.0.0.5/8"]', "not an address or network"),
        ("trusted_proxies = [10]", "not an address or network"),
        ('trusted_proxies = ["everybody"]', "not an address or network"),
    ],
)
def test_an_address_that_is_none_is_told(configured, line, told):
    with pytest.raises(SettingsError) as refused:
        configured(SOURCE, service=line)

    assert told in str(refused.value)


def test_what_is_wrong_with_the_service_does_not_hide_what_is_wrong_with_a_source(configured):
    with pytest.raises(SeveralSettingsErrors) as refused:
        configured('store = "main"\nsecrets_env = ["NOWHERE"]', service="port = 0")

    assert "port" in str(refused.value)
    assert "NOWHERE" in str(refused.value)


# --- keys -------------------------------------------------------------------------------------------------------------

ED25519 = Ed25519PrivateKey.from_private_bytes(CURRENT_SEED)
ED25519_PUBLIC = ED25519.public_key().public_bytes_raw()
ED25519_PEM = ED25519.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
ED25519_PRIVATE_PEM = ED25519.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
CERTIFICATE_PEM = x509.load_der_x509_certificate(CERTIFICATE).public_bytes(Encoding.PEM).decode()
BY_KEY = MessageSignatureAuth(key_ids=("a",), signature_algorithm=SignatureAlgorithm.ED25519)


def b64(content):
    return base64.b64encode(content).decode()


@pytest.mark.parametrize(
    ("text", "auth", "key"),
    [
        (PUBLIC_KEY, StandardWebhooksAuth(), PublicKey(ED25519_PUBLIC)),
        (f"whsk_{b64(CURRENT_SEED)}", StandardWebhooksAuth(), PrivateKey(CURRENT_SEED)),
        (f"whsk_{b64(CURRENT_SEED + ED25519_PUBLIC)}", StandardWebhooksAuth(), PrivateKey(CURRENT_SEED)),
        (ED25519_PEM, BY_KEY, PublicKey(ED25519_PUBLIC)),
        (ED25519_PRIVATE_PEM, BY_KEY, PrivateKey(CURRENT_SEED)),
        (b64(ED25519_PUBLIC), BY_KEY, PublicKey(ED25519_PUBLIC)),
        ("a b", TokenAuth(), Secret("a b")),
        (TOKEN_DIGEST, TokenAuth(), Fingerprint(bytes.fromhex(TOKEN_DIGEST.removeprefix("sha256=")))),
        ("user:päss:word", BasicAuth(), Secret("user:päss:word")),
        (CERTIFICATE_PEM, ClientCertificateAuth(), Fingerprint(bytes.fromhex(CERTIFICATE_HASH))),
        (CERTIFICATE_PEM, ClientCertificateAuth(pin=Pin.PUBLIC_KEY), Fingerprint(bytes.fromhex(KEY_HASH))),
        ("00:FF" + ":00" * 30, ClientCertificateAuth(), Fingerprint(b"\x00\xff" + bytes(30))),
    ],
)
def test_a_key_may_be_written_in_the_ways_that_senders_hand_it_out(text, auth, key):
    assert decode_key(text, auth) == key


@pytest.mark.parametrize(
    ("text", "auth", "told"),
    [
        ("whpk_AAAA", StandardWebhooksAuth(), "the key has 3 bytes, Ed25519's have 32"),
        (f"whpk_{b64(bytes(32))}", StandardWebhooksAuth(), "anybody's signature may hold"),
        (f"whpk_{b64(bytes(31) + bytes([0x80]))}", StandardWebhooksAuth(), "anybody's signature may hold"),
        (f"whsk_{b64(CURRENT_SEED + bytes(32))}", StandardWebhooksAuth(), "do not belong together"),
        ("whsec_AAAA", StandardWebhooksAuth(), "Standard Webhooks wants 24 to 64"),
        ("sha256=00", TokenAuth(), "64 hexadecimal digits"),
        ("tökén", TokenAuth(), "not printable ASCII"),
        ("user", BasicAuth(), "not user:password"),
        (":password", BasicAuth(), "not user:password"),
        ("zz", HmacAuth(header="X", key_encoding=KeyEncoding.HEX), "not hexadecimal"),
        ("00", ClientCertificateAuth(), "64 hexadecimal digits"),
        (ED25519_PEM, ClientCertificateAuth(), "no certificate"),
        (ED25519_PEM, AdobeCommerceAuth(), "not of RSA"),
        ("AAAA", AdobeCommerceAuth(), "not a key that can be read"),
        (pem_of(an_rsa_key(0)).decode(), BY_KEY, "not of Ed25519"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", BY_KEY, "not a key that can be read"),
        ("-----BEGIN PRIVATE KEY-----", BY_KEY, "not a key that can be read"),
    ],
)
def test_what_is_no_key_is_told_before_anything_starts(text, auth, told):
    with pytest.raises(SecretUnusable, match=re.escape(told)):
        decode_key(text, auth)


def test_a_short_rsa_key_proves_nothing_any_more():
    short = generate_private_key(65537, 1024).public_key()
    pem = short.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    with pytest.raises(SecretUnusable, match="1024 bits"):
        decode_key(pem, AdobeCommerceAuth())


def test_a_key_shows_its_size_alone():
    assert repr(PrivateKey(CURRENT_SEED, key_id="wms")) == "(set, 32 bytes)"


def test_sorts_of_keys_are_not_equal_though_their_bytes_are():
    assert PublicKey(CURRENT_SEED) != Secret(CURRENT_SEED)
