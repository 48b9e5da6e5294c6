"""When an invocation is traced; for the traces themselves see tests/tracing."""

import pytest

from pipeline.adapters.tracing import is_traced

TRACED = {
    "_X_AMZN_TRACE_ID": "Root=1-68cf9f00-0123456789abcdef01234567;Sampled=1",
    "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000",
}


def test_a_sampled_invocation_with_a_daemon_is_traced() -> None:
    assert is_traced(TRACED)


@pytest.mark.parametrize(
    "changes",
    [
        {"_X_AMZN_TRACE_ID": "Root=1-68cf9f00-0123456789abcdef01234567;Sampled=0"},
        {"_X_AMZN_TRACE_ID": ""},
        {"AWS_XRAY_DAEMON_ADDRESS": ""},
        {"AWS_XRAY_SDK_ENABLED": "False"},
        {"POWERTOOLS_TRACE_DISABLED": "1"},
        {"POWERTOOLS_TRACE_DISABLED": "True"},
    ],
)
def test_an_invocation_is_not_traced_when_anything_speaks_against_it(
    changes: dict[str, str],
) -> None:
    assert not is_traced(TRACED | changes)


def test_switches_that_say_on_leave_tracing_on() -> None:
    switches = {"AWS_XRAY_SDK_ENABLED": "true", "POWERTOOLS_TRACE_DISABLED": "false"}

    assert is_traced(TRACED | switches)
