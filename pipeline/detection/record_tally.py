"""How many records of a while were refused."""

import msgspec


class RecordTally(msgspec.Struct, frozen=True, array_like=True):
    """User records that arrived from `since` (epoch seconds) on, and how many were refused."""

    since: int = 0
    records: int = 0
    refused: int = 0

    def plus(self, records: int, refused: int, arrived_at: float, window_s: float) -> "RecordTally":
        """Return the tally with more records, a new one when their window of arrival is another."""
        since = int(arrived_at // window_s * window_s)
        if since > self.since:
            return RecordTally(since, records, refused)
        return RecordTally(self.since, self.records + records, self.refused + refused)

    def is_many(self, count: int, share: float) -> bool:
        """Tell whether at least `count` were refused, which are at least `share` of all."""
        return self.refused >= count and self.refused >= share * self.records
