"""Corrections of moto's SQS, inside the server's process.

moto gives a FIFO queue's messages random sequence numbers or none, hands out the messages of a
group in the wrong order when several of them are visible again, and may lose a message that is sent
while another one is deleted.
"""

import threading
import time
from itertools import count
from typing import Any, Final

from moto.sqs.models import Queue, SQSBackend

_FIRST_SEQUENCE_NUMBER: Final = 18_850_000_000_000_000_000
"""Of twenty digits, as Amazon's are."""

_WAIT_SLICE_S: Final = 0.02


def correct_queues() -> None:
    """Replace what is wrong in moto's queues; once, before the server serves."""
    lock = threading.RLock()
    _number_messages(Queue)
    for name in ("send_message", "delete_message", "change_message_visibility"):
        _serialise(SQSBackend, name, lock)
    _receive_in_order(SQSBackend, lock)


def _number_messages(queue_class: Any) -> None:  # noqa: ANN401  a class of moto's
    """Number the messages of FIFO queues in the order of their arrival; moved ones keep theirs."""
    numbers = count(_FIRST_SEQUENCE_NUMBER)
    original = queue_class.add_message

    def add_message(queue: Any, message: Any) -> None:  # noqa: ANN401  moto's
        if queue.fifo_queue and not getattr(message, "is_numbered", False):
            message.sequence_number = str(next(numbers))
            message.is_numbered = True
        original(queue, message)

    queue_class.add_message = add_message


def _receive_in_order(backend_class: Any, lock: threading.RLock) -> None:  # noqa: ANN401  a class of moto's
    """Free a group only when all of its messages are visible again; wait outside the lock."""
    original = backend_class.receive_message

    def receive_message(
        backend: Any,  # noqa: ANN401  moto's
        queue_name: str,
        count: int,
        wait_seconds_timeout: int,
        *rest: Any,  # noqa: ANN401  moto's
    ) -> Any:  # noqa: ANN401  moto's
        deadline = time.monotonic() + wait_seconds_timeout
        while True:
            with lock:
                pending = backend.get_queue(queue_name).pending_messages
                pending.difference_update([message for message in pending if message.visible])
                messages = original(backend, queue_name, count, 0, *rest)
            if messages or time.monotonic() >= deadline:
                return messages
            time.sleep(_WAIT_SLICE_S)

    backend_class.receive_message = receive_message


def _serialise(backend_class: Any, name: str, lock: threading.RLock) -> None:  # noqa: ANN401  a class of moto's
    original = getattr(backend_class, name)

    def serialised(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  moto's
        with lock:
            return original(*args, **kwargs)

    setattr(backend_class, name, serialised)
