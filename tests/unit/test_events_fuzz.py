import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InvalidRecordError
from pipeline.events import check_timestamps, decode
from tests.unit.event_samples import NOON_S, SAMPLES, payload, refusal, with_text


def refused_or_decoded(data: bytes) -> None:
    """Decode and look at the window; any error but InvalidRecordError fails the test."""
    try:
        check_timestamps(decode(data), NOON_S)
    except InvalidRecordError as error:
        assert error.reason  # noqa: PT017  both ends are right, this one has to say why
        assert len(error.reason) <= 200  # noqa: PT017
        assert error.path.startswith("$")  # noqa: PT017


@given(st.binary(max_size=200))
@settings(derandomize=True, deadline=None, max_examples=500)
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    refused_or_decoded(data)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**20, max_value=10**400)
    | st.floats()
    | st.text(st.characters())
    | st.sampled_from(["9999-12-31T23:59:59.9999999Z", "0001-01-01T00:00:00+14:00", "NaN", "-0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(
    sample=st.sampled_from(SAMPLES),
    fields=st.lists(
        st.sampled_from(
            sorted(
                {name for sample in SAMPLES for name in sample} | {"details", "location", "tags"}
            )
        ),
        min_size=1,
        max_size=3,
    ),
    value=json_values,
    ascii_only=st.booleans(),
)
@settings(derandomize=True, deadline=None, max_examples=600)
def test_any_value_in_any_field_is_decoded_or_refused(
    sample: dict[str, Any],
    fields: list[str],
    value: object,
    ascii_only: bool,  # noqa: FBT001  hypothesis passes by name
) -> None:
    text = json.dumps(sample | dict.fromkeys(fields, value), ensure_ascii=ascii_only)

    refused_or_decoded(text.encode(errors="surrogatepass"))


@given(
    sample=st.sampled_from(SAMPLES),
    cuts=st.lists(
        st.tuples(st.integers(0, 200), st.integers(0, 8), st.binary(max_size=8)),
        min_size=1,
        max_size=3,
    ),
)
@settings(derandomize=True, deadline=None, max_examples=600)
def test_any_damaged_event_is_decoded_or_refused(
    sample: dict[str, Any], cuts: list[tuple[int, int, bytes]]
) -> None:
    data = payload(sample, details={"a": "\u00e9"}, location={"latitude": 1, "longitude": 2})

    for start, length, patch in cuts:
        data = data[:start] + patch + data[start + length :]

    refused_or_decoded(data)


@pytest.mark.parametrize("text", ["1e400", "-1E+999999", "NaN", "Infinity", "01", "1.", "0x1", "-"])
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample["event_type"])
def test_a_number_that_is_none_is_refused_in_every_field(sample: dict[str, Any], text: str) -> None:
    refused = [refusal(with_text(sample, field, text))[1] for field in sample]

    assert all(re.fullmatch(r"\$(\.\w+)?", path) for path in refused)
