"""The thread that reads the endpoint's journal and has each fact routed."""

import http.client
import json
import threading
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from pipeline.local.server.journal import JOURNAL_PATH
from pipeline.local.sources.source import Progress

_READ_TIMEOUT_S: Final = 30.0

OnFact = Callable[[dict[str, Any]], None]


class JournalSource:
    """Follows the journal of the local run's own endpoint from the start on; a `Source`.

    Args:
        url: The endpoint's base URL.
        on_fact: Routes a fact.
        poll_interval_s: How long one request waits for facts.
        on_problem: Told, in words, what the user must know.
    """

    name = "journal"
    function = ""

    def __init__(
        self,
        url: str,
        on_fact: OnFact,
        poll_interval_s: float,
        on_problem: Callable[[str], None],
    ) -> None:
        self._connection = _connection(url)
        self._on_fact = on_fact
        self._on_problem = on_problem
        self._poll_interval_s = poll_interval_s
        self._after = 0
        self._progress = Progress(is_settled=True, has_ended=False, fetched=0, empty_polls=0)
        self._failure: Exception | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    @property
    def failure(self) -> Exception | None:
        """What has stopped the thread for good, None as long as nothing has."""
        return self._failure

    def start(self) -> None:
        """Begin behind the last fact."""
        self._after = self._read(-1, 0)["last"]
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end, without waiting."""
        self._stop.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread's end; return whether it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def refresh(self) -> None:
        """Do nothing: there is one journal."""

    def progress(self) -> dict[str, Progress]:
        """Return how far the journal is read."""
        return {"facts": self._progress}

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._step()
        except Exception as error:  # noqa: BLE001  a thread's error has nowhere to go but here
            if not self._stop.is_set():
                self._failure = error
                self._on_problem(f"events come no more, the journal has stopped: {error!r}")
        finally:
            self._connection.close()

    def _step(self) -> None:
        page = self._read(self._after, self._poll_interval_s)
        fetched, empty_polls = self._progress.fetched, self._progress.empty_polls
        facts = page["facts"]
        if not facts:
            self._progress = Progress(
                is_settled=True, has_ended=False, fetched=fetched, empty_polls=empty_polls + 1
            )
            return
        self._progress = Progress(
            is_settled=False,
            has_ended=False,
            fetched=fetched + len(facts),
            empty_polls=empty_polls,
        )
        for fact in facts:
            self._on_fact(fact)
        self._after = page["last"]
        self._progress = Progress(
            is_settled=True,
            has_ended=False,
            fetched=fetched + len(facts),
            empty_polls=empty_polls,
        )

    def _read(self, after: int, wait_s: float) -> dict[str, Any]:
        self._connection.request("GET", f"{JOURNAL_PATH}?after={after}&wait_s={wait_s}")
        page: dict[str, Any] = json.loads(self._connection.getresponse().read())
        return page


def request_fire(url: str, logical_id: str, moment: float) -> None:
    """Ask the local run on an own endpoint, from any process, to fire a schedule.

    The run tells what it thinks of the logical id; the caller does not learn it.

    Args:
        url: The endpoint's base URL.
        logical_id: The schedule's or scheduled rule's.
        moment: The time that the event tells, in epoch seconds.

    Raises:
        OSError: Nobody answers there.
    """
    connection = _connection(url)
    try:
        fact = {"kind": "fire", "logical_id": logical_id, "time": moment}
        connection.request("POST", JOURNAL_PATH, json.dumps(fact))
        connection.getresponse().read()
    finally:
        connection.close()


def _connection(url: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(url).netloc, timeout=_READ_TIMEOUT_S)
