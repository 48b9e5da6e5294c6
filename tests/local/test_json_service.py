"""A JSON service of ours, as clients meet it that hang up."""

import socket
import struct
import threading
from typing import Any

import pytest

from pipeline.local.json_service import JsonService

REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: A.Do\r\nContent-Length: 2\r\n\r\n{}"
RESET_AT_CLOSE = struct.pack("ii", 1, 0)


def test_a_client_that_hangs_up_is_no_news(capfd: pytest.CaptureFixture[str]) -> None:
    asked, gone = threading.Event(), threading.Event()

    def answer(operation: str, request: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401  JSON
        asked.set()
        assert gone.wait(10)
        return 200, {operation: request}

    with JsonService(answer) as service:
        client = socket.create_connection(_address(service))
        client.sendall(REQUEST)
        assert asked.wait(10)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        client.close()
        gone.set()

    assert capfd.readouterr().err == ""


def test_what_goes_wrong_in_an_answer_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    def answer(operation: str, _: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401  JSON
        raise KeyError(operation)

    with (
        JsonService(answer) as service,
        socket.create_connection(_address(service)) as client,
    ):
        client.sendall(REQUEST)
        assert client.recv(1) == b""

    assert "KeyError: 'Do'" in capfd.readouterr().err


def _address(service: JsonService) -> tuple[str, int]:
    return "127.0.0.1", service.server_address[1]
