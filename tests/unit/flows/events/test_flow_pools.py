"""Pools across shards: the same whatever the cuts, shards, repetitions and deaths."""

import random
from collections import Counter
from typing import Any

import msgspec
import pytest

from pipeline.detection.fraud import MerchantPool, TallyPool
from pipeline.detection.login_addresses import FailurePool
from pipeline.errors import RetryableError
from pipeline.records import KinesisRecord
from tests.fakes.aws import FAULTS, CrashError, FakeAws, Fault
from tests.unit.flows.events.batches import (
    ARRIVAL,
    activity,
    flow,
    fraud_report,
    seconds,
    transaction,
)

USERS = 12
POOLS: dict[str, Any] = {
    "fraud_tally#1": TallyPool(),
    "fraud_merchant#2": MerchantPool(),
    "login_failures#1": FailurePool(),
}


def story(seed: int) -> list[KinesisRecord]:
    """Return payments and their reports, some before their payment and some repeated."""
    rng = random.Random(seed)
    records = []
    for number in range(1000, 1060):
        user, shop = f"u-{rng.randrange(USERS)}", f"shop-{rng.randrange(3)}"
        paid = transaction(number, user, merchant=shop, amount=f"{rng.uniform(1, 90):.2f}")
        told = [
            fraud_report(
                0, user, merchant=shop, transaction_id=f"t-{number}", event_id=f"r-{number}-{copy}"
            )
            for copy in range(rng.choice([0, 0, 1, 2]))
        ]
        failed = activity(0, user, activity_type="login_failed", event_id=f"f-{number}")
        own = [paid, failed, *told]
        rng.shuffle(own)
        records += own
    return [one._replace(sequence_number=place + 10) for place, one in enumerate(records)]


def spread(records: list[KinesisRecord], shards: int) -> list[list[KinesisRecord]]:
    """Deal the records of each user to one of the shards."""
    dealt: list[list[KinesisRecord]] = [[] for _ in range(shards)]
    for one in records:
        place = int(one.partition_key.removeprefix("u-")) % shards
        dealt[place].append(one._replace(shard_id=f"shard-{place}"))
    return dealt


def deliver(aws: FakeAws, records: list[KinesisRecord], rng: random.Random) -> None:
    """Process a shard in batches cut at random, again after each death and now and then anyway."""
    environment, settled = flow(aws), 0
    while settled < len(records):
        batch = records[settled : settled + rng.randint(2, 30)]
        try:
            environment.process(batch, seconds)
        except CrashError:
            environment = flow(aws)
            continue
        except RetryableError:
            continue
        settled += len(batch) if rng.random() < 0.8 else 0


def pools(aws: FakeAws) -> dict[str, Any]:
    """Return the sums of all pools as they stand in the table."""
    parts: dict[str, list[Any]] = {}
    for (state_key, _), item in aws.tables["states"].items():
        pool = POOLS.get(state_key.rpartition("#")[0])
        if pool is not None:
            part = msgspec.msgpack.decode(item["state"]["B"], type=pool.state_type)
            parts.setdefault(state_key, []).append(part)
    return {key: POOLS[key.rpartition("#")[0]].total(found) for key, found in parts.items()}


def cards(aws: FakeAws) -> dict[str, bytes]:
    return {
        state_key: item["state"]["B"]
        for (state_key, _), item in aws.tables["states"].items()
        if state_key.startswith("fraud_card#")
    }


def plain(records: list[KinesisRecord]) -> FakeAws:
    aws = FakeAws()
    flow(aws).process([one._replace(shard_id="shard-0") for one in records], seconds)
    return aws


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("shards", [1, 3])
def test_cuts_shards_repetitions_and_deaths_leave_the_same_pools_and_cards(
    seed: int, shards: int
) -> None:
    records = story(seed)
    rng = random.Random(seed)
    strikes: dict[int, Fault] = {rng.randrange(1, 120): rng.choice(FAULTS) for _ in range(25)}
    aws = FakeAws(strikes.get)

    for dealt in spread(records, shards):
        deliver(aws, dealt, rng)

    expected = plain(records)
    assert pools(aws) == pools(expected)
    assert cards(aws) == cards(expected)
    assert pools(aws)["fraud_tally#1#all"].payments == 60
    (failures,) = [pool for key, pool in pools(aws).items() if key.startswith("login_failures#")]
    assert len(failures.marks) == 29


def test_failed_sign_ins_from_one_address_count_over_all_shards() -> None:
    aws = FakeAws()
    environments = [flow(aws) for _ in range(3)]
    rounds = [
        [
            activity(number, f"u-{number % 7}", activity_type="login_failed")._replace(
                shard_id=f"shard-{shard}", arrived_at=ARRIVAL + late
            )
            for number in range(1000 + late + shard * 2, 1002 + late + shard * 2)
        ]
        for late in (0, 20, 40, 60)
        for shard in range(3)
    ]

    found = []
    for batch in rounds:
        environments[int(batch[0].shard_id[-1])].process(batch, seconds)
        found.append([fact["rule_id"]["S"] for fact in aws.tables["anomalies"].values()])

    assert found[-3:] == [[], ["failed_login_address"], ["failed_login_address"] * 2]
    assert len({dedup_key for dedup_key, _ in aws.tables["anomalies"]}) == 1


def test_another_shards_part_is_read_once_a_minute() -> None:
    aws = FakeAws()
    first = [
        transaction(n, "u-1", merchant="m")._replace(shard_id="shard-1") for n in range(1000, 1004)
    ]
    flow(aws).process(first, seconds)
    environment = flow(aws)
    batches = [
        [
            transaction(number + place, "u-2", merchant="m")._replace(
                arrived_at=1_790_000_000.0 + late
            )
            for place in range(2)
        ]
        for number, late in ((1010, 0), (1020, 30), (1030, 61))
    ]
    aws.calls.clear()

    reads = []
    for batch in batches:
        environment.process(batch, seconds)
        reads.append(Counter(aws.calls)["Query"])

    assert reads == [1, 1, 2]


def learned() -> FakeAws:
    """Return an account where another shard has learned that payments at this shop are frauds."""
    records = [transaction(number, f"v-{number}", merchant="bad") for number in range(60)]
    records += [
        fraud_report(60 + number, f"v-{number}", merchant="bad", transaction_id=f"t-{number}")
        for number in range(60)
    ]
    aws = FakeAws()
    flow(aws).process([one._replace(shard_id="shard-1") for one in records], seconds)
    return aws


@pytest.mark.parametrize("size", [2, 7, 13])
def test_scores_follow_from_the_snapshot_whatever_the_cuts_and_repetitions(size: int) -> None:
    records = [
        transaction(number, f"u-{number % 9}", merchant="bad", amount=f"{number % 50}.50")
        for number in range(1000, 1040)
    ]
    at_once, cut = learned(), learned()
    before = len(cut.tables["anomalies"])

    flow(at_once).process(records, seconds)
    environment = flow(cut)
    for start in range(0, len(records), size):
        for _ in range(2):
            environment.process(records[start : start + size], seconds)

    found = list(cut.tables["anomalies"].values())[before:]
    assert "transaction_fraud_score" in {fact["rule_id"]["S"] for fact in found}
    assert cut.tables["anomalies"] == at_once.tables["anomalies"]
    assert cards(cut) == cards(at_once)
    assert pools(cut) == pools(at_once)
