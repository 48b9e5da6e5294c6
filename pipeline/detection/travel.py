"""The fold for journeys, per user: two positions that nobody can travel between in the time.

Only accepted positions are compared with. One that was found impossible is no reference for the
next, so neither a stolen account nor a wild GPS fix moves a user's whereabouts; after as many hours
as the journey would have taken it is accepted, so a wrong reference heals by itself within a day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt
from typing import Final, NamedTuple, Self

import msgspec
from msgspec import UNSET

from pipeline.detection.anomaly import Anomaly
from pipeline.detection.incidents import IDLE, Incident, strike
from pipeline.detection.rules import Rules
from pipeline.detection.user_facts import Breach, Told, breaches_text, lapse_text, user_fact
from pipeline.detection.user_rules import ImpossibleTravel, Vocabulary
from pipeline.detection.windows import EMPTY, Window, add, mark
from pipeline.events import Event, Location, Transaction, UserActivity

ACCEPTED_KEPT: Final = 8
"""How many accepted positions a late event can still find its neighbours among."""

REFUSED_KEPT: Final = 16
"""How many impossible positions are remembered, to know their repetitions."""

EARTH_RADIUS_KM: Final = 6371.0

_STEPS_PER_DEGREE: Final = 10_000_000  # about a centimetre
_SHORTEST_LAPSE_S: Final = 1.0  # two events of one second: the speed stays a finite figure
_MAX_PLACE_CHARS: Final = 40


class TravelState(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of one user's positions; `refused` holds the impossible ones."""

    accepted: Window = EMPTY
    refused: Window = EMPTY
    leaps: Incident = IDLE


class Leap(NamedTuple):
    """From where, how far, in what time, how fast."""

    origin: int
    km: float
    lapse_s: float
    km_h: float


@dataclass(frozen=True, slots=True)
class TravelDetector:
    """Folds positions of sign-ins and payments in any order; a repetition changes nothing."""

    rule: ImpossibleTravel
    vocabulary: Vocabulary
    name: str = "travel"
    version: int = 1
    state_type: type[TravelState] = TravelState

    @classmethod
    def under(cls, rules: Rules) -> Self:
        """Return the detector that follows these rules."""
        return cls(rules.impossible_travel, rules.vocabulary)

    def subject(self, event: Event) -> str | None:
        """Return the user, None for an event that does not show where its user is."""
        if isinstance(event, UserActivity):
            if event.activity_type.lower() not in self.vocabulary.signed_in:
                return None
        elif isinstance(event, Transaction):
            status = event.status
            if status is not UNSET and status.lower() in self.vocabulary.not_presence:
                return None
        else:
            return None
        place = event.location
        if not isinstance(place, Location) or place.latitude == place.longitude == 0:
            return None  # latitude 0, longitude 0 is how software writes "unknown"
        return event.user_id

    def initial(self) -> TravelState:
        """Return the state of a user who has never been located."""
        return TravelState()

    def fold(
        self, state: TravelState, event: Event, event_id: str
    ) -> tuple[TravelState, Sequence[Anomaly]]:
        """Take in one position and return the user's state with the edges that it causes."""
        if not isinstance(event, Transaction | UserActivity):
            return state, ()
        place = event.location
        if not isinstance(place, Location):
            return state, ()
        identity = event.transaction_id if isinstance(event, Transaction) else event_id
        number = mark(identity)
        if number in state.accepted.marks or number in state.refused.marks:
            return state, ()
        at = event.timestamp.timestamp()
        here = _packed(place)
        accepted = add(state.accepted, at, number, here, ACCEPTED_KEPT)
        refused = add(state.refused, at, number, 0, REFUSED_KEPT)
        if accepted is None or refused is None:
            return state, ()  # too late to be judged, and maybe a repetition
        leap = self._leap(accepted, number)
        if leap is None:
            return TravelState(accepted, state.refused, state.leaps), ()
        rule = self.rule
        leaps, edge = strike(state.leaps, rule.quiet_s, event.timestamp, leap.km, rule.severity)
        after = TravelState(state.accepted, refused, leaps)
        if edge is None:
            return after, ()
        return after, (
            self._told(place, Breach(event, event_id, event.user_id, leaps, edge), leap),
        )

    def _leap(self, accepted: Window, number: int) -> Leap | None:
        """Return the fastest impossible way between the position and its neighbours in time."""
        place = accepted.marks.index(number)
        here, at = accepted.values[place], accepted.times[place]
        worst: Leap | None = None
        for other in (place - 1, place + 1):
            if not 0 <= other < len(accepted.times) or accepted.values[other] == here:
                continue
            km = distance_km(*_position(accepted.values[other]), *_position(here))
            if km <= self.rule.beyond_km:
                continue
            lapse_s = abs(at - accepted.times[other])
            km_h = km / max(lapse_s, _SHORTEST_LAPSE_S) * 3600
            if km_h > self.rule.above_km_h and (worst is None or km_h > worst.km_h):
                worst = Leap(accepted.values[other], km, lapse_s, km_h)
        return worst

    def _told(self, place: Location, breach: Breach, leap: Leap) -> Anomaly:
        rule, user = self.rule, breach.subject
        way = f"{leap.km:,.0f} km within {lapse_text(leap.lapse_s)}"
        what = "payment" if isinstance(breach.event, Transaction) else "sign-in"
        latitude, longitude = _position(leap.origin)
        origin = _degrees(latitude, longitude)
        told = Told(
            source=user,
            title=f"Impossible travel of {way} by {user}",
            expected=f"at most {rule.above_km_h:,.0f} km/h beyond {rule.beyond_km:,.0f} km",
            observed=leap.km_h,
            threshold=rule.above_km_h,
            unit="km/h",
            reasons=(
                f"{what} at {_place_text(place)}, {way} from {origin}: {leap.km_h:,.0f} km/h",
                breaches_text(breach.incident.count, "impossible position", "impossible positions"),
            ),
            labels={"user_id": user},
            score=leap.km_h / rule.above_km_h,
        )
        return user_fact(rule, breach, told)


def distance_km(
    latitude: float, longitude: float, other_latitude: float, other_longitude: float
) -> float:
    """Return the great-circle distance of two positions in degrees.

    Source: haversine formula on a sphere; at most 0.6 % off the ellipsoid.
    """
    phi, other_phi = radians(latitude), radians(other_latitude)
    half_turn = sin(radians(other_longitude - longitude) / 2)
    half_rise = sin((other_phi - phi) / 2)
    chord = half_rise * half_rise + cos(phi) * cos(other_phi) * half_turn * half_turn
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(chord)))


def _packed(place: Location) -> int:
    north = round((place.latitude + 90) * _STEPS_PER_DEGREE)
    east = round((place.longitude + 180) * _STEPS_PER_DEGREE)
    return north << 32 | east


def _position(packed: int) -> tuple[float, float]:
    north, east = packed >> 32, packed & 0xFFFFFFFF
    return north / _STEPS_PER_DEGREE - 90, east / _STEPS_PER_DEGREE - 180


def _place_text(place: Location) -> str:
    degrees = _degrees(place.latitude, place.longitude)
    names = [name for name in (place.city, place.country) if name is not UNSET and name]
    return f"{', '.join(names)[:_MAX_PLACE_CHARS]} ({degrees})" if names else degrees


def _degrees(latitude: float, longitude: float) -> str:
    north = f"{abs(latitude):.1f}°{'N' if latitude >= 0 else 'S'}"
    return f"{north} {abs(longitude):.1f}°{'E' if longitude >= 0 else 'W'}"
