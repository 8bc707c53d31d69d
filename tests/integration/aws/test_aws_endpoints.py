"""The aws target as a user starts it: scripts against HTTP endpoints, with nothing replaced.

S3 and STS are moto's server; Glue, Redshift and its Data API are the local cloud's.
"""

import json
import os
from contextlib import closing

import boto3
import pytest

from src.local_cloud.endpoint.local_services import LocalServices
from src.local_cloud.endpoint.warehouse_access import NAME, TemporaryUsers
from src.local_cloud.redshift.front.certificate import server_context
from src.local_cloud.redshift.front.server import Front
from src.local_cloud.servers.postgres_server import USER, connect_arguments
from src.local_cloud.servers.server_set import REGION, shared_loader
from tests.conftest import Trainer

pytest.importorskip("flask", reason="moto's server needs flask and flask-cors")
KEY = ("AKIAENDPOINTTESTS", "secret-of-the-endpoint-tests")
WORLD = ["--artists", "60", "--venues", "30", "--concerts", "700", "--sales", "3000"]


@pytest.fixture(scope="module")
def moto_url():
    from moto.s3.models import FakeBucket
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    with pytest.MonkeyPatch.context() as patch:
        # moto denies what a policy denies under a condition, whatever the condition.
        patch.setattr(FakeBucket, "get_permission", lambda *_: None)
        server.start()
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
        server.stop()


@pytest.fixture(scope="module")
def environment(cloud, moto_url, tmp_path_factory):
    """The variables by which an account's scripts find everything."""
    folder = tmp_path_factory.mktemp("account")
    with closing(cloud.connect_redshift()) as connection, connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS concert_dw CASCADE")
        connection.commit()

    def make_s3():
        return boto3.client("s3", endpoint_url=moto_url, region_name=REGION,
                            aws_access_key_id=KEY[0], aws_secret_access_key=KEY[1])  # fmt: skip

    address, users = cloud.redshift_address(), TemporaryUsers(USER)
    front = Front(address, make_s3, tls=server_context(folder / "tls"),
                  is_temporary=users.stands_for_owner)  # fmt: skip
    front.start()
    services = LocalServices(
        KEY, connect_arguments(front.port, address["password"]), users, make_s3, folder / "glue",
        cancel=front.cancel, region=REGION, loader=shared_loader(),
    )  # fmt: skip
    services.server.start()
    url = f"http://127.0.0.1:{services.server.port}"
    yield {
        "AWS_ENDPOINT_URL_S3": moto_url, "AWS_ENDPOINT_URL_STS": moto_url,
        "AWS_ENDPOINT_URL_IAM": moto_url, "AWS_ENDPOINT_URL_GLUE": url,
        "AWS_ENDPOINT_URL_REDSHIFT_DATA": url, "AWS_ENDPOINT_URL_REDSHIFT": url,
        "AWS_ENDPOINT_URL_REDSHIFT_SERVERLESS": url,
        "AWS_ACCESS_KEY_ID": KEY[0], "AWS_SECRET_ACCESS_KEY": KEY[1], "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "DEMO_TARGET": "aws", "DEMO_IAM_ROLE": "arn:aws:iam::123456789012:role/concert-demo",
        "REDSHIFT_CA_FILE": str(folder / "tls" / "ca.pem"),
    }  # fmt: skip
    services.stop()
    front.stop()


@pytest.fixture(scope="module")
def loaded_on_aws(environment, tmp_path_factory):
    """A pipeline that reached the warehouse by temporary credentials of the workgroup."""
    script = Trainer(tmp_path_factory.mktemp("on-aws"))
    done = script.run("--json", "--target", "aws", *WORLD, REDSHIFT_WORKGROUP=NAME, **environment)
    assert done.returncode == 0, done.stderr
    return script, json.loads(done.stdout)


def test_the_pipeline_runs_over_the_endpoints(loaded_on_aws):
    _, report = loaded_on_aws
    assert report["verdict"] == "succeeded" and report["target"] == "aws"
    assert report["steps"]["glue_etl"]["job_definition"] == "created"


def test_the_training_runs_over_the_data_api_of_the_cluster(loaded_on_aws, environment):
    script, _ = loaded_on_aws
    done = script.train("--json", "--target", "aws", REDSHIFT_CLUSTER=NAME,
                        REDSHIFT_VIA="data-api", **environment)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "succeeded"
