"""The rules as they are now: packaged ones, and what a parameter of Systems Manager changes."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Generic, NamedTuple, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.detection.overrides import overridden
from pipeline.detection.rules import Rules, RulesError
from pipeline.flows.alerts.checkup_ports import RulesFault
from pipeline.ports import Clock

BuiltT = TypeVar("BuiltT")

MAX_AGE: Final = timedelta(seconds=60)
"""How old the rules may be. 40 environments a second can ask by the account's default quota."""

MAX_BACK: Final = 5
"""How many earlier versions a new environment tries when the newest is invalid."""

PATIENCE: Final = 3
"""Failures to read in a row, a minute apart, that are worth an alert."""

_NONE: Final = frozenset({"ParameterNotFound", "ParameterVersionNotFound"})
_logger = logging.getLogger(__name__)


class _Version(NamedTuple):
    number: int
    text: str


class ParameterRules:
    """Keeps the rules of one execution environment up to date, and the last good ones if need be.

    An override that is invalid changes nothing: a warm environment keeps the rules that it has, a
    new one goes back to the newest version that is valid, or to the packaged rules. The same holds
    while the parameter cannot be read, for a pipeline that judges by old rules is better than one
    that stands still. `faults` says so until it is over.

    Args:
        client: Low-level client of Systems Manager.
        name: The parameter; that it does not exist means that nothing is overridden.
        clock: The time of day.
    """

    def __init__(
        self,
        client: Any,  # noqa: ANN401  boto3 types its clients by stubs that few services have here
        name: str,
        clock: Clock,
    ) -> None:
        self._client = client
        self._name = name
        self._clock = clock
        self._rules: Rules | None = None
        self._seen = -1
        self._read_at: datetime | None = None
        self._invalid: RulesFault | None = None
        self._unread: RulesFault | None = None
        self._failures = 0

    def current(self) -> Rules:
        """Return the rules, the same object until they change; asks at most once in `MAX_AGE`."""
        now = self._clock.now()
        is_due = self._read_at is None or not timedelta() <= now - self._read_at < MAX_AGE
        if self._rules is None or is_due:
            self._read_at = now
            self._rules = self._refreshed()
        return self._rules

    def faults(self) -> Sequence[RulesFault]:
        """Return why the parameter is not followed, nothing when it is; asks anew each time."""
        self._read_at = None
        self.current()
        unread = self._unread if self._failures >= PATIENCE else None
        return [fault for fault in (self._invalid, unread) if fault]

    def _refreshed(self) -> Rules:
        try:
            newest = self._read()
            number = newest.number if newest else 0
            rules = self._rules
            if rules is None or number != self._seen:
                rules = self._taken(newest)
        except (ClientError, BotoCoreError) as error:
            self._failures += 1
            self._unread = RulesFault(self._name, 0, f"the parameter cannot be read: {error}")
            _logger.warning("%s cannot be read: %s", self._name, error)
            return self._rules or overridden("")
        self._seen, self._unread, self._failures = number, None, 0
        return rules

    def _taken(self, newest: _Version | None) -> Rules:
        if newest is None:
            self._invalid = None
            return overridden("")
        try:
            rules = overridden(newest.text)
        except RulesError as error:
            rules = self._rules or self._last_good(newest.number)
            self._invalid = RulesFault(self._name, newest.number, str(error))
            _logger.warning("%s, version %d, is not followed: %s", *self._invalid)
            return rules
        self._invalid = None
        return rules

    def _last_good(self, invalid: int) -> Rules:
        for number in range(invalid - 1, max(0, invalid - 1 - MAX_BACK), -1):
            earlier = self._read(number)
            if earlier is None:
                break
            try:
                return overridden(earlier.text)
            except RulesError:
                continue  # it was told when it was the newest
        return overridden("")

    def _read(self, number: int | None = None) -> _Version | None:
        name = self._name if number is None else f"{self._name}:{number}"
        try:
            found = self._client.get_parameter(Name=name)["Parameter"]
        except ClientError as error:
            if error.response["Error"].get("Code") in _NONE:
                return None
            raise
        return _Version(found["Version"], found["Value"])


class PerRules(Generic[BuiltT]):
    """Builds something under the rules and keeps it until they change.

    Args:
        build: Makes it.
        rules: Returns the rules, the same object as long as they are the same.
    """

    def __init__(self, build: Callable[[Rules], BuiltT], rules: Callable[[], Rules]) -> None:
        self._build = build
        self._rules = rules
        self._built: tuple[Rules, BuiltT] | None = None

    def __call__(self) -> BuiltT:
        """Return what is built under today's rules."""
        rules = self._rules()
        if self._built is None or self._built[0] is not rules:
            self._built = (rules, self._build(rules))
        return self._built[1]

    def cache_clear(self) -> None:
        """Forget what was built, as a new execution environment has."""
        self._built = None
