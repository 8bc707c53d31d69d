"""What clients are told of the server, and TLS as they default to."""

import contextlib
import socket
import ssl
import stat
import subprocess
import sys
import textwrap
import time

import psycopg2
import pytest

from src.local_cloud.redshift.front import certificate
from tests.conformance import conforms

ROLE = "IAM_ROLE default"


@pytest.fixture(scope="module")
def address(cloud):
    return cloud.front_address()


@pytest.fixture(scope="module")
def ca(cloud):
    return cloud.folder / "tls" / certificate.CA_FILE


@pytest.fixture
def client(address):
    with contextlib.closing(psycopg2.connect(**address)) as connection:
        connection.autocommit = True
        yield connection


def value(client, statement):
    with client.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0] if cursor.description else cursor.statusmessage


@conforms("Any client", "the server is PostgreSQL 8.0.2 and Redshift 1.0", "VERSION")
def test_the_version_is_redshifts(client):
    assert client.server_version == 80002
    assert client.get_parameter_status("server_version") == value(client, "SHOW server_version")
    assert "Redshift 1.0" in value(client, "SELECT version()")
    assert value(client, "SELECT version() AS v") == value(client, "SELECT pg_catalog.version()")


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SHOW standard_conforming_strings", "on"),
        ("show /* x */ datestyle -- n", "ISO, MDY"),
        ("SELECT '01-02-2024'::date::text", "2024-01-02"),
        ("SET SESSION AUTHORIZATION DEFAULT", "SET"),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET"),
        ("RESET ALL", "RESET"),
    ],
)
def test_what_drivers_ask_first(client, statement, expected):
    assert value(client, statement) == expected


def test_show_all_names_settings_and_no_folder_of_the_server(client):
    with client.cursor() as cursor:
        cursor.execute("SHOW ALL")
        shown = {name: setting for name, setting, _ in cursor.fetchall()}
    assert shown["server_version"] == "8.0.2"
    assert not [setting for setting in shown.values() if "/" in (setting or "")]


def test_reset_all_keeps_what_the_start_asked_for(address):
    options = "-c search_path=pg_catalog -c statement_timeout=5000"
    with contextlib.closing(psycopg2.connect(**address, options=options)) as client:
        client.autocommit = True
        value(client, "SET search_path TO public")
        value(client, "SET statement_timeout TO 1")
        value(client, "RESET ALL")
        assert value(client, "SHOW search_path") == "pg_catalog"
        assert value(client, "SHOW statement_timeout") == "5s"


def test_a_pool_gets_a_connection_back(client):
    client.reset()  # what it sends depends on the version
    assert value(client, "SELECT 1") == 1


# -- TLS -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["disable", "prefer", "require", "verify-ca", "verify-full"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_every_sslmode_connects(address, ca, mode, host):
    asked = {**address, "host": host, "sslmode": mode, "sslrootcert": str(ca)}
    with contextlib.closing(psycopg2.connect(**asked)) as client:
        assert client.info.ssl_in_use == (mode != "disable")
        assert value(client, "SELECT 7") == 7


def test_another_authority_is_refused(address, tmp_path):
    certificate.server_context(tmp_path)
    other = str(tmp_path / certificate.CA_FILE)
    with pytest.raises(psycopg2.OperationalError, match="certificate verify failed"):
        psycopg2.connect(**address, sslmode="verify-ca", sslrootcert=other)


def test_large_results_and_statements_cross_tls(address):
    with contextlib.closing(psycopg2.connect(**address, sslmode="require")) as client:
        text = "é" * 700_000
        assert value(client, f"SELECT '{text}'") == text


def test_awss_driver_connects_as_it_defaults_to_and_copies(cloud, address, ca):
    """COPY's tag has no count: the driver decides by the version whether to look for one."""
    cloud.s3_client().create_bucket(Bucket="identity")
    cloud.s3_client().put_object(Bucket="identity", Key="a", Body=b"1|x\n2|y\n")
    script = f"""
        import sys, redshift_connector as rc
        with rc.connect(host="localhost", port={address["port"]}, user="demo", database="dev",
                        password=sys.stdin.readline().strip()) as connection:
            cursor = connection.cursor()
            cursor.execute("CREATE TEMP TABLE t (n INT, v VARCHAR(9))")
            cursor.execute("COPY t FROM 's3://identity/a' IAM_ROLE default")
            cursor.execute("SELECT n, v FROM t ORDER BY n")
            print([list(row) for row in cursor.fetchall()])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], input=address["password"] + "\n",
        env={"SSL_CERT_FILE": str(ca)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout.strip(), done.returncode) == ("[[1, 'x'], [2, 'y']]", 0), done.stderr


def test_keys_are_their_owners_alone_and_made_once(cloud, ca, tmp_path):
    for file in ca.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    certificate.server_context(tmp_path)
    first = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    certificate.server_context(tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == first
    (tmp_path / certificate.SERVER_FILE).write_text("broken")
    assert isinstance(certificate.server_context(tmp_path), ssl.SSLContext)


@pytest.mark.parametrize("sent", [b"\x16\x03\x01 no handshake" * 20, b"", b"Q\0\0\0\x05\0"])
def test_a_broken_handshake_ends_that_connection_only(address, sent):
    with socket.create_connection((address["host"], address["port"])) as raw:
        raw.sendall(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
        assert raw.recv(1) == b"S"
        deadline = time.monotonic() + 60
        with contextlib.suppress(OSError):  # the server may have ended it already
            raw.sendall(sent)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(1 << 12):
                assert time.monotonic() < deadline
    with contextlib.closing(psycopg2.connect(**address)) as client:
        assert value(client, "SELECT 1") == 1


def test_bytes_ahead_of_the_handshake_are_not_taken_for_encrypted_ones(address):
    with socket.create_connection((address["host"], address["port"])) as raw:
        raw.sendall(b"\x00\x00\x00\x08\x04\xd2\x16\x2f" + b"\x00\x00\x00\x08\x00\x03\x00\x00")
        assert raw.recv(1) == b""
