import http.client
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from pipeline.local.endpoint import Endpoint, EndpointError

CHILD_DEADLINE_S = 20


def test_a_started_endpoint_answers_aws_calls(endpoint: Endpoint) -> None:
    topic = endpoint.client("sns").create_topic(Name="endpoint-answers")

    assert topic["TopicArn"] == "arn:aws:sns:us-east-1:123456789012:endpoint-answers"
    assert endpoint.account_id == "123456789012"


def test_a_client_is_made_once_per_service(endpoint: Endpoint) -> None:
    assert endpoint.client("sqs") is endpoint.client("sqs")
    assert endpoint.client("sqs") is not endpoint.client("sns")


def test_an_object_survives_the_way_through_the_endpoint(endpoint: Endpoint) -> None:
    client = endpoint.client("s3")
    client.create_bucket(Bucket="endpoint-objects")

    client.put_object(Bucket="endpoint-objects", Key="a b+c/ü.json", Body=b"x" * 100_000)
    body = client.get_object(Bucket="endpoint-objects", Key="a b+c/ü.json")["Body"].read()

    assert body == b"x" * 100_000


def test_a_connection_serves_many_requests(endpoint: Endpoint) -> None:
    connection = http.client.HTTPConnection(urlsplit(endpoint.url).netloc)
    connection.request("HEAD", "/moto-api/data.json")
    connection.getresponse().read()
    first = connection.sock

    connection.request("GET", "/moto-api/data.json")
    body = connection.getresponse().read()

    assert connection.sock is first is not None
    assert body.startswith(b"{")
    connection.close()


def test_a_stopped_endpoint_leaves_no_process() -> None:
    own = Endpoint()
    own.start()
    process = psutil.Process(own.process_id)

    own.stop()
    own.stop()

    assert not process.is_running()
    assert own.process_id is None


def test_the_server_ends_when_its_parent_is_killed() -> None:
    program = (
        "import sys\n"
        "from pipeline.local.endpoint import Endpoint\n"
        "endpoint = Endpoint()\n"
        "endpoint.start()\n"
        "print(endpoint.process_id, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        text=True,
    ) as parent:
        assert parent.stdout is not None
        server = psutil.Process(int(parent.stdout.readline()))

        os.kill(parent.pid, signal.SIGKILL)

        # The orphan may stay as a zombie until whoever adopts it takes notice.
        psutil.wait_procs([server], timeout=CHILD_DEADLINE_S)
    assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE


def test_the_server_is_out_of_reach_of_the_terminals_interrupt() -> None:
    with Endpoint() as own:
        assert own.process_id is not None
        assert os.getpgid(own.process_id) != os.getpgid(0)


def test_a_server_that_dies_at_start_is_shown_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "moto.py").write_text("raise SystemExit('not the moto you know')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    with pytest.raises(EndpointError, match=r"exit code 1\nnot the moto you know"):
        Endpoint().start()


def test_a_users_endpoint_is_used_as_it_is(endpoint: Endpoint) -> None:
    environ = {"AWS_ENDPOINT_URL": endpoint.url, "AWS_REGION": "eu-west-1"}

    with Endpoint.from_environment(environ) as users:
        topic = users.client("sns").create_topic(Name="users")

    assert users.process_id is None
    assert topic["TopicArn"] == "arn:aws:sns:eu-west-1:123456789012:users"
    assert urllib.request.urlopen(endpoint.url).status == 200


def test_one_service_can_live_elsewhere() -> None:
    environ = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_KINESIS": "http://127.0.0.1:2",
    }

    users = Endpoint.from_environment(environ)

    assert users.client("kinesis").meta.endpoint_url == "http://127.0.0.1:2"
    assert users.client("s3").meta.endpoint_url == "http://127.0.0.1:1"
    assert users.environment() == {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_KINESIS": "http://127.0.0.1:2",
        "AWS_REGION": "us-east-1",
        "AWS_SECRET_ACCESS_KEY": "test",
    }


def test_an_endpoint_that_does_not_answer_is_named() -> None:
    with pytest.raises(EndpointError, match=r"127\.0\.0\.1:1 does not answer"):
        _ = Endpoint("http://127.0.0.1:1").account_id


def test_an_endpoint_has_no_url_before_it_is_started() -> None:
    with pytest.raises(EndpointError, match="has not been started"):
        _ = Endpoint().url
