"""The front's certificate: made at the first start of a state folder, with a CA of its own."""

from __future__ import annotations

import ipaddress
import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_FILE, SERVER_FILE = "ca.pem", "server.pem"
_VALID = timedelta(days=3650)
_RENEWED = timedelta(days=30)  # before its end


def server_context(folder: Path) -> ssl.SSLContext:
    """Return the context that serves TLS with the folder's certificate; makes it where it lacks.

    The server's key stays in a file of mode 0600; the CA's key is kept nowhere.
    """
    try:
        return _loaded(folder)
    except (OSError, ValueError):  # missing, broken or out of date
        _create(folder)
        return _loaded(folder)


def _loaded(folder: Path) -> ssl.SSLContext:
    authority = x509.load_pem_x509_certificate((folder / CA_FILE).read_bytes())
    if authority.not_valid_after_utc - datetime.now(UTC) < _RENEWED:
        raise ValueError("the certificate ends")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / SERVER_FILE)
    client = ssl.create_default_context(cafile=str(folder / CA_FILE))
    issued = x509.load_pem_x509_certificate((folder / SERVER_FILE).read_bytes())
    if issued.issuer != authority.subject or not client.get_ca_certs():
        raise ValueError("the certificate is another authority's")
    return context


def _create(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    serial = x509.random_serial_number()
    authority = _named(f"Concert demo local CA {serial:x}"[:60])
    ca = (
        _builder(authority, authority, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    server = (
        _builder(_named("localhost"), authority, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(folder / SERVER_FILE, server.public_bytes(pem) + secret)
    _write(folder / CA_FILE, ca.public_bytes(pem))


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # a clock that is behind
        .not_valid_after(now + _VALID)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=signs_certificates,
        crl_sign=signs_certificates, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _write(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    aside.replace(path)
