"""Write down what happened at the endpoint that sources of events must know of.

moto tells S3's notifications with other fields than AWS does, leaves some out (delete markers), and
would call Lambda by its own means. So the moto server's process keeps a journal of facts, and the
local run reads it and does what AWS would do. A fact is what happened, never an event: those are
made by `pipeline/local/semantics`.

`GET JOURNAL_PATH?after=N&wait_s=S` answers with a `Page` as JSON: the facts behind number N, at
once if there are any, else as soon as there are or after S seconds; with `after=-1` no facts but
the last one's number. `POST JOURNAL_PATH` with a JSON object adds it as a fact, which is how
another process of this machine asks the run for something, such as to fire a schedule.
"""

# ruff: noqa: ANN401 - moto has no types, and a fact's fields are any values of JSON

import itertools
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypedDict
from urllib.parse import parse_qs

from pipeline.local.server.wsgi import Application, Environ, StartResponse, read_body, signer

JOURNAL_PATH: Final = "/_journal"
_MAX_FACTS: Final = 1000


class Page(TypedDict):
    """Facts in their order; `last` is the number to ask on from."""

    last: int
    facts: list[dict[str, Any]]


class Journal:
    """The facts of a server, each with the request that brought it about.

    Facts are never dropped: like all that moto holds, they live as long as the process.

    Args:
        clock: Seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:  # noqa: TID251  the clock is given here
        self._clock = clock
        self._facts: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._sequence = itertools.count(1)
        self._request = threading.local()

    def watch(self, application: Application) -> Application:
        """Wrap a server so that its requests are known to the facts, and `JOURNAL_PATH` answers."""

        def serve(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            if environ.get("PATH_INFO") == JOURNAL_PATH:
                start_response("200 OK", [("Content-Type", "application/json")])
                return [json.dumps(self._answer(environ)).encode()]
            signed_by = signer(environ)
            self._request.caller = signed_by.caller if signed_by else "anonymous"
            self._request.source_ip = environ.get("REMOTE_ADDR", "127.0.0.1")
            self._request.request_id = uuid.uuid4().hex[:16].upper()
            facts: list[dict[str, Any]] = []
            self._request.facts = facts
            try:
                return application(environ, start_response)
            finally:
                # Only now has moto stored all of it: metadata and tags come behind the object.
                self._append(facts)

        return serve

    def add(self, **fact: Any) -> None:
        """Write down a fact of the request that is being served."""
        self._request.facts.append(
            {
                "time": self._clock(),
                "caller": self._request.caller,
                "source_ip": self._request.source_ip,
                "request_id": self._request.request_id,
                # One number for all keys grows for each of them; AWS's look alike.
                "sequencer": f"{next(self._sequence):018X}",
                **fact,
            }
        )

    def _answer(self, environ: Environ) -> Page:
        if environ["REQUEST_METHOD"] == "POST":
            self._append([json.loads(read_body(environ))])
            return self.read(-1, 0)
        query = parse_qs(environ.get("QUERY_STRING", ""))
        return self.read(int(query.get("after", ["0"])[0]), float(query.get("wait_s", ["0"])[0]))

    def _append(self, facts: list[dict[str, Any]]) -> None:
        with self._changed:
            self._facts.extend(facts)
            self._changed.notify_all()

    def read(self, after: int, wait_s: float) -> Page:
        """Return the facts behind a number, waiting for the first of them; see the module."""
        with self._changed:
            if after < 0:
                return Page(last=len(self._facts), facts=[])
            self._changed.wait_for(lambda: len(self._facts) > after, wait_s)
            facts = self._facts[after : after + _MAX_FACTS]
            return Page(last=after + len(facts), facts=facts)


def record_changes(
    journal: Journal, s3_backend: Any, events_backend: Any, sns_subscription: Any
) -> None:
    """Let moto tell the journal of objects, of events on a bus and of messages for functions.

    Args:
        journal: What is told.
        s3_backend: moto's class `S3Backend`.
        events_backend: moto's class `EventsBackend`.
        sns_subscription: moto's class `Subscription` of SNS.
    """
    _record_objects(journal, s3_backend)
    _record_removals(journal, s3_backend)
    _record_events(journal, events_backend)
    _record_messages(journal, sns_subscription)


def _record_objects(journal: Journal, backend_class: Any) -> None:
    put, copy = backend_class.put_object, backend_class.copy_object
    complete = backend_class.complete_multipart_upload
    inner = threading.local()

    @contextmanager
    def silently() -> Iterator[None]:
        """Keep the put that a copy or an upload ends with from counting as one of its own."""
        inner.is_silent = True
        try:
            yield
        finally:
            inner.is_silent = False

    def put_object(self: Any, bucket_name: str, key_name: str, *args: Any, **kwargs: Any) -> Any:
        key = put(self, bucket_name, key_name, *args, **kwargs)
        if not getattr(inner, "is_silent", False):
            how = "Post" if kwargs.get("request_method") == "POST" else "Put"
            created(self, how, bucket_name, key)
        return key

    def copy_object(
        self: Any,
        src_key: Any,
        dest_bucket_name: str,
        dest_key_name: str,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        with silently():
            copy(self, src_key, dest_bucket_name, dest_key_name, *args, **kwargs)
        bucket = self.get_bucket(dest_bucket_name)
        created(self, "Copy", dest_bucket_name, bucket.keys.get(dest_key_name))

    def complete_multipart_upload(self: Any, bucket_name: str, *args: Any, **kwargs: Any) -> Any:
        with silently():
            key = complete(self, bucket_name, *args, **kwargs)
        if key is not None:
            created(self, "CompleteMultipartUpload", bucket_name, key)
        return key

    def created(backend: Any, how: str, bucket_name: str, key: Any) -> None:
        bucket = backend.get_bucket(bucket_name)
        journal.add(
            kind="object",
            name=f"ObjectCreated:{how}",
            bucket=bucket_name,
            key=key.name,
            size_bytes=key.size,
            etag=key.etag.strip('"'),
            version_id=key.version_id if bucket.is_versioned else None,
            tells_event_bridge=_tells_event_bridge(bucket),
            region=bucket.region_name,
            account_id=backend.account_id,
        )

    backend_class.put_object = put_object
    backend_class.copy_object = copy_object
    backend_class.complete_multipart_upload = complete_multipart_upload


def _tells_event_bridge(bucket: Any) -> bool:
    configuration = bucket.notification_configuration
    return configuration is not None and configuration.event_bridge is not None


def _record_removals(journal: Journal, backend_class: Any) -> None:
    delete = backend_class.delete_object

    def delete_object(
        self: Any,
        bucket_name: str,
        key_name: str,
        version_id: str | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        bucket = self.get_bucket(bucket_name)
        existed = any(
            version_id is None or str(key.version_id) == version_id
            for key in bucket.keys.getlist(key_name, [])
        )
        answer = delete(self, bucket_name, key_name, version_id, *args, **kwargs)
        is_marker = bucket.is_versioned and version_id is None
        # S3 marks a key of a versioned bucket whether or not there is such an object.
        if existed or is_marker:
            _, headers = answer
            journal.add(
                kind="object",
                name=f"ObjectRemoved:{'DeleteMarkerCreated' if is_marker else 'Delete'}",
                bucket=bucket_name,
                key=key_name,
                etag=_EMPTY_ETAG if is_marker else None,
                version_id=headers.get("version-id") if bucket.is_versioned else None,
                tells_event_bridge=_tells_event_bridge(bucket),
                region=bucket.region_name,
                account_id=self.account_id,
            )
        return answer

    backend_class.delete_object = delete_object


_EMPTY_ETAG: Final = "d41d8cd98f00b204e9800998ecf8427e"
"""A delete marker is an object of no bytes."""


def _record_events(journal: Journal, backend_class: Any) -> None:
    put = backend_class.put_events

    def put_events(self: Any, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = put(self, events)
        for entry, answer in zip(events, answers, strict=True):
            if "EventId" not in answer:
                continue
            if not _is_object(entry["Detail"]):
                # moto takes any JSON and NaN besides, EventBridge objects alone.
                answer.clear()
                answer.update(ErrorCode="MalformedDetail", ErrorMessage="Detail is malformed.")
            else:
                journal.add(
                    kind="event",
                    event_id=answer["EventId"],
                    bus=str(entry.get("EventBusName") or "default").rpartition("/")[2],
                    source=entry["Source"],
                    detail_type=entry["DetailType"],
                    detail=entry["Detail"],
                    resources=entry.get("Resources") or [],
                    event_time=entry.get("Time"),
                    region=self.region_name,
                    account_id=self.account_id,
                )
        return answers

    backend_class.put_events = put_events


def _record_messages(journal: Journal, subscription_class: Any) -> None:
    publish = subscription_class.publish

    def publish_to(  # moto's signature
        self: Any,
        message: str,
        message_id: str,
        subject: str | None = None,
        message_attributes: dict[str, Any] | None = None,
        **others: Any,
    ) -> None:
        if self.protocol != "lambda":  # moto would look for a function of its own
            publish(self, message, message_id, subject, message_attributes, **others)
            return
        matcher = self._filter_policy_matcher
        if matcher is not None and not matcher.matches(message_attributes, message):
            return
        if others.get("message_structure") == "json":
            message = self._parse_message_structure(message, self.protocol)
        journal.add(
            kind="message",
            function_arn=self.endpoint,
            subscription_arn=self.arn,
            topic_arn=self.topic.arn,
            message_id=message_id,
            message=message,
            subject=subject,
            attributes={
                name: {"Type": value["Type"], "Value": _attribute_text(value["Value"])}
                for name, value in (message_attributes or {}).items()
            },
            region=self.topic.arn.split(":")[3],
        )

    subscription_class.publish = publish_to


def _attribute_text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _is_object(text: str) -> bool:
    """Say whether a text is a JSON object; NaN and Infinity are no JSON."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        return isinstance(json.loads(text, parse_constant=refuse), dict)
    except ValueError:
        return False
