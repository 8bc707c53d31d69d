"""How the product gets into a Redshift on AWS: endpoint, credentials, TLS."""

import json
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta

import boto3
import psycopg2
import pytest
from botocore.stub import Stubber
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from src.errors import SettingsError, UnreachableError, WarehouseError
from src.infrastructure.aws.account import AwsAccount
from src.infrastructure.redshift_client import RedshiftClient
from src.infrastructure.warehouse.access import AMAZON_ROOTS, Credentials, WarehouseAccess
from src.settings import Settings

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ENDPOINT = {"address": "demo.123.us-east-1.redshift-serverless.amazonaws.com", "port": 5439}


class Account(AwsAccount):
    """Answers from botocore's stubber, which checks parameters and answers by its models."""

    def __init__(self):
        super().__init__("us-east-1")
        self.clients, self.stubbers = {}, {}

    def client(self, service):
        if service not in self.clients:
            self.clients[service] = boto3.client(
                service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
            )
            self.stubbers[service] = Stubber(self.clients[service])
            self.stubbers[service].activate()
        return self.clients[service]

    def answers(self, service, operation, answer, expected):
        self.client(service)
        self.stubbers[service].add_response(operation, answer, expected)

    def refuses(self, service, operation, code):
        self.client(service)
        self.stubbers[service].add_client_error(operation, code, "no")

    def used_up(self):
        for stubber in self.stubbers.values():
            stubber.assert_no_pending_responses()


@pytest.fixture
def account():
    account = Account()
    yield account
    account.used_up()


def access(account, now=lambda: NOW, **settings):
    return WarehouseAccess(account, Settings(target="aws", **settings), now=now)


def test_serverless_says_endpoint_and_temporary_credentials(account):
    found = {"status": "AVAILABLE", "endpoint": ENDPOINT, "workgroupName": "demo"}
    account.answers(
        "redshift-serverless", "get_workgroup", {"workgroup": found}, {"workgroupName": "demo"}
    )
    way = access(account, redshift_workgroup="demo")
    assert way.endpoint == (ENDPOINT["address"], 5439) and way.is_serverless
    for minute, password in ((0, "first"), (56, "second")):
        account.answers(
            "redshift-serverless", "get_credentials",
            {"dbUser": "IAM:ann", "dbPassword": password,
             "expiration": NOW + timedelta(minutes=minute + 60)},
            {"workgroupName": "demo", "dbName": "dev", "durationSeconds": 3600},
        )  # fmt: skip
    now = [NOW]
    way = access(account, lambda: now[0], redshift_workgroup="demo")
    assert way.credentials().password == "first"
    now[0] = NOW + timedelta(minutes=54)
    assert way.credentials().password == "first"  # good for six minutes more
    now[0] = NOW + timedelta(minutes=56)
    assert way.credentials().password == "second"  # before the first expire


def test_a_cluster_says_endpoint_and_temporary_credentials(account):
    account.answers(
        "redshift", "describe_clusters",
        {"Clusters": [{"ClusterStatus": "available",
                       "Endpoint": {"Address": "c.example", "Port": 5440}}]},
        {"ClusterIdentifier": "c"},
    )  # fmt: skip
    account.answers(
        "redshift", "get_cluster_credentials_with_iam",
        {"DbUser": "IAM:ann", "DbPassword": "hush", "Expiration": NOW + timedelta(hours=1)},
        {"ClusterIdentifier": "c", "DbName": "dev", "DurationSeconds": 3600},
    )  # fmt: skip
    way = access(account, redshift_cluster="c")
    assert way.endpoint == ("c.example", 5440) and not way.is_serverless
    assert way.credentials().user == "IAM:ann"
    assert "hush" not in repr(way.credentials())


@pytest.mark.parametrize(
    ("state", "hint"),
    [
        ("paused", "aws redshift resume-cluster --cluster-identifier c"),
        ("resuming", "wait until it is available"),
    ],
)
def test_a_cluster_that_is_not_there_yet_says_what_to_do(account, state, hint):
    account.answers(
        "redshift", "describe_clusters", {"Clusters": [{"ClusterStatus": state}]},
        {"ClusterIdentifier": "c"},
    )  # fmt: skip
    with pytest.raises(UnreachableError, match=f"the warehouse is {state}") as caught:
        access(account, redshift_cluster="c").endpoint  # noqa: B018
    assert hint in caught.value.hint


