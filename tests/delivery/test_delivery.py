"""Delivery of the event flow: every record counted once, every anomaly present, no row lost.

The flow runs with its real adapters on an account in memory, behind a poller that cuts, repeats and
bisects batches and routes them at random. The detector under test remembers the id of every event
that was folded into a subject, in order, so that one event lost, doubled or out of order shows.
"""

import base64
import gzip
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, cast

import msgspec
import pytest

from pipeline.adapters.dynamodb import BatchTables
from pipeline.adapters.event_items import EventTables
from pipeline.adapters.event_sink import AwsEventSink
from pipeline.adapters.lineage import KinesisShardLineage
from pipeline.adapters.parallel import Parallel
from pipeline.adapters.state_store import DynamoStateStore
from pipeline.cli.producers.kpl import aggregate
from pipeline.detection.anomaly import Anomaly
from pipeline.detection.rules import default_rules
from pipeline.events import Event, UserActivity
from pipeline.flows.events.flow import EventFlow
from pipeline.records import KinesisRecord, user_records
from tests.delivery.stream import Environment, Poller, Shard
from tests.fakes.aws import FAULTS, CrashError, FakeAws, Fault

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_s3 import S3Client

ARRIVAL = 1_790_000_000.0
USERS = [f"user-{n}" for n in range(5)]


class Seen(msgspec.Struct, array_like=True):
    """Ids of all events folded into one subject, in order."""

    ids: list[str] = []


class Witness:
    """A detector that remembers what it saw and reports every third event of a user.

    An event of activity `deadly` takes the environment down, one of activity `defect` raises.
    """

    name = "witness"
    version = 1
    state_type = Seen

    def subject(self, event: Event) -> str | None:
        return event.user_id if isinstance(event, UserActivity) else None

    def initial(self) -> Seen:
        return Seen()

    def fold(self, state: Seen, event: Event, event_id: str) -> tuple[Seen, Sequence[Anomaly]]:
        assert isinstance(event, UserActivity)
        if event.activity_type == "deadly":
            raise CrashError
        if event.activity_type == "defect":
            raise ZeroDivisionError("a bug")
        ids = [*state.ids, event_id]
        facts = [_third(event, event_id)] if len(ids) % 3 == 0 else []
        return Seen(ids), facts


def _third(event: UserActivity, event_id: str) -> Anomaly:
    return Anomaly(
        rule_id="third",
        rule_version=1,
        detector="threshold",
        kind="event",
        severity="low",
        edge="opened",
        subject=event.user_id,
        source=event.user_id,
        opened_at=event.timestamp,
        occurred_at=event.timestamp,
        event_id=event_id,
        observed=3,
        title="three more events",
    )


def environment(aws: FakeAws) -> Environment:
    """Start an execution environment: a flow of its own on the shared account."""
    parallel = Parallel(1)
    dynamodb = cast("DynamoDBClient", aws)
    tables = BatchTables(dynamodb, parallel, lambda _: None, random.Random(1))
    sink = AwsEventSink(
        tables,
        cast("S3Client", aws),
        parallel,
        event_tables=EventTables("activities", "metrics", "transactions", 86_400),
        anomalies_table="anomalies",
        bucket="lake",
    )
    states = DynamoStateStore(dynamodb, tables, parallel, "states")
    lineage = KinesisShardLineage(cast("KinesisClient", aws), "stream")
    flow = EventFlow(sink, states, lineage, [Witness()], default_rules().health, ttl_s=86_400)

    def process(batch: Sequence[KinesisRecord]) -> None:
        flow.process(batch, lambda: 60.0)

    return process


def activity(user: str, number: int, activity_type: str = "click") -> bytes:
    """Return the JSON of a user's n-th activity."""
    event = {
        "event_type": "user_activity",
        "event_id": f"{user}-{number}",
        "user_id": user,
        "activity_type": activity_type,
        "timestamp": f"2026-09-21T13:{number // 60:02}:{number % 60:02}Z",
    }
    return json.dumps(event).encode()


def fill(shard: Shard, users: Sequence[str], numbers: Iterable[int]) -> None:
    """Put one event per user and number, and a poison record now and then."""
    for number in numbers:
        for user in users:
            shard.put(user, activity(user, number), ARRIVAL + number)
        if number % 4 == 0:
            shard.put(users[0], b"not json %d" % number, ARRIVAL + number)


def aggregated() -> list[Shard]:
    """Records that carry several events each, the events of one user in many of them."""
    shard = Shard("shard-0")
    for number in range(0, 18, 3):
        numbers = (number, number + 1, number + 2)
        events = [(user, activity(user, n)) for n in numbers for user in USERS[:2]]
        shard.put("kpl", aggregate(events), ARRIVAL + number)
    return [shard]


