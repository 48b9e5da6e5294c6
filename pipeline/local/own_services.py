"""The services that the local run plays itself, because its endpoint would only pretend to.

moto answers Rekognition with the same labels for every image and Athena with rows that it was told
beforehand. So on an endpoint of its own the local run starts a server of its own for such a
service, if a template uses it. An endpoint that the user brings, and one that he names for a single
service, are used as they are.
"""

from __future__ import annotations

import http.client
import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self
from urllib.parse import urlsplit

from pipeline.local.rekognition import Declared, Rekognition
from pipeline.local.server.journal import JOURNAL_PATH

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from types import TracebackType

    from pipeline.local.athena.endpoint import AthenaEndpoint
    from pipeline.local.endpoint import Endpoint

_TIMEOUT_S: Final = 30.0


class Activity(NamedTuple):
    """Queries that were started so far, and how many of them have not ended."""

    started: int = 0
    running: int = 0


class OwnServices:
    """The servers of a run, as a context manager that stops them.

    Args:
        endpoint: The run's; its clients and environments name the servers once they are started.
        moderation: What Rekognition answers about unsafe images.
    """

    def __init__(self, endpoint: Endpoint, moderation: Declared | None = None) -> None:
        self._endpoint = endpoint
        self._moderation = moderation
        self._exit = ExitStack()
        self.rekognition: Rekognition | None = None
        self.athena: AthenaEndpoint | None = None

    def start(self, used: AbstractSet[str]) -> None:
        """Start what is needed.

        Args:
            used: The services that the template uses, by the prefix of their actions.
        """
        endpoint = self._endpoint
        if self._is_ours("rekognition", used):
            self.rekognition = Rekognition(endpoint.client("s3"), self._moderation)
            self._exit.enter_context(self.rekognition)
            endpoint.add_service("rekognition", self.rekognition.url)
        if self._is_ours("athena", used):
            self.athena = self._exit.enter_context(self._athena())
            endpoint.add_service("athena", self.athena.url)

    @property
    def activity(self) -> Activity:
        """What the servers are at by themselves, which no event source can see."""
        return Activity(*self.athena.activity) if self.athena else Activity()

    def __enter__(self) -> Self:
        """Return itself; `start` starts."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the servers."""
        self._exit.close()

    def _athena(self) -> AthenaEndpoint:
        # DuckDB and its translator take half a second, which only templates with queries pay for.
        from pipeline.local.athena.endpoint import AthenaEndpoint  # noqa: PLC0415  see above

        endpoint = self._endpoint
        return AthenaEndpoint(
            endpoint.client("s3"),
            endpoint.client("glue"),
            account_id=endpoint.account_id,
            region=endpoint.region,
            on_state_change=lambda event: _tell_the_bus(endpoint.url, event),
        )

    def _is_ours(self, service: str, used: AbstractSet[str]) -> bool:
        is_embedded = self._endpoint.is_embedded
        return is_embedded and service in used and not self._endpoint.has_service(service)


def _tell_the_bus(url: str, event: dict[str, Any]) -> None:
    """Put an event of a service on the default bus, by way of the endpoint's journal."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT_S)
    try:
        fact = {"kind": "service event", "event": event}
        connection.request("POST", JOURNAL_PATH, json.dumps(fact))
        connection.getresponse().read()
    finally:
        connection.close()
