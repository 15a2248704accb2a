"""Certificates in headers: which proxy is believed, in which form, and until when."""

import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network

import pytest

from service.errors import BadRequest, Unauthentic
from service.settings import CertificateForm, ClientCertificateAuth, Fingerprint, Pin
from service.sources import Incoming, sign, verify
from tests.sources.given import BODY, NOW, a_source
from tests.sources.schemes import CERTIFICATE, CURRENT_SEED, PROXY, SENDERS, a_certificate

HASH = hashlib.sha256(CERTIFICATE).hexdigest()
ENVOY = SENDERS["client-cert of Envoy"]


def seen(certificate):
    return Incoming(raw=BODY, headers=[("Client-Cert", f":{base64.b64encode(certificate).decode()}:")], peer=PROXY)


def source_for(certificate, **changes):
    auth = ClientCertificateAuth(proxies=(ip_network("10.0.0.0/24"), ip_network("fd00::/8")), **changes)
    return replace(a_source(auth), secrets=(Fingerprint(hashlib.sha256(certificate).digest()),))


@pytest.mark.parametrize("moment", [datetime(2025, 12, 31, tzinfo=UTC), datetime(2036, 1, 2, tzinfo=UTC)])
def test_a_certificate_outside_its_dates_is_refused_though_it_is_pinned(moment):
    with pytest.raises(Unauthentic, match="valid until 2036-01-01"):
        verify(source_for(CERTIFICATE), seen(CERTIFICATE), moment)


@pytest.mark.parametrize("moment", [datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)])
def test_its_first_and_its_last_second_are_within(moment):
    assert verify(source_for(CERTIFICATE), seen(CERTIFICATE), moment)


def test_a_renewal_with_the_same_key_is_known_by_the_key_alone():
    by_key = SENDERS["client-cert by its key"].source()
    renewed = seen(a_certificate(CURRENT_SEED))

    assert verify(by_key, renewed, NOW)
    with pytest.raises(Unauthentic, match="none of the source's"):
        verify(source_for(CERTIFICATE), renewed, NOW)


@pytest.mark.parametrize(
    ("peer", "believed"),
    [
        ("10.0.0.1", True),
        ("::ffff:10.0.0.1", True),
        ("fd00::1", True),
        ("fd00::1%eth0", True),
        ("10.0.1.1", False),
        ("::ffff:10.0.1.1", False),
        ("fe80::1", False),
        ("", False),
        ("10.0.0.1:443", False),
        ("10.0.0.01", False),
    ],
)
def test_only_a_configured_proxy_is_believed(peer, believed):
    request = replace(seen(CERTIFICATE), peer=peer)

    if believed:
        assert verify(source_for(CERTIFICATE), request, NOW)
    else:
        with pytest.raises(Unauthentic, match="not one of service"):
            verify(source_for(CERTIFICATE), request, NOW)


def test_without_a_configured_proxy_nobody_is():
    source = replace(source_for(CERTIFICATE), auth=ClientCertificateAuth())

    with pytest.raises(Unauthentic, match="trusted_proxies"):
        verify(source, seen(CERTIFICATE), NOW)


@pytest.mark.parametrize(
    "element",
    [
        f"Hash={HASH}",
        f"hash={HASH.upper()}",
        f'By=spiffe://a;Hash={HASH};Subject="CN=a, O=b;Hash={"0" * 64}";URI=spiffe://c',
        f'Hash={HASH};Cert="-----BEGIN%20CERTIFICATE"',
        f"By=;Hash={HASH};",
    ],
)
def test_envoys_hash_is_read_wherever_it_stands(element):
    request = replace(ENVOY.sends(), headers=[("X-Forwarded-Client-Cert", element)])

    assert verify(ENVOY.source(), request, NOW)


@pytest.mark.parametrize(
    "element",
    [
        f"Hash={HASH},Hash={HASH}",
        f"By=a,Hash={HASH}",
        f"Hash={HASH};Hash={HASH}",
        f"Hash={'0' * 64};Hash={HASH}",
        f'Subject="Hash={HASH}"',
        f'Subject="a\\";Hash={HASH}',
        f"Hash={HASH[:-1]}",
        f'Hash="{HASH}"',
        f"Hash = {HASH}",
        f"Hash={HASH} ",
        f";Hash={HASH}",
        "By=a",
        "=",
    ],
)
def test_another_element_or_a_second_hash_is_refused(element):
    request = replace(ENVOY.sends(), headers=[("X-Forwarded-Client-Cert", element)])

    with pytest.raises(Unauthentic, match="x-forwarded-client-cert"):
        verify(ENVOY.source(), request, NOW)


@pytest.mark.parametrize(
    ("form", "value"),
    [
        (CertificateForm.CLIENT_CERT, ":AAAA:"),
        (CertificateForm.CLIENT_CERT, '"text"'),
        (CertificateForm.CLIENT_CERT, "?1"),
        (CertificateForm.CLIENT_CERT, "1"),
        (CertificateForm.CLIENT_CERT, f":{base64.b64encode(CERTIFICATE + b'x').decode()}:"),
        (CertificateForm.CLIENT_CERT, f":{base64.b64encode(CERTIFICATE[:-1]).decode()}:"),
        (CertificateForm.NGINX, "-----BEGIN%20CERTIFICATE-----"),
        (CertificateForm.NGINX, "(null)"),
        (CertificateForm.NGINX, "%ff%fe"),
    ],
)
@pytest.mark.parametrize("pin", Pin)
def test_what_is_no_certificate_is_refused(form, value, pin):
    source = source_for(CERTIFICATE, certificate_form=form, header="X-Cert", pin=pin)

    with pytest.raises(Unauthentic, match="no certificate that can be read"):
        verify(source, Incoming(raw=BODY, headers=[("X-Cert", value)], peer=PROXY), NOW)


def test_two_certificates_are_one_too_many():
    sender = SENDERS["client-cert of nginx"]
    ((_, once),) = [header for header in sender.sends().headers if header[0] == sender.proof]
    request = replace(sender.sends(), headers=[(sender.proof, once + once)])

    with pytest.raises(Unauthentic, match="no certificate"):
        verify(sender.source(), request, NOW)


def test_it_cannot_be_played_from_here():
    with pytest.raises(BadRequest, match="shown to the proxy"):
        sign(source_for(CERTIFICATE), BODY, NOW, "1")
