from dataclasses import dataclass, field

from pipeline.cli.deployment.smoke import Hop, follow


@dataclass
class Late:
    """A batch whose pieces arrive at given seconds of a clock that only waiting moves."""

    rows_at: float = 0
    lake_at: float = 0
    page_at: float = 0
    now: float = 0
    pauses: list[float] = field(default_factory=list)

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)

    def missing_rows(self) -> list[str]:
        return [] if self.now >= self.rows_at else ["metrics: one"]

    def missing_in_the_lake(self) -> list[str]:
        return [] if self.now >= self.lake_at else ["one"]

    def missing_pages(self) -> list[str]:
        return [] if self.now >= self.page_at else ["no alert has opened"]


def test_a_batch_that_is_there_is_not_waited_for() -> None:
    batch = Late()

    hops = follow(batch, 60, lambda: batch.now, batch.pause)

    assert hops == [Hop("rows", 0, ()), Hop("lake", 0, ()), Hop("alert", 0, ())]
    assert batch.pauses == []


def test_each_place_is_waited_for_in_turn() -> None:
    batch = Late(rows_at=2, lake_at=1, page_at=5)

    hops = follow(batch, 60, lambda: batch.now, batch.pause)

    assert hops == [Hop("rows", 2, ()), Hop("lake", 2, ()), Hop("alert", 5, ())]


def test_what_has_not_come_when_the_time_is_up_is_named() -> None:
    batch = Late(lake_at=1_000)

    hops = follow(batch, 10, lambda: batch.now, batch.pause)

    assert hops == [Hop("rows", 0, ()), Hop("lake", 10, ("one",)), Hop("alert", 10, ())]
