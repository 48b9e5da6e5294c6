"""The card payments of the fraud detection handbook, simulated anew from its description, seeded.

Source: Le Borgne, Siblini, Lebichot, Bontempi: Reproducible Machine Learning for Credit Card Fraud
Detection, chapter 3. Customers and terminals lie on a grid; customers pay at terminals near them.
Frauds are of three kinds: amounts above 220; terminals that are compromised for four weeks, with
all their payments; cards that are compromised for two weeks, with a third of their payments, five
times as large. The random numbers are Python's, so the payments are alike, not the same.
"""

import random
from collections import defaultdict
from collections.abc import Iterator
from math import cos, floor, pi, sqrt
from math import log as ln
from typing import Final, NamedTuple

DAY_S: Final = 86_400
START_EPOCH: Final = 1_522_540_800
"""1 April 2018, 00:00 UTC: where the handbook begins."""

LIMIT: Final = 220.0
RADIUS: Final = 5.0
GRID: Final = 100.0
TERMINAL_DAYS: Final = 28
CARD_DAYS: Final = 14


class Size(NamedTuple):
    """How much is simulated; the handbook's own size, but for the days."""

    customers: int = 5_000
    terminals: int = 10_000
    days: int = 136


class Payment(NamedTuple):
    """A payment, and which kind of fraud it is; 0 for none."""

    number: int
    epoch: int
    customer: int
    terminal: int
    amount: float
    kind: int

    @property
    def day(self) -> int:
        """Return the days since the start."""
        return (self.epoch - START_EPOCH) // DAY_S


class Customer(NamedTuple):
    """Where a customer lives, the terminals near by, and how he pays."""

    x: float
    y: float
    near: tuple[int, ...]
    mean: float
    per_day: float


def payments(seed: int, size: Size) -> list[Payment]:
    """Return all payments in the order of their time."""
    rng = random.Random(seed)
    customers = _customers(rng, size)
    made = sorted(_made(rng, customers, size.days))
    terminal_until = _compromised_terminals(rng, size)
    found = [
        [epoch, customer, terminal, amount, 1 if amount > LIMIT else 0]
        for epoch, customer, terminal, amount in made
    ]
    for one in found:
        day = (one[0] - START_EPOCH) // DAY_S
        since = terminal_until.get(int(one[2]), [])
        if any(first <= day < first + TERMINAL_DAYS for first in since):
            one[4] = 2
    _compromise_cards(rng, found, size)
    return [
        Payment(number, int(epoch), int(customer), int(terminal), amount, int(kind))
        for number, (epoch, customer, terminal, amount, kind) in enumerate(found)
    ]


def home(customer: Customer) -> tuple[float, float]:
    """Return latitude and longitude of a customer: the grid laid over 100 km around 50 N, 8 E."""
    return 50.0 + customer.y / 111.2, 8.0 + customer.x / (111.2 * cos(50 * pi / 180))


def _customers(rng: random.Random, size: Size) -> list[Customer]:
    cells: dict[tuple[int, int], list[tuple[int, float, float]]] = defaultdict(list)
    for number in range(size.terminals):
        x, y = rng.uniform(0, GRID), rng.uniform(0, GRID)
        cells[floor(x / RADIUS), floor(y / RADIUS)].append((number, x, y))
    customers = []
    for _ in range(size.customers):
        x, y = rng.uniform(0, GRID), rng.uniform(0, GRID)
        mean, per_day = rng.uniform(5, 100), rng.uniform(0, 4)
        column, row = floor(x / RADIUS), floor(y / RADIUS)
        near = tuple(
            number
            for i in (column - 1, column, column + 1)
            for j in (row - 1, row, row + 1)
            for number, tx, ty in cells.get((i, j), ())
            if sqrt((tx - x) ** 2 + (ty - y) ** 2) < RADIUS
        )
        customers.append(Customer(x, y, near, mean, per_day))
    return customers


def _made(
    rng: random.Random, customers: list[Customer], days: int
) -> Iterator[tuple[int, int, int, float]]:
    for number, customer in enumerate(customers):
        if not customer.near:
            continue
        for day in range(days):
            for _ in range(_poisson(rng, customer.per_day)):
                second = int(rng.gauss(DAY_S / 2, 20_000))
                if not 0 < second < DAY_S:
                    continue
                amount = rng.gauss(customer.mean, customer.mean / 2)
                if amount < 0:
                    amount = rng.uniform(0, 2 * customer.mean)
                terminal = customer.near[int(rng.random() * len(customer.near))]
                yield START_EPOCH + day * DAY_S + second, number, terminal, round(amount, 2)


def _compromised_terminals(rng: random.Random, size: Size) -> dict[int, list[int]]:
    since = defaultdict(list)
    for day in range(size.days):
        for terminal in rng.sample(range(size.terminals), 2):
            since[terminal].append(day)
    return since


def _compromise_cards(rng: random.Random, found: list[list[float]], size: Size) -> None:
    by_customer: dict[int, list[int]] = defaultdict(list)
    for index, one in enumerate(found):
        by_customer[int(one[1])].append(index)
    for day in range(size.days):
        first, last = START_EPOCH + day * DAY_S, START_EPOCH + (day + CARD_DAYS) * DAY_S
        for customer in rng.sample(range(size.customers), 3):
            mine = [index for index in by_customer[customer] if first <= found[index][0] < last]
            for index in rng.sample(mine, len(mine) // 3):
                found[index][3] = round(found[index][3] * 5, 2)
                found[index][4] = 3


def _poisson(rng: random.Random, mean: float) -> int:
    """Count the arrivals of a Poisson process within one unit of time."""
    count, at = 0, -ln(1 - rng.random())
    while at < mean:
        count += 1
        at -= ln(1 - rng.random())
    return count
