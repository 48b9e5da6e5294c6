import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest

from pipeline.errors import InvalidRecordError
from pipeline.jobs import SendWelcome, SetupUserProfile, decode_onboarding_job, encode_job

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
JOB = SendWelcome(
    job_id="send_welcome-1",
    user_id="u1",
    registration="1" * 40,
    signed_up_at=datetime(2026, 11, 21, 10, tzinfo=UTC),
)
FIELDS = json.loads(encode_job(JOB))


def test_a_job_decodes_to_what_was_encoded() -> None:
    assert decode_onboarding_job(encode_job(JOB)) == JOB


@pytest.mark.parametrize("kind", [SendWelcome, SetupUserProfile])
def test_a_job_keeps_the_schema_of_its_type(kind: type[SendWelcome | SetupUserProfile]) -> None:
    name = str(kind.__struct_config__.tag)
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())

    jsonschema.validate(FIELDS | {"job_type": name}, schema)

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(FIELDS | {"job_type": name, "registration": "1"}, schema)


@pytest.mark.parametrize(
    ("body", "reason", "path"),
    [
        ("{", "not JSON", "$"),
        ("\ud800", "not JSON", "$"),
        ("x" * 4097, "4097 characters, the limit is 4096", "$"),
        ("[]", "Expected `object`, got `array`", "$"),
        (
            json.dumps(FIELDS | {"job_type": "mara@example.com"}),
            "no job type of this queue",
            "$.job_type",
        ),
        (json.dumps(FIELDS | {"user_id": ""}), "Expected `str` of length >= 1", "$.user_id"),
        (json.dumps(FIELDS | {"registration": "1\n"}), "Expected `str`", "$.registration"),
    ],
)
def test_what_is_no_job_is_refused_with_its_place_and_without_its_text(
    body: str, reason: str, path: str
) -> None:
    with pytest.raises(InvalidRecordError) as caught:
        decode_onboarding_job(body)

    assert caught.value.reason.startswith(reason)
    assert caught.value.path == path
    assert "mara" not in str(caught.value)
