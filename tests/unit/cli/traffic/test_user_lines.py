from pipeline.cli.traffic.people import PutUser, RemoveUser, UserAction
from pipeline.cli.traffic.user_lines import RefusedChange, line_of, read_changes

ADA = PutUser({"user_id": "ada", "email": "ada@firm.example"})


def test_a_change_is_read_as_it_was_written() -> None:
    changes: list[UserAction] = [ADA, RemoveUser("ben")]

    lines = [line_of(change).encode() for change in changes]

    assert list(read_changes([*lines, b"  \n"])) == changes


def test_lines_that_break_the_contract_are_refused_by_their_number() -> None:
    lines = [
        b'{"action":"put","user":{"user_id":"ada","email":"no-at-sign"}}',
        b"nonsense",
        b'{"action":"drop"}',
    ]

    found = list(read_changes(lines))

    assert [one.line for one in found if isinstance(one, RefusedChange)] == [1, 2, 3]
    assert found[0] == RefusedChange(
        1, r"$.email: not a user: Expected `str` matching regex '^[^@\\s]+@[^@\\s]+$(?!\\n)'"
    )
