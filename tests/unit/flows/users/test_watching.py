from collections.abc import Sequence

import msgspec
import pytest

from pipeline.detection.accounts import BurstState
from pipeline.detection.anomaly import Anomaly
from pipeline.detection.rules import default_rules
from pipeline.detection.signups import change_detectors
from pipeline.errors import RetryableError
from pipeline.flows.users.watching import MAX_TRIES, Watching
from pipeline.users import UserChange
from tests.fakes.users import FakeStates, FakeUsersAccount
from tests.unit.detection.changes import change

REMOVALS = [change(n, n, "REMOVE", user=f"u{n}") for n in range(60)]


def watching(account: FakeUsersAccount) -> Watching:
    return Watching(change_detectors(default_rules()), FakeStates(account), 86_400)


def seconds() -> float:
    return 30.0


def recent(account: FakeUsersAccount) -> object:
    (row,) = account.rows.values()
    return msgspec.msgpack.decode(row.state, type=BurstState).recent


def test_two_shards_count_together_whoever_is_quicker() -> None:
    account, alone = FakeUsersAccount(), FakeUsersAccount()

    def other_shard() -> None:
        watching(account).take(REMOVALS[1::2], seconds)

    watching(account).take(REMOVALS[:10:2], seconds)
    account.others = [other_shard]

    watching(account).take(REMOVALS[10::2], seconds)

    watching(alone).take(REMOVALS, seconds)
    assert [fact.edge for fact in account.anomalies.values()] == ["opened", "escalated"]
    assert recent(account) == recent(alone)


def test_writers_that_never_rest_send_the_batch_back() -> None:
    account = FakeUsersAccount()

    def interfere() -> None:
        for key, row in account.rows.items():
            account.rows[key] = row._replace(version=row.version + 1)

    watching(account).take(REMOVALS[:1], seconds)
    account.others = [interfere] * (MAX_TRIES + 1)

    with pytest.raises(RetryableError, match="others write it"):
        watching(account).take(REMOVALS[1:2], seconds)


def test_facts_of_one_incident_are_written_one_after_the_other() -> None:
    account = FakeUsersAccount()

    watched = watching(account).take(REMOVALS, seconds)

    assert watched.anomalies == 2
    assert account.calls.count("write state") == 3


def test_changes_that_no_detector_reads_touch_nothing() -> None:
    account = FakeUsersAccount()

    watching(account).take([change(1, now={"name": "x"})], seconds)

    assert account.calls == []


class Broken:
    """Breaks at one user."""

    name = "broken"
    version = 1
    state_type = BurstState

    def subject(self, change: UserChange) -> str | None:
        return "all" if change.user_id else None

    def initial(self) -> BurstState:
        return BurstState()

    def fold(self, state: BurstState, change: UserChange) -> tuple[BurstState, Sequence[Anomaly]]:
        if change.user_id == "u3":
            raise KeyError(change.user_id)
        return BurstState(burst=state.burst), ()


def test_a_broken_fold_sets_aside_its_change_alone() -> None:
    account = FakeUsersAccount()
    detectors = (Broken(), *change_detectors(default_rules()))

    watched = Watching(detectors, FakeStates(account), 1).take(REMOVALS[:25], seconds)

    assert [one.change.user_id for one in watched.broken] == ["u3"]
    assert watched.anomalies == 1