def one_shard() -> list[Shard]:
    shard = Shard("shard-0")
    fill(shard, USERS, range(6))
    return [shard]


def three_shards() -> list[Shard]:
    shards = [Shard(f"shard-{n}") for n in range(3)]
    for n, shard in enumerate(shards):
        fill(shard, [f"{user}-{n}" for user in USERS[:2]], range(5))
    return shards


def split_and_merge() -> list[Shard]:
    """A shard is split in two, and the two are merged again; one of them sees few of the users."""
    parent = Shard("shard-0")
    left, right = Shard("shard-1", ("shard-0",)), Shard("shard-2", ("shard-0",))
    merged = Shard("shard-3", ("shard-1", "shard-2"))
    fill(parent, USERS, range(3))
    fill(left, USERS[:2], range(3, 6))
    fill(right, USERS[2:4], range(3, 6))  # the last user is silent for a whole generation
    fill(merged, USERS, range(6, 9))
    return [parent, left, right, merged]


def silent_generation() -> list[Shard]:
    """A shard is split, and split again before its children have seen a single record."""
    first, last = Shard("shard-0"), Shard("shard-2", ("shard-1",))
    fill(first, USERS, range(3))
    fill(last, USERS[:2], range(3, 6))
    return [first, Shard("shard-1", ("shard-0",)), last]


SCENARIOS = {
    scenario.__name__: scenario
    for scenario in (one_shard, aggregated, three_shards, split_and_merge, silent_generation)
}


def account(shards: Sequence[Shard], fault: Callable[[int], Fault | None]) -> FakeAws:
    """Return an empty account that knows the lineage of the shards."""
    aws = FakeAws(fault)
    for shard in shards:
        names = ("ParentShardId", "AdjacentParentShardId")
        aws.shards.append(
            {"ShardId": shard.shard_id, **dict(zip(names, shard.parents, strict=False))}
        )
    return aws


def run(
    shards: Sequence[Shard],
    fault: Callable[[int], Fault | None] = lambda _: None,
    *,
    seed: int = 1,
    lost_checkpoints: float = 0.0,
) -> FakeAws:
    """Deliver everything through three environments and return the account afterwards."""
    aws = account(shards, fault)
    poller = Poller(
        shards,
        lambda: environment(aws),
        environments=3,
        batch_size=9,
        rng=random.Random(seed),
        lost_checkpoints=lost_checkpoints,
    )
    poller.run()
    return aws


def faults_at_random(
    seed: int, share: float, kinds: Sequence[Fault]
) -> Callable[[int], Fault | None]:
    """Strike a share of all calls with faults of these kinds."""
    chance = random.Random(seed)
    return lambda _: chance.choice(kinds) if chance.random() < share else None


def fault_at(struck: int, fault: Fault) -> Callable[[int], Fault | None]:
    """Strike one call."""
    return lambda number: fault if number == struck else None


def lines(aws: FakeAws, prefix: str) -> list[dict[str, str]]:
    """Return all lines of the objects under a prefix."""
    bodies = [gzip.decompress(body) for key, body in aws.objects.items() if key.startswith(prefix)]
    return [json.loads(line) for body in bodies for line in body.splitlines()]


def put_ids(shards: Sequence[Shard]) -> dict[str, list[str]]:
    """Return the ids of all good events by user, in the order they were put."""
    ids = defaultdict(list)
    for record in (record for shard in shards for record in shard.records):
        for user_record in user_records(record):
            if user_record.data.startswith(b"{"):
                event = json.loads(user_record.data)
                ids[event["user_id"]].append(event["event_id"])
    return ids


def folded_ids(aws: FakeAws) -> dict[str, list[str]]:
    """Return, by user, the ids in the state row of the user's last shard."""
    ids: dict[str, list[str]] = {}
    for (key, _), item in sorted(aws.tables["states"].items()):
        if key != "cursor":
            seen = msgspec.msgpack.decode(item["state"]["B"], type=Seen)
            ids[key.removeprefix("witness#1#")] = seen.ids
    return ids


