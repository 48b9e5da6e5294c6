"""The check-up: what stands wrong with the pipeline itself, found by looking at it once a minute.

Silent sources, an event flow that is behind, dead letters and invalid rules make no event that a
detector could read. What is found becomes facts in AnomaliesTable like any other, so it is paged,
grouped, silenced and resolved by the same path.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from pipeline.detection import heartbeats, silence
from pipeline.detection.health_rules import HealthRules
from pipeline.detection.heartbeats import Heartbeats
from pipeline.detection.incidents import severity_at
from pipeline.detection.standing import Finding, Standing, settle
from pipeline.flows.alerts.checkup_ports import (
    DeadLetterQueues,
    Progress,
    RulesOverride,
    StreamTail,
)
from pipeline.flows.users.ports import StateChange, VersionedStates
from pipeline.ports import Cursor, RemainingTime, StateKey

FRESH: Final = timedelta(seconds=60)
"""A shard whose newest processed record arrived within this time is taken to be up to date."""

STATE_KEY: Final = StateKey("checkup#1", "pipeline")
"""Row of what was found wrong and is not over yet; looks that overlap exclude each other by it."""

HEARTBEATS: Final = "heartbeats#1"
"""Detector name and version of `flows.events.watches.HeartbeatWatch`."""

_TTL: Final = timedelta(days=365)
_SILENT: Final = "pipeline_silent_source#"
_INVALID: Final = "pipeline_rules_invalid#"
_states = msgspec.msgpack.Decoder(Heartbeats)
_standing = msgspec.msgpack.Decoder(Standing)


@dataclass(frozen=True, slots=True)
class CheckupReport:
    """What a look found.

    `lag_s` is how long the oldest unprocessed event has waited, `sources` how many sources are
    known, `open` how many incidents are open now and `facts` what was told. `is_lost` says that
    another look was quicker and this one told nothing.
    """

    shards: int
    lag_s: float
    sources: int
    dead_letters: int
    open: int
    facts: int
    is_lost: bool = False


class _Shard(NamedTuple):
    shard_id: str
    watermark: datetime
    lag_s: float


class Checkup:
    """Looks at the pipeline; safe to repeat and to run twice at once.

    Args:
        progress: How far the event flow is, and when it heard each source.
        tail: What waits on the event stream.
        queues: The dead-letter queues.
        states: Where the open incidents are kept; a change is written with its facts or not at all.
        rules: What is wrong from when on.
        override: What changes the packaged rules.
    """

    def __init__(
        self,
        progress: Progress,
        tail: StreamTail,
        queues: DeadLetterQueues,
        states: VersionedStates,
        rules: HealthRules,
        override: RulesOverride,
    ) -> None:
        self._progress = progress
        self._tail = tail
        self._queues = queues
        self._states = states
        self._rules = rules
        self._override = override

    def look(self, now: datetime, remaining_s: RemainingTime) -> CheckupReport:
        """Find what is wrong and tell what has changed since the last look.

        Args:
            now: The present moment, against which lag is measured; silence is not.
            remaining_s: Time left for retries.

        Raises:
            RetryableError: Throttling or outage; nothing is told, and the next look finds it again.
        """
        shards = [self._shard(*each, now) for each in _open(self._progress.cursors()).items()]
        rows = self._progress.states(HEARTBEATS, [str(n) for n in range(heartbeats.BUCKETS)])
        beats = heartbeats.merged([_states.decode(row) for row in rows])
        depths = self._queues.depths()
        stored = self._states.read([STATE_KEY], remaining_s).get(STATE_KEY)
        before = _standing.decode(stored.state) if stored else Standing()
        findings = [*self._behind(shards, now), *self._dead_letters(depths, now)]
        findings += self._rules_invalid(before, now)
        if shards:
            missed = [key.removeprefix(_SILENT) for key in before.incidents if _is_silence(key)]
            watermark = min(shard.watermark for shard in shards)
            rule = self._rules.pipeline_silent_source
            findings += silence.findings(rule, beats, watermark, missed)
        after, facts = settle(before, findings)
        report = CheckupReport(
            shards=len(shards),
            lag_s=max((shard.lag_s for shard in shards), default=0.0),
            sources=len(beats),
            dead_letters=sum(depths.values()),
            open=len(after.incidents),
            facts=len(facts),
        )
        if not facts:
            return report
        change = StateChange(
            state=msgspec.msgpack.encode(after),
            replaces=stored.version if stored else 0,
            expires_at=int((now + _TTL).timestamp()),
            anomalies=facts,
        )
        lost = self._states.write({STATE_KEY: change})
        return replace(report, facts=0, is_lost=True) if lost else report

    def _shard(self, shard_id: str, cursor: Cursor, now: datetime) -> _Shard:
        """Return up to when a shard is processed; a quiet one is asked whether anything waits."""
        watermark = datetime.fromtimestamp(cursor.arrived_at, UTC)
        if now - watermark <= FRESH:
            return _Shard(shard_id, watermark, 0.0)
        waiting_since, is_end = self._tail.behind(shard_id, cursor.applied)
        if waiting_since is not None:
            lag_s = max(0.0, (now - waiting_since).total_seconds())
            return _Shard(shard_id, max(watermark, waiting_since), lag_s)
        return _Shard(shard_id, now if is_end else watermark, 0.0)

    def _behind(self, shards: list[_Shard], now: datetime) -> Iterator[Finding]:
        """Yield one finding for the whole flow, nothing between the two levels."""
        rule = self._rules.pipeline_behind
        if not shards:
            return
        worst = max(shards, key=lambda shard: shard.lag_s)
        if rule.clear_below_s <= worst.lag_s <= rule.above_s:
            return
        is_behind = worst.lag_s > rule.above_s
        late = [shard for shard in shards if shard.lag_s > rule.above_s]
        yield Finding(
            rule=rule,
            verdict="breach" if is_behind else "calm",
            subject="kinesis_events",
            source="pipeline",
            size=worst.lag_s,
            severity=severity_at(worst.lag_s, rule.severity, rule.steps),
            since=worst.watermark if is_behind else now,
            seen_at=now,
            title="The event flow is behind",
            reasons=tuple(
                f"{shard.shard_id} is processed up to {shard.watermark:%Y-%m-%d %H:%M:%S} UTC"
                for shard in late[:3]
            )
            or ("nothing waits for long any more",),
            unit="s",
            expected=f"events wait for at most {rule.above_s:g} s",
            threshold=rule.above_s,
            labels={"shards": str(len(late))},
        )

    def _dead_letters(self, depths: Mapping[str, int], now: datetime) -> Iterator[Finding]:
        rule = self._rules.pipeline_dead_letters
        for queue, depth in depths.items():
            yield Finding(
                rule=rule,
                verdict="breach" if depth > rule.above else "calm",
                subject=queue,
                source="pipeline",
                size=float(depth),
                severity=severity_at(float(depth), rule.severity, rule.steps),
                since=now,
                seen_at=now,
                title=f"Messages are in {queue}",
                reasons=(f"about {depth:,} messages that their consumer gave up on",),
                unit="messages",
                expected="none",
                threshold=float(rule.above),
                labels={"queue": queue},
                is_count=True,
            )

    def _rules_invalid(self, before: Standing, now: datetime) -> Iterator[Finding]:
        """Yield a breach for a version that is not followed, and the end of what was told."""
        rule = self._rules.pipeline_rules_invalid
        blank = Finding(
            rule=rule,
            verdict="calm",
            subject="",
            source="pipeline",
            size=0.0,
            severity=rule.severity,
            since=now,
            seen_at=now,
            title="The override of the rules is not followed",
            expected="rules that can be used",
        )
        standing = set()
        for parameter, version, reason in self._override.faults():
            subject = f"{parameter}:{version or 'unread'}"
            standing.add(subject)
            yield blank._replace(
                verdict="breach",
                subject=subject,
                size=1.0,
                reasons=(reason,),
                labels={"parameter": parameter, "parameter_version": str(version)},
            )
        for key in before.incidents:
            subject = key.removeprefix(_INVALID)
            if key.startswith(_INVALID) and subject not in standing:
                reasons = ("the parameter is followed again",)
                yield blank._replace(subject=subject, reasons=reasons)


def _open(cursors: Mapping[str, Cursor]) -> dict[str, Cursor]:
    """Leave out the shards that were split or merged and whose children have taken over."""
    closed = {ancestor for cursor in cursors.values() for ancestor in cursor.ancestors}
    return {shard_id: cursor for shard_id, cursor in cursors.items() if shard_id not in closed}


def _is_silence(dedup_key: str) -> bool:
    return dedup_key.startswith(_SILENT)
