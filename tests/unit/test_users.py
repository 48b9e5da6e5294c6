import pytest

from pipeline.errors import InvalidRecordError
from pipeline.users import User, sequence_text, user_of


def test_sequence_numbers_compare_as_texts() -> None:
    numbers = ["9" * 21, "1" + "0" * 21, "4421584500000000017450439092"]

    assert sorted(map(sequence_text, numbers)) == [sequence_text(one) for one in numbers]
    assert {len(sequence_text(one)) for one in numbers} == {40}


@pytest.mark.parametrize(
    ("email", "domain"),
    [("a@Example.COM", "example.com"), ('"a b@c"@x.y.', "x.y"), ("a@b", "b")],
)
def test_the_domain_is_what_follows_the_last_at(email: str, domain: str) -> None:
    assert User(user_id="u1", email=email).email_domain == domain


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"user_id": "u1"}, "$"),
        ({"user_id": "u1", "email": "secret"}, "$.email"),
        ({"user_id": "u1", "email": "secret @example.com"}, "$.email"),
        ({"user_id": "u1", "email": "secret@example.com\n"}, "$.email"),
        ({"user_id": "", "email": "a@example.com"}, "$.user_id"),
        ({"user_id": "u1", "email": "a@example.com", "name": "secret" * 50}, "$.name"),
    ],
)
def test_a_row_that_breaks_the_contract_is_refused_without_its_value(
    fields: dict[str, str], path: str
) -> None:
    with pytest.raises(InvalidRecordError) as caught:
        user_of(fields)

    assert caught.value.path == path
    assert "secret" not in str(caught.value)