def test_a_secret_holds_user_and_password(account):
    text = json.dumps({"username": "admin", "password": "hush", "port": 5439})
    account.answers(
        "secretsmanager", "get_secret_value", {"SecretString": text}, {"SecretId": "demo/admin"}
    )
    way = access(account, redshift_host="h", redshift_secret="demo/admin")
    assert way.credentials() == Credentials("admin", "hush")


@pytest.mark.parametrize("text", ["hush", '{"username": "admin"}', '["hush"]', '"hush"'])
def test_a_secret_of_another_kind_is_refused_without_showing_it(account, text):
    account.answers("secretsmanager", "get_secret_value", {"SecretString": text}, {"SecretId": "s"})
    with pytest.raises(SettingsError) as caught:
        access(account, redshift_host="h", redshift_secret="s").credentials()
    assert "hush" not in str(caught.value.as_dict()) and caught.value.__cause__ is None


def test_a_refusal_of_aws_names_the_operation(account):
    account.refuses("redshift-serverless", "get_workgroup", "AccessDeniedException")
    with pytest.raises(UnreachableError, match="AWS refused GetWorkgroup") as caught:
        access(account, redshift_workgroup="demo").endpoint  # noqa: B018
    assert "AccessDeniedException" in caught.value.cause
    assert "validate_demo_pipeline.py --target aws" in caught.value.hint


@pytest.mark.parametrize(
    ("settings", "target"),
    [
        ({"redshift_workgroup": "w"}, {"Database": "dev", "WorkgroupName": "w"}),
        ({"redshift_cluster": "c"}, {"Database": "dev", "ClusterIdentifier": "c"}),
        ({"redshift_cluster": "c", "redshift_user": "ann"},
         {"Database": "dev", "ClusterIdentifier": "c", "DbUser": "ann"}),
        ({"redshift_workgroup": "w", "redshift_secret": "s"},
         {"Database": "dev", "WorkgroupName": "w", "SecretArn": "s"}),
    ],
)  # fmt: skip
def test_what_the_data_api_is_told(account, settings, target):
    assert access(account, **settings).data_api_target() == target


# -- TLS, against a server that only shakes hands --------------------------------------------


