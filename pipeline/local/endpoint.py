"""Where the local run finds AWS: a moto server of its own, or an endpoint the user brings."""

import http.client
import json
import os
import selectors
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self
from urllib.parse import urlsplit

import boto3.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.local.faults import FaultPlan
from pipeline.local.server.faults import FAULTS_PATH, CallFaults
from pipeline.local.server.usage import USAGE_PATH, Usage
from pipeline.local.server.wsgi import OWN_CALLER

REGION: Final = "us-east-1"
CREDENTIAL: Final = OWN_CALLER
"""Access key and secret of every local client; no endpoint checks them."""

_MOTO_PROCESS: Final = Path(__file__).parent / "server" / "moto_process.py"
_START_TIMEOUT_S: Final = 60.0
_STOP_TIMEOUT_S: Final = 5.0


class EndpointError(Exception):
    """The endpoint did not start, or it does not answer."""


class Endpoint:
    """An AWS endpoint, as a context manager.

    Without a URL it starts a moto server as a child process on a free port of the loopback
    interface and stops it at the end. With a URL nothing is started and nothing is stopped.

    Args:
        url: An endpoint that runs already.
        service_urls: Endpoints of single services, keyed by boto3's service name.
        region: The region that clients sign for.
        faults: What is to go wrong with the calls of callers other than the local run itself.

    Raises:
        EndpointError: Faults are wanted of an endpoint that runs already.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        service_urls: Mapping[str, str] | None = None,
        region: str = REGION,
        faults: FaultPlan | None = None,
    ) -> None:
        if faults and (url or service_urls):
            raise EndpointError(
                "only the local run's own endpoint fails on purpose, not the user's"
            )
        self.region = region
        self._url = url
        self._service_urls = dict(service_urls or {})
        self._faults = faults
        self._moto = None if url else _MotoServer(faults)
        self._session: Any = boto3.session.Session(
            aws_access_key_id=CREDENTIAL, aws_secret_access_key=CREDENTIAL, region_name=region
        )
        self._clients: dict[str, Any] = {}
        # Creating clients from one boto3 session is not thread-safe; using them is.
        self._clients_lock = threading.Lock()
        self._account_id: str | None = None

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str], *, faults: FaultPlan | None = None
    ) -> Self:
        """Make the endpoint that `AWS_ENDPOINT_URL` names, or a moto server without it.

        `AWS_ENDPOINT_URL_<SERVICE>` sends one service elsewhere; `AWS_REGION` and
        `AWS_DEFAULT_REGION` choose the region, as they do for every AWS tool.
        """
        prefix = "AWS_ENDPOINT_URL_"
        return cls(
            environ.get("AWS_ENDPOINT_URL") or None,
            service_urls={
                name.removeprefix(prefix).lower(): url
                for name, url in environ.items()
                if name.startswith(prefix) and url
            },
            region=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or REGION,
            faults=faults,
        )

    @property
    def url(self) -> str:
        """The base URL; known from the start on."""
        if self._url is None:
            raise EndpointError("the endpoint has not been started")
        return self._url

    @property
    def is_embedded(self) -> bool:
        """Whether the endpoint is the local run's own moto server."""
        return self._moto is not None

    @property
    def process_id(self) -> int | None:
        """The running moto server's process id."""
        return self._moto.process_id if self._moto else None

    @property
    def account_id(self) -> str:
        """The account that the endpoint plays.

        Raises:
            EndpointError: The endpoint does not answer.
        """
        if self._account_id is None:
            try:
                self._account_id = str(self.client("sts").get_caller_identity()["Account"])
            except (BotoCoreError, ClientError) as error:
                raise EndpointError(f"{self.url} does not answer as AWS STS: {error}") from error
        return self._account_id

    def client(self, service: str) -> Any:  # noqa: ANN401 - a client's type depends on the service
        """Give the boto3 client of a service, made once; safe to share between threads."""
        with self._clients_lock:
            if service not in self._clients:
                self._clients[service] = self._session.client(
                    service,
                    endpoint_url=self._service_urls.get(service.replace("-", "_"), self.url),
                    config=Config(
                        connect_timeout=2,
                        read_timeout=30 if service != "lambda" else 900,  # as long as any function
                        max_pool_connections=16,
                        retries={"mode": "standard", "total_max_attempts": 3},
                        # A bucket cannot become a subdomain of an IP address or of localhost.
                        s3={"addressing_style": "path"},
                    ),
                )
            return self._clients[service]

    def has_service(self, service: str) -> bool:
        """Whether a service, by boto3's name, has an endpoint of its own."""
        return service.replace("-", "_") in self._service_urls

    def add_service(self, service: str, url: str) -> None:
        """Send a service elsewhere: the clients and environments that are made from now on."""
        with self._clients_lock:
            self._service_urls[service.replace("-", "_")] = url
            self._clients.pop(service, None)

    def environment(self, caller: str = CREDENTIAL) -> dict[str, str]:
        """Give the environment variables that lead another process's AWS client here.

        Args:
            caller: The access key, under which `usage` counts that process.
        """
        variables = {
            "AWS_ACCESS_KEY_ID": caller,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": self.region,
            "AWS_SECRET_ACCESS_KEY": CREDENTIAL,
        }
        for service, url in self._service_urls.items():
            variables[f"AWS_ENDPOINT_URL_{service.upper()}"] = url
        return variables

    def usage(self) -> list[Usage]:
        """Give what each caller has asked of the local run's own moto server so far.

        Raises:
            EndpointError: The endpoint is the user's, and counts nothing for us.
        """
        if self._moto is None:
            raise EndpointError(f"{self.url} does not count its requests")
        return [Usage(*counts) for counts in self._ask(USAGE_PATH)]

    def faults(self) -> list[CallFaults]:
        """Give the faults that have struck so far, by caller, operation and kind."""
        return [CallFaults(*counts) for counts in self._ask(FAULTS_PATH)] if self._faults else []

    def _ask(self, path: str) -> Any:  # noqa: ANN401  JSON
        """Ask the local run's own moto server for what it has counted."""
        with urllib.request.urlopen(self.url + path, timeout=_START_TIMEOUT_S) as answer:  # noqa: S310  our own server
            return json.load(answer)

    def log(self) -> str:
        """Give what the moto server has written so far; empty for a user's endpoint."""
        return self._moto.log() if self._moto else ""

    def start(self) -> None:
        """Start the moto server, if the endpoint has one, and wait until it answers.

        Raises:
            EndpointError: The server ended or stayed silent; the message has its log.
        """
        if self._moto and not self._moto.process_id:
            self._url = self._moto.start()

    def stop(self) -> None:
        """End the moto server, if the endpoint has one; safe to call twice."""
        if self._moto:
            self._moto.stop()

    def __enter__(self) -> Self:
        """Start the endpoint."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the endpoint."""
        self.stop()


