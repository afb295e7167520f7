"""What a run comes to: geometric means over its rows, and the time that whole networks take.

Rows are grouped by direction and layout, and by whatever else a run varies: its thread counts, element types, warm or
cold caches, fresh or given outputs. A mean over one and eight threads would say nothing about either.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from .results import OWN, Results, Row, Sample
from .stats import geometric_mean

T = TypeVar("T")


@dataclass(frozen=True)
class Group:
    """Rows that may be averaged."""

    direction: str
    layout: str
    setting: str
    """What else the run varies, such as "8 threads"; empty if nothing."""

    def __str__(self) -> str:
        return " ".join(part for part in (self.direction, self.layout, self.setting) if part)


@dataclass(frozen=True)
class PeerTotal:
    """One peer over the rows of a group."""

    who: str
    rows: int
    """How many have a correct time of ours and of this peer."""
    below: int
    """In how many of them we are slower."""
    ratio: float
    """How many times as fast we are, geometric mean."""


@dataclass(frozen=True)
class Total:
    group: Group
    rows: int
    compared: int
    """Rows with a correct time of ours and of a peer: those that the ratio is of."""
    below: int
    """Rows with a ratio below 1."""
    ratio: float
    """To the best peer of each row, geometric mean."""
    worst: Row | None
    """The row with the least ratio."""
    share_of_roofline: float
    """Geometric mean."""
    least_of_roofline: Row | None
    """The row with the least share of its roofline."""
    share_of_peak: float
    """Geometric mean."""
    peers: list[PeerTotal]


@dataclass(frozen=True)
class NetworkTime:
    """One implementation on a whole network."""

    who: str
    seconds: float
    """The sum over its rows of count times time; NaN if a row has no correct time."""
    missing: int
    """How many rows have none."""
    ratio: float
    """How many times as fast we are; NaN if either has no sum, 1 for ourselves."""


@dataclass(frozen=True)
class Network:
    suite: str
    group: Group
    rows: int
    layers: int
    """The sum of the counts."""
    own: NetworkTime
    peers: list[NetworkTime]


@dataclass(frozen=True)
class Totals:
    groups: list[Total]
    """By direction, layout and setting."""
    directions: list[Total]
    """By direction and setting, over all layouts; `group.layout` is empty."""
    networks: list[Network]


def totals(results: Results) -> Totals:
    setting = settings(results.rows)
    by_group = grouped(results.rows, lambda row: Group(row.direction, row.layout, setting(row)))
    by_direction = grouped(results.rows, lambda row: Group(row.direction, "", setting(row)))
    return Totals(
        [_total(group, rows) for group, rows in by_group.items()],
        [_total(group, rows) for group, rows in by_direction.items()],
        _networks(results.rows, setting),
    )


def settings(rows: Iterable[Row]) -> Callable[[Row], str]:
    """A function that names what tells a row from others of its direction and layout: only what these rows vary."""
    rows = list(rows)

    def varies(pick: Callable[[Row], object]) -> bool:
        return len({pick(row) for row in rows}) > 1

    parts: list[Callable[[Row], str]] = []
    if varies(lambda row: row.threads):
        parts.append(lambda row: f"{row.threads} thread{'s' * (row.threads != 1)}")
    if varies(lambda row: row.dtype):
        parts.append(lambda row: row.dtype)
    if varies(lambda row: row.cache):
        parts.append(lambda row: f"{row.cache} cache")
    if varies(lambda row: row.out):
        parts.append(lambda row: "given output" if row.out else "fresh output")
    return lambda row: ", ".join(part(row) for part in parts)


def fastest_by_peer(row: Row) -> dict[str, Sample]:
    """The fastest correct sample of each peer, whatever its variant."""
    best: dict[str, Sample] = {}
    for sample in row.peers:
        if sample.ok and sample.seconds and (sample.who not in best or sample.time < best[sample.who].time):
            best[sample.who] = sample
    return best


def peer_names(rows: Iterable[Row]) -> list[str]:
    """In the order of their first row; also those that have no correct time at all."""
    return list(dict.fromkeys(sample.who for row in rows for sample in row.peers))


def grouped(items: Iterable[Row], key: Callable[[Row], T]) -> dict[T, list[Row]]:
    groups: dict[T, list[Row]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def _total(group: Group, rows: list[Row]) -> Total:
    compared = [row for row in rows if not math.isnan(row.ratio)]
    timed = [row for row in rows if not math.isnan(row.share_of_roofline)]
    return Total(
        group,
        rows=len(rows),
        compared=len(compared),
        below=sum(row.ratio < 1 for row in compared),
        ratio=geometric_mean(row.ratio for row in compared),
        worst=min(compared, key=lambda row: row.ratio, default=None),
        share_of_roofline=geometric_mean(row.share_of_roofline for row in timed),
        least_of_roofline=min(timed, key=lambda row: row.share_of_roofline, default=None),
        share_of_peak=geometric_mean(row.share_of_peak for row in rows),
        peers=[_peer_total(who, rows) for who in peer_names(rows)],
    )


def _peer_total(who: str, rows: list[Row]) -> PeerTotal:
    ratios = []
    for row in rows:
        theirs = fastest_by_peer(row).get(who)
        if row.own and theirs:
            ratios.append(theirs.time / row.own.time)
    return PeerTotal(who, len(ratios), sum(ratio < 1 for ratio in ratios), geometric_mean(ratios))


def _networks(rows: list[Row], setting: Callable[[Row], str]) -> list[Network]:
    # A suite without counts has a 1 everywhere: a list of problems, whose sum would be no network's time.
    counted = {row.suite for row in rows if row.count > 1}
    groups = grouped(
        (row for row in rows if row.suite in counted),
        lambda row: (row.suite, Group(row.direction, row.layout, setting(row))),
    )
    return [_network(suite, group, part) for (suite, group), part in groups.items()]


def _network(suite: str, group: Group, rows: list[Row]) -> Network:
    times = {
        who: _sum(rows, [fastest_by_peer(row).get(who) for row in rows]) for who in peer_names(rows)
    }  # fmt: skip
    ours, missing = _sum(rows, [row.own for row in rows])
    peers = [NetworkTime(who, total, without, total / ours) for who, (total, without) in times.items()]
    own = NetworkTime(OWN, ours, missing, 1.0)
    return Network(suite, group, len(rows), sum(row.count for row in rows), own, peers)


def _sum(rows: list[Row], samples: list[Sample | None]) -> tuple[float, int]:
    missing = sum(sample is None for sample in samples)
    if missing:
        return math.nan, missing
    return math.fsum(row.count * sample.time for row, sample in zip(rows, samples, strict=True) if sample), 0