def assert_complete(aws: FakeAws, shards: Sequence[Shard]) -> None:
    """Every record has its one fate, is folded once and in order, and every fact is there."""
    expected = put_ids(shards)
    all_ids = sorted(event_id for ids in expected.values() for event_id in ids)
    poison = {
        f"{record.shard_id}:{record.sequence_number}"
        for shard in shards
        for record in shard.records
        if record.data.startswith(b"not json")
    }
    assert sorted(item["event_id"]["S"] for item in aws.tables["activities"].values()) == all_ids
    assert {line["event_id"] for line in lines(aws, "events/")} == set(all_ids)
    assert {line["record_id"] for line in lines(aws, "quarantine/")} == poison
    assert folded_ids(aws) == expected
    thirds = {event_id for ids in expected.values() for event_id in ids[2::3]}
    assert {item["event_id"]["S"] for item in aws.tables["anomalies"].values()} == thirds


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_everything_is_counted_once_without_faults(scenario: str) -> None:
    shards = SCENARIOS[scenario]()

    aws = run(shards)

    assert_complete(aws, shards)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_any_call_loses_and_doubles_nothing(scenario: str, fault: Fault) -> None:
    calls = len(run(SCENARIOS[scenario]()).calls)

    for struck in range(1, calls + 1):
        shards = SCENARIOS[scenario]()
        aws = run(shards, fault_at(struck, fault))

        assert_complete(aws, shards)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_repeated_deliveries_and_throttling_together_lose_and_double_nothing(scenario: str) -> None:
    for seed in range(60):
        shards = SCENARIOS[scenario]()
        outage = faults_at_random(seed, 0.1, ("throttle", "lost reply", "unprocessed"))

        aws = run(shards, outage, seed=seed, lost_checkpoints=0.3)

        assert_complete(aws, shards)


def test_a_record_that_kills_the_function_is_isolated_and_its_neighbours_commit() -> None:
    shard = Shard("shard-0")
    fill(shard, USERS[:2], range(3))
    shard.put("victim", activity("victim", 1, "deadly"), ARRIVAL + 3)
    fill(shard, USERS[:2], range(3, 6))

    aws = run([shard])

    quarantined = {line["record_id"]: line["reason"] for line in lines(aws, "quarantine/")}
    assert quarantined["shard-0:8"] == "the function went down on it 2 times"
    assert len(quarantined) == 3  # the other two are the poison records of `fill`
    assert folded_ids(aws) == {
        user: [f"{user}-{n}" for n in range(6)] for user in ("user-0", "user-1")
    }
    anomalies = {item["rule_id"]["S"] for item in aws.tables["anomalies"].values()}
    assert anomalies == {"third", "pipeline_poison_record"}


def test_a_defect_sets_its_record_aside_and_is_reported() -> None:
    shard = Shard("shard-0")
    shard.put("user-0", activity("user-0", 0), ARRIVAL)
    shard.put("user-0", activity("user-0", 1, "defect"), ARRIVAL)
    shard.put("user-0", activity("user-0", 2), ARRIVAL)

    aws = run([shard])

    assert [line["reason"] for line in lines(aws, "quarantine/")] == [
        "defect in detection by witness#1: ZeroDivisionError: a bug"
    ]
    assert folded_ids(aws) == {"user-0": ["user-0-0", "user-0-2"]}
    anomalies = [item["rule_id"]["S"] for item in aws.tables["anomalies"].values()]
    assert anomalies == ["pipeline_record_defect"]


def test_a_stray_key_is_counted_once_per_shard_and_reported() -> None:
    home, other = Shard("shard-0"), Shard("shard-1")
    for number in range(4):
        home.put("user-0", activity("user-0", number), ARRIVAL)
        other.put("random-key", activity("user-0", number + 4), ARRIVAL)

    aws = run([home, other], seed=3, lost_checkpoints=0.3)

    rows = {
        shard_id: msgspec.msgpack.decode(item["state"]["B"], type=Seen).ids
        for (key, shard_id), item in aws.tables["states"].items()
        if key != "cursor"
    }
    assert rows == {
        "shard-0": ["user-0-0", "user-0-1", "user-0-2", "user-0-3"],
        "shard-1": ["user-0-4", "user-0-5", "user-0-6", "user-0-7"],
    }
    strays = [
        item["subject"]["S"]
        for item in aws.tables["anomalies"].values()
        if item["rule_id"]["S"] == "pipeline_stray_key"
    ]
    assert strays == ["shard-1"]
    assert len(aws.tables["activities"]) == 8


def test_environments_dying_at_random_lose_no_record() -> None:
    for seed in range(60):
        shards = split_and_merge()

        aws = run(shards, faults_at_random(seed, 0.05, FAULTS), seed=seed, lost_checkpoints=0.2)

        set_aside = {
            json.loads(base64.b64decode(line["data"]))["event_id"]
            for line in lines(aws, "quarantine/")
            if line["reason"].startswith("the function went down")
            and base64.b64decode(line["data"]).startswith(b"{")
        }
        stored = {item["event_id"]["S"] for item in aws.tables["activities"].values()}
        for user, ids in put_ids(shards).items():
            folded = folded_ids(aws)[user]
            assert folded == [event_id for event_id in ids if event_id in folded]
            assert set(ids) - set(folded) <= set_aside
            assert set(ids) <= stored | set_aside
