"""Which sources have gone silent, judged by what has been processed and never by the clock.

The watermark is the arrival up to which the event flow has processed everything. A flow that lags
has an old watermark, and before an old watermark no source is silent: one alert says that the flow
is behind, instead of one for each source behind it.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from pipeline.detection.health_rules import SilentSource
from pipeline.detection.heartbeats import Beat
from pipeline.detection.incidents import severity_at
from pipeline.detection.standing import Finding


def findings(
    rule: SilentSource, beats: Mapping[str, Beat], watermark: datetime, missed: Iterable[str]
) -> Iterator[Finding]:
    """Yield a breach for each silent source and calm for each missed one that is heard again.

    Args:
        rule: What counts as silence.
        beats: What is known of each source, by name.
        watermark: All that had arrived by then has been processed.
        missed: Names of the sources that are known to be silent.
    """
    for name in missed:
        beat = beats.get(name)
        if beat is None or _silence_s(beat, watermark) > rule.forget_s:
            yield _calm(rule, name, watermark, "it is not missed any more: silent for too long")
        elif not _is_silent(rule, beat, watermark):
            yield _calm(rule, name, _moment(beat.last), f"{name} is heard again")
    for beat in beats.values():
        if _is_silent(rule, beat, watermark) and _silence_s(beat, watermark) <= rule.forget_s:
            yield _breach(rule, beat, watermark)


def _is_silent(rule: SilentSource, beat: Beat, watermark: datetime) -> bool:
    return beat.beats >= rule.beats and _silence_s(beat, watermark) > _patience_s(rule, beat)


def _patience_s(rule: SilentSource, beat: Beat) -> float:
    return max(rule.silent_s, rule.factor * beat.longest_s)


def _silence_s(beat: Beat, watermark: datetime) -> float:
    return watermark.timestamp() - beat.last


def _breach(rule: SilentSource, beat: Beat, watermark: datetime) -> Finding:
    silence_s, patience_s = _silence_s(beat, watermark), _patience_s(rule, beat)
    last = _moment(beat.last)
    kind, _, name = beat.name.partition(" ")
    return Finding(
        rule=rule,
        verdict="breach",
        subject=beat.name,
        source=name,
        size=silence_s,
        severity=severity_at(silence_s, rule.severity, rule.steps),
        since=last,
        seen_at=watermark,
        title=f"{beat.name} has gone silent",
        reasons=(
            f"last heard about {last:%Y-%m-%d %H:%M:%S} UTC",
            f"it usually pauses for {timedelta(seconds=round(beat.longest_s))} at the most",
            f"everything up to {watermark:%H:%M:%S} UTC has been processed",
        ),
        unit="s",
        expected=f"a sign of life within {timedelta(seconds=round(patience_s))}",
        threshold=patience_s,
        labels={kind: name},
    )


def _calm(rule: SilentSource, name: str, ended_at: datetime, reason: str) -> Finding:
    return Finding(
        rule=rule,
        verdict="calm",
        subject=name,
        source=name.partition(" ")[2],
        size=0.0,
        severity=rule.severity,
        since=ended_at,
        seen_at=ended_at,
        title=f"{name} has gone silent",
        reasons=(reason,),
        unit="s",
        labels={name.partition(" ")[0]: name.partition(" ")[2]},
    )


def _moment(epoch_s: int) -> datetime:
    return datetime.fromtimestamp(epoch_s, UTC)
