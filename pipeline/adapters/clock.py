"""The clock of the machine."""

from datetime import UTC, datetime


class SystemClock:
    """`ports.Clock` on the operating system's clock."""

    def now(self) -> datetime:
        """Return the present moment in UTC."""
        return datetime.now(UTC)  # noqa: TID251  this is the clock that the others take
