"""Both kinds of store: a folder, and an S3 service in this process."""

import logging
from uuid import uuid4

import pytest
from pydantic import SecretStr

from control_plane.config import Settings
from control_plane.objects import open_store


@pytest.fixture(scope="session")
def s3_endpoint():
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_settings(s3_endpoint, tmp_path):
    import boto3

    bucket = f"clinics-{uuid4().hex}"
    access = {"aws_access_key_id": "tests", "aws_secret_access_key": "only-for-tests", "region_name": "eu-west-1"}
    boto3.client("s3", endpoint_url=s3_endpoint, **access).create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    return Settings(
        database_url="postgresql://nowhere",
        data=tmp_path,
        object_store=f"s3://{bucket}/platform",
        object_store_endpoint=s3_endpoint,
        object_store_region="eu-west-1",
        object_store_key_id="tests",
        object_store_secret=SecretStr("only-for-tests"),
    )


@pytest.fixture(params=["folder", "s3"])
def store(request, tmp_path):
    if request.param == "s3":
        return open_store(request.getfixturevalue("s3_settings"))
    return open_store(Settings(database_url="postgresql://nowhere", data=tmp_path))