class _MotoServer:
    """The child process that runs `server/moto_process.py`."""

    def __init__(self, faults: FaultPlan | None) -> None:
        self._arguments = [str(faults.seed), str(faults.rate)] if faults else []
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[str] | None = None

    @property
    def process_id(self) -> int | None:
        return self._process.pid if self._process else None

    def log(self) -> str:
        if self._log is None:
            return ""
        self._log.flush()
        # The child writes through its own descriptor; `pread` leaves the shared offset alone.
        size_bytes = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size_bytes, 0).decode(errors="replace")

    def start(self) -> str:
        """Start the server and return its URL."""
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - lives until stop()
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter runs our own file
            # -P: this directory must not come first on the child's import path.
            [sys.executable, "-P", str(_MOTO_PROCESS), *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=_child_environment(os.environ),
            text=True,
            # Ctrl-C in the terminal reaches the parent alone, which shuts down in order.
            start_new_session=True,
        )
        try:
            url = f"http://127.0.0.1:{self._read_port()}"
            _check_answers(url)
        except (EndpointError, OSError) as error:
            log = self.log()
            self.stop()
            raise EndpointError(f"the moto server did not start: {error}\n{log}") from error
        return url

    def stop(self) -> None:
        """End the server: first by the end of its input, then by force."""
        process, self._process = self._process, None
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._log is not None:
            self._log.close()
            self._log = None

    def _read_port(self) -> int:
        """Wait for the line in which the child tells its port."""
        process = self._process
        assert process is not None
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if not selector.select(_START_TIMEOUT_S):
                raise EndpointError(f"it told no port within {_START_TIMEOUT_S:.0f} s")
        line = process.stdout.readline()
        if not line:
            raise EndpointError(f"it ended with exit code {process.wait(_STOP_TIMEOUT_S)}")
        return int(line)


def _child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Keep the user's AWS settings, real credentials among them, away from the moto server."""
    kept = {name: value for name, value in environ.items() if not name.startswith("AWS_")}
    return {**kept, "AWS_ACCESS_KEY_ID": CREDENTIAL, "AWS_SECRET_ACCESS_KEY": CREDENTIAL}


def _check_answers(url: str) -> None:
    """Send one request and expect an answer."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_START_TIMEOUT_S)
    try:
        connection.request("GET", "/moto-api/data.json")
        status = connection.getresponse().status
    finally:
        connection.close()
    if status != http.client.OK:
        raise EndpointError(f"it answered {status} to its own status page")
