"""Sliding windows over the newest entries of one subject, the same in whatever order they come.

What is kept is a set: the newest entries by time, each once, at most as many as fit. So neither
batch boundaries nor the order of arrival change it, and a repetition is known by its number.
"""

from bisect import bisect_left, bisect_right
from typing import Final
from zlib import crc32

import msgspec


class Window(msgspec.Struct, frozen=True, array_like=True):
    """Entries from old to new: epoch seconds, numbers made of their ids, and what they weigh."""

    times: tuple[float, ...] = ()
    marks: tuple[int, ...] = ()
    values: tuple[int, ...] = ()


EMPTY: Final = Window()


def mark(identity: str) -> int:
    """Return four bytes that stand for an id; two of a few dozen ids practically never share them.

    A shared mark makes the later entry count as a repetition.
    """
    return crc32(identity.encode())


def add(window: Window, at: float, number: int, value: int, capacity: int) -> Window | None:
    """Return the window with one more entry, and without its oldest one when it was full.

    Args:
        window: What is kept so far; does not have `number` yet.
        at: Epoch seconds of the entry, in any order.
        number: The `mark` of its id.
        value: What it weighs, not negative.
        capacity: How many entries are kept.

    Returns:
        None when the window is full of newer entries: nothing of this one can be kept, and no one
        can tell whether it is a repetition.
    """
    times, marks, values = window.times, window.marks, window.values
    size = len(times)
    surplus = max(0, size - capacity + 1)  # more than one after the rules have shrunk a window
    if not size or at > times[-1]:
        return Window(
            (*times[surplus:], at), (*marks[surplus:], number), (*values[surplus:], value)
        )
    place = bisect_left(times, at)
    while place < size and times[place] == at and marks[place] < number:
        place += 1  # entries of one moment are in the order of their marks, not of their arrival
    if place < surplus:
        return None
    return Window(
        (*times[surplus:place], at, *times[place:]),
        (*marks[surplus:place], number, *marks[place:]),
        (*values[surplus:place], value, *values[place:]),
    )


def spans(window: Window, at: float, span_s: float) -> list[tuple[int, int]]:
    """Return every stretch of `span_s` seconds that an entry at `at` has made fuller.

    A stretch reaches back from one entry, that one included, to `span_s` before it, that moment
    excluded. For the newest entry there is one; a late entry lies in those of newer ones too.

    Returns:
        For each stretch its first index and the one behind its last.
    """
    times = window.times
    size = len(times)
    last = bisect_right(times, at)
    if last == size:
        return [(bisect_right(times, at - span_s), size)]
    found = []
    for end in range(last, size + 1):
        since = times[end - 1] - span_s
        if since >= at:
            break
        found.append((bisect_right(times, since), end))
    return found
