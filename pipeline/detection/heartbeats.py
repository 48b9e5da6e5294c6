"""When each source was last heard, and how long it usually pauses: kept small, written seldom.

Sources are spread over a few rows per shard. A source's entry moves at most once a minute, so a
row costs a write unit per minute and source at the most, however much the source sends.
"""

from typing import Final
from zlib import crc32

import msgspec

RESOLUTION_S: Final = 60
"""Signs of life closer together than this are one beat."""

BUCKETS: Final = 8
"""Rows of a shard; each takes one write unit, so a batch writes at most so many."""

MAX_BUCKET_BYTES: Final = 800
"""Bound of a row's entries, which keeps it below 1 KB: about 24 sources with short names."""

MAX_BEATS: Final = 200

_HALF_LIFE_S: Final = 302_400  # half a week: what a source did on working days counts on Monday
_ENTRY_BYTES: Final = 20
_FORGET_S: Final = 604_800


class Beat(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a source.

    Attributes:
        name: Kind and name, such as `source web-7`.
        last: Arrival of the latest beat, in epoch seconds.
        longest_s: The longest usual pause: half of any longer one is learned, and it fades.
        beats: How often the source was heard a minute or more apart, at most `MAX_BEATS`.
    """

    name: str
    last: int
    longest_s: float = float(RESOLUTION_S)
    beats: int = 0


class Heartbeats(msgspec.Struct, frozen=True, array_like=True):
    """The entries of one row."""

    beats: tuple[Beat, ...] = ()


NONE: Final = Heartbeats()


def bucket(name: str) -> str:
    """Return the row that a source has its entry in, the same in every shard."""
    return str(crc32(name.encode()) % BUCKETS)


def heard(state: Heartbeats, name: str, arrived_at: float, regular_beats: int) -> Heartbeats:
    """Take in a sign of life; returns the very same state when there is nothing to note.

    A full row makes room for a newcomer only at the cost of a source that is irregular or has been
    silent for a week, so regular ones cannot be crowded out.

    Args:
        state: The row.
        name: Kind and name of the source.
        arrived_at: Arrival of its record in epoch seconds; the same one twice changes nothing.
        regular_beats: Beats that make a source regular.
    """
    arrived = int(arrived_at)
    for index, beat in enumerate(state.beats):
        if beat.name == name:
            if arrived - beat.last < RESOLUTION_S:
                return state
            beats = list(state.beats)
            beats[index] = _later(beat, arrived)
            return Heartbeats(tuple(beats))
    room = _made_room(state.beats, name, arrived, regular_beats)
    return state if room is None else Heartbeats((*room, Beat(name, arrived)))


def merged(states: list[Heartbeats]) -> dict[str, Beat]:
    """Return each source's newest entry among the rows of all shards."""
    newest: dict[str, Beat] = {}
    for state in states:
        for beat in state.beats:
            known = newest.get(beat.name)
            if known is None or (beat.last, beat.beats) > (known.last, known.beats):
                newest[beat.name] = beat
    return newest


def _later(beat: Beat, arrived: int) -> Beat:
    pause_s = arrived - beat.last
    longest_s = beat.longest_s * 0.5 ** (pause_s / _HALF_LIFE_S)
    if pause_s > longest_s:
        longest_s = (longest_s + pause_s) / 2
    longest_s = max(float(RESOLUTION_S), longest_s)
    return Beat(beat.name, arrived, longest_s, min(beat.beats + 1, MAX_BEATS))


def _made_room(
    beats: tuple[Beat, ...], name: str, arrived: int, regular_beats: int
) -> list[Beat] | None:
    kept = list(beats)
    while sum(map(_size_bytes, [*kept, Beat(name, arrived)])) > MAX_BUCKET_BYTES:
        idle = [
            beat for beat in kept if beat.beats < regular_beats or arrived - beat.last > _FORGET_S
        ]
        if not idle:
            return None
        kept.remove(min(idle, key=lambda beat: beat.last))
    return kept


def _size_bytes(beat: Beat) -> int:
    return len(beat.name.encode()) + _ENTRY_BYTES