def certificate(folder, name):
    """Write a certificate that signs itself; returns its file and its key's."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem, secret = folder / f"{name}.pem", folder / f"{name}.key"
    pem.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem, secret


@pytest.fixture
def shakes_hands(tmp_path):
    """Start a server that speaks TLS as a name, then hangs up; returns (port, certificate)."""
    listeners = []

    def start(name):
        pem, key = certificate(tmp_path, name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem, key)
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve():
            client, _ = listener.accept()
            with client:
                client.recv(8)  # SSLRequest
                client.sendall(b"S")
                try:
                    with context.wrap_socket(client, server_side=True) as secure:
                        start.heard.append(secure.recv(1024))
                except OSError:
                    return  # the client did not like us

        threading.Thread(target=serve, daemon=True).start()
        return listener.getsockname()[1], pem

    start.heard = []  # what clients that trusted us said first
    yield start
    for listener in listeners:
        listener.close()


def tls_error(account, port, **settings):
    way = access(
        account, redshift_host="localhost", redshift_port=port, redshift_user="u",
        redshift_password="p", **settings,
    )  # fmt: skip
    with pytest.raises(psycopg2.OperationalError) as caught:
        way.connect()
    return str(caught.value)


def test_a_stranger_with_a_certificate_of_its_own_is_refused(account, shakes_hands):
    port, _ = shakes_hands("localhost")
    assert "certificate verify failed" in tls_error(account, port)
    assert not shakes_hands.heard  # neither user nor password


def test_another_hosts_certificate_is_refused(account, shakes_hands):
    port, pem = shakes_hands("other.example")
    text = tls_error(account, port, redshift_ca_file=str(pem))
    assert 'does not match host name "localhost"' in text


def test_the_right_certificate_is_accepted(account, shakes_hands):
    port, pem = shakes_hands("localhost")
    text = tls_error(account, port, redshift_ca_file=str(pem))
    assert "certificate" not in text
    assert b"database\0dev" in shakes_hands.heard[0]


def test_a_certificate_that_does_not_fit_is_not_tried_again(account, shakes_hands):
    port, _ = shakes_hands("localhost")
    way = access(
        account, redshift_host="localhost", redshift_port=port, redshift_user="u",
        redshift_password="hush",
    )  # fmt: skip
    client = RedshiftClient(way.connect, address=way.address, attempts=7)
    with pytest.raises(UnreachableError) as caught:
        client.query_value("SELECT 1")
    assert "REDSHIFT_CA_FILE" in caught.value.hint
    assert "hush" not in str(caught.value.as_dict())


def test_the_roots_that_come_along_are_certificates():
    context = ssl.create_default_context(cafile=AMAZON_ROOTS)
    names = {dict(x[0] for x in c["subject"]).get("commonName") for c in context.get_ca_certs()}
    assert {f"Amazon Root CA {n}" for n in range(1, 5)} <= names


# -- a warehouse that sleeps, and connections that died --------------------------------------


class Connection:
    closed, status = 0, psycopg2.extensions.STATUS_READY

    def __init__(self):
        self.statements, self.is_dead = [], False

    def cursor(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    def execute(self, statement, arguments=None):
        if self.is_dead:
            raise psycopg2.OperationalError("server closed the connection unexpectedly")
        self.statements.append(statement)

    rowcount = 1

    def fetchone(self):
        return (1,)

    def commit(self):
        pass

    rollback = close = commit


def test_a_warehouse_that_wakes_up_is_waited_for():
    pauses, answers = [], ["timeout expired"] * 6

    def connect():
        if answers:
            raise psycopg2.OperationalError(answers.pop())
        return Connection()

    client = RedshiftClient(connect, attempts=7, sleep=pauses.append, query_group="it's us")
    assert client.query_value("SELECT 1") == 1
    assert sum(pauses) == 63
    assert client.connection.statements == ["SET query_group TO 'it''s us'", "SELECT 1"]


@pytest.mark.parametrize(
    "text", ["password authentication failed", 'database "x" does not exist',
             'could not translate host name "h"'],
)  # fmt: skip
def test_what_another_attempt_would_not_change_ends_at_once(text):
    def connect():
        raise psycopg2.OperationalError(text)

    with pytest.raises(UnreachableError) as caught:
        RedshiftClient(connect, sleep=pytest.fail).query_value("SELECT 1")
    assert "REDSHIFT_" in caught.value.hint


class LostConnection(Connection):
    """A connection that the server has ended."""

    def __init__(self):
        super().__init__()
        self.is_dead = True

    def execute(self, statement, arguments=None):
        if self.is_dead:
            self.closed = 2
        super().execute(statement, arguments)

    def rollback(self):
        if self.closed:
            raise psycopg2.InterfaceError("connection already closed")


def test_a_state_that_was_lost_and_said_so_does_not_forbid_another_attempt():
    first = LostConnection()
    first.is_dead = False
    sessions = [first, LostConnection(), Connection()]
    client = RedshiftClient(lambda: sessions.pop(0), sleep=lambda _: None)
    client.execute("CREATE TEMP TABLE t (a INTEGER)")
    first.is_dead = True
    with pytest.raises(WarehouseError, match="connection to Redshift was lost"):
        client.query_value("SELECT 1")
    assert client.query_value("SELECT 1") == 1  # the second session is lost as well


def test_a_statement_that_takes_long_keeps_its_transaction():
    connection, now = Connection(), [0.0]
    client = RedshiftClient(lambda: connection, clock=lambda: now[0])
    with client.transaction():
        for statement in ("COPY a", "COPY b"):
            client.execute(statement)
            connection.status = psycopg2.extensions.STATUS_BEGIN
            now[0] += 1000.0
    assert connection.statements == ["COPY a", "COPY b"]  # no SELECT 1, and no end, in between


def test_an_error_that_is_not_the_networks_ends_at_once():
    def connect():
        raise psycopg2.ProgrammingError("permission denied to set parameter")

    with pytest.raises(UnreachableError, match="does not answer") as caught:
        RedshiftClient(connect, sleep=pytest.fail).query_value("SELECT 1")
    assert caught.value.cause == "permission denied to set parameter"


def test_a_connection_that_died_in_its_sleep_is_replaced():
    opened, now = [], [0.0]

    def connect():
        opened.append(Connection())
        return opened[-1]

    client = RedshiftClient(connect, clock=lambda: now[0])
    client.query_value("SELECT 1")
    now[0] = 30.0
    client.query_value("SELECT 2")
    assert opened[0].statements == ["SELECT 1", "SELECT 2"]  # trusted
    now[0] = 1000.0
    opened[0].is_dead = True
    assert client.query_value("SELECT 3") == 1
    assert len(opened) == 2 and opened[1].statements == ["SELECT 3"]


def test_sha256_passwords_get_a_hint_of_their_own():
    def connect():
        raise psycopg2.OperationalError("authentication method 13 not supported")

    with pytest.raises(UnreachableError) as caught:
        RedshiftClient(connect, sleep=pytest.fail).query_value("SELECT 1")
    assert "REDSHIFT_VIA=data-api" in caught.value.hint
