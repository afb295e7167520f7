"""The tables of a report, as plain data: what they hold is decided here once, how they look by each format."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .. import stats
from ..machine import slowed
from ..results import OWN, PeerInfo, Results, Row, Sample
from ..totals import Network, NetworkTime, Total, Totals, fastest_by_peer, grouped, peer_names, settings

UNCHARGED = "*"
LEGEND = (
    f"{UNCHARGED} ran on copies in its own layout, made beforehand: the conversion is not in its time. "
    "Error: the distance from a float64 reference, relative to it."
)


_SHOWN = 5
"""Rows that a note names before it only counts."""


@dataclass(frozen=True)
class Cell:
    text: str
    mark: str = ""
    """above or below (the ratio 1), bad (a failure), or nothing."""
    code: bool = False
    hint: str = ""
    """More about it, where a format has a place for that."""


@dataclass(frozen=True)
class Column:
    head: str
    number: bool = False


@dataclass(frozen=True)
class Table:
    title: str
    columns: list[Column]
    rows: list[list[Cell]]
    note: str = ""


@dataclass
class _Builder:
    """Columns and the function that fills each, so that the two cannot get out of step."""

    columns: list[Column] = field(default_factory=list)
    fill: list[Callable[[Any], Cell]] = field(default_factory=list)

    def text(self, head: str, of: Callable[[Any], Cell | str]) -> None:
        self._add(Column(head), of)

    def number(self, head: str, of: Callable[[Any], Cell | str]) -> None:
        self._add(Column(head, number=True), of)

    def table(self, title: str, items: list[Any], note: str = "") -> Table:
        return Table(title, self.columns, [[fill(item) for fill in self.fill] for item in items], note)

    def _add(self, column: Column, of: Callable[[Any], Cell | str]) -> None:
        self.columns.append(column)
        self.fill.append(lambda item: cell if isinstance(cell := of(item), Cell) else Cell(cell))


def machine(results: Results) -> Table:
    return Table("Machine", [Column(""), Column("")], [_entry(key, value) for key, value in results.machine.items()])


def run(results: Results) -> Table:
    entries = [
        [Cell("started"), Cell(results.started or stats.NONE)],
        [Cell("took"), Cell(stats.seconds(results.seconds))],
        [Cell("command"), Cell(results.command or stats.NONE, code=bool(results.command))],
        *(_entry(key, value) for key, value in results.options.items()),
    ]
    return Table("Run", [Column(""), Column("")], entries)


def peaks(results: Results) -> Table:
    found = results.peaks
    rows = [
        [Cell(" ".join(f"FMA {e.get('dtype', '')} {e.get('isa', '')}".split())), *_peak_cells(e, stats.flops, "flops")]
        for e in found.fma
    ]
    for name, entries in (("read", found.read), ("triad", found.triad)):
        for entry in entries:
            what = f"{name}, {stats.size(float(entry['bytes']))}" if "bytes" in entry else name
            rows.append([Cell(what), *_peak_cells(entry, stats.rate, "rate")])
    if not math.isnan(found.call_overhead):
        rows.append([Cell("one call, without its work"), Cell(stats.NONE), Cell(stats.seconds(found.call_overhead))])
    columns = [Column("peak"), Column("threads", number=True), Column("measured", number=True)]
    return Table("Peaks", columns, rows)


def peers(results: Results) -> Table:
    builder = _Builder()
    builder.text("peer", lambda peer: peer.name)
    builder.text("version", lambda peer: peer.version or Cell("absent"))
    builder.text("note", lambda peer: peer.note)
    return builder.table("Peers", results.peers)


def rows(results: Results) -> list[Table]:
    """One table per direction: what was measured, row by row."""
    setting = settings(results.rows)
    several_suites = len({row.suite for row in results.rows}) > 1
    by_direction = grouped(results.rows, lambda row: row.direction)
    return [_rows(direction, part, setting, several_suites) for direction, part in by_direction.items()]


def totals(of: Totals) -> Table:
    builder = _Builder()
    builder.text("rows", lambda t: str(t.group))
    builder.number("count", lambda t: str(t.rows))
    builder.number("with a peer", lambda t: str(t.compared))
    builder.number("below 1.0", lambda t: str(t.below) if t.compared else stats.NONE)
    builder.number("ratio to the best peer", lambda t: ratio_cell(t.ratio))
    builder.text("worst row", lambda t: _short(t.worst) if t.worst else stats.NONE)
    builder.number("its ratio", lambda t: ratio_cell(t.worst.ratio) if t.worst else stats.NONE)
    builder.number("of roofline", lambda t: stats.percent(t.share_of_roofline))
    builder.text("least of roofline", _least_of_roofline)
    builder.number("of FMA peak", lambda t: stats.percent(t.share_of_peak))
    note = "Ratios and shares are geometric means. A ratio above 1 means tapwise is faster."
    return builder.table("Totals", of.groups, note)


def each_peer(of: Totals) -> Table:
    names = list(dict.fromkeys(peer.who for total in of.groups for peer in total.peers))
    builder = _Builder()
    builder.text("rows", lambda t: str(t.group))
    for name in names:
        builder.number(name, partial(_peer_ratio, name))
        builder.number("below 1.0", partial(_peer_below, name))
    items = of.groups if names else []
    note = "Geometric means over the rows that both have a correct time for."
    return builder.table("Ratio to each peer", items, note)


def networks(of: Totals) -> Table:
    names = list(dict.fromkeys(peer.who for network in of.networks for peer in network.peers))
    builder = _Builder()
    builder.text("network", lambda n: n.suite)
    builder.text("rows", lambda n: str(n.group))
    builder.number("layers", lambda n: str(n.layers))
    builder.number(OWN, lambda n: _network_time(n, n.own))
    for name in names:
        builder.number(name, partial(_network_peer, name))
        builder.number("ratio", partial(_network_ratio, name))
    note = "Sums of count times time. Who lacks a correct time on a row has no sum; how many rows it lacks is stated."
    return builder.table("Networks", of.networks, note)


def notes(results: Results) -> list[str]:
    """What a reader must know before the figures."""
    found = []
    if not results.complete:
        found.append("This run is incomplete: it was stopped before all of its rows were measured.")
    found += slowed(results.machine)
    found += [f"Wrong result: {sample.label} on {row.title}: {_reason(sample)}." for row, sample in results.wrong]
    # One line for all that a peer fails at in the same way.
    failures: dict[tuple[str, str], list[Row]] = {}
    for row in results.rows:
        for sample in row.peers:
            if not sample.ok:
                failures.setdefault((sample.label, _reason(sample).split(":")[0]), []).append(row)
    found += [f"Left out: {label} on {_titles(rows)}: {why}." for (label, why), rows in failures.items()]
    untimed = [row for row in results.rows if row.own is None]
    if untimed:
        found.append(f"No correct time of tapwise on {_titles(untimed)}.")
    found += [f"Absent peer: {peer.name}{f' ({peer.note})' if peer.note else ''}." for peer in absent(results)]
    if results.rows and not any(row.best_peer for row in results.rows):
        found.append("No peer was measured, so there are no ratios.")
    if not results.rows:
        found.append("No row was measured.")
    return found


def absent(results: Results) -> list[PeerInfo]:
    return [peer for peer in results.peers if not peer.version]


def ratio_cell(value: float) -> Cell:
    return Cell(stats.ratio(value), "" if math.isnan(value) else "below" if value < 1 else "above")


def peer_label(sample: Sample) -> str:
    return sample.label if sample.charged else f"{sample.label}{UNCHARGED}"


def plain(value: object) -> str:
    """Any value of a JSON file as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(map(_assignment, value.items())) or stats.NONE
    if isinstance(value, (list, tuple)):
        nested = any(isinstance(entry, dict) for entry in value)
        return ("; " if nested else ", ").join(map(plain, value)) or stats.NONE
    if isinstance(value, float):
        return stats.NONE if math.isnan(value) else f"{value:.6g}"
    return stats.NONE if value is None or value == "" else str(value)


def _assignment(entry: tuple[str, object]) -> str:
    key, value = entry
    return stats.size(value) if key == "bytes" and isinstance(value, int) else f"{key}={plain(value)}"


def _reason(sample: Sample) -> str:
    return sample.note or ("no number" if math.isnan(sample.error) else f"error {sample.error:.1e}")


def _titles(rows: list[Row]) -> str:
    shown = ", ".join(row.title for row in rows[:_SHOWN])
    return shown + (f" and {_counted(len(rows) - _SHOWN, 'more row')}" if len(rows) > _SHOWN else "")


def _rows(direction: str, part: list[Row], setting: Callable[[Row], str], several_suites: bool) -> Table:
    builder = _Builder()
    builder.text("problem", lambda row: Cell(row.name, hint=row.problem) if row.name else Cell(row.problem, code=True))
    if several_suites:
        builder.text("suite", lambda row: row.suite)
    builder.text("layout", lambda row: row.layout)
    if any(map(setting, part)):
        builder.text("setting", setting)
    builder.number("ratio", lambda row: ratio_cell(row.ratio))
    builder.text("to", lambda row: peer_label(row.best_peer) if row.best_peer else stats.NONE)
    builder.number("time", lambda row: _own(row, lambda own: stats.seconds(own.time)))
    builder.number("GFLOP/s", lambda row: _own(row, lambda own: stats.gigaflops(row.rate(own))))
    builder.number("of peak", lambda row: stats.percent(row.share_of_peak))
    builder.number("of roofline", lambda row: stats.percent(row.share_of_roofline))
    builder.text("algorithm", _algorithm)
    builder.number("workspace", lambda row: _own(row, lambda own: stats.size(own.workspace_bytes)))
    builder.number("error", _error)
    for name in peer_names(part):
        builder.number(name, partial(_peer_time, name))
    return builder.table(direction, part)


def _own(row: Row, of: Callable[[Sample], str]) -> str:
    return of(row.own) if row.own else stats.NONE


def _algorithm(row: Row) -> str:
    """Or why there is none."""
    if row.own:
        return row.own.algorithm or row.own.variant or stats.NONE
    return next((sample.note for sample in row.samples if sample.who == OWN and sample.note), stats.NONE)


def _error(row: Row) -> Cell:
    if row.own:
        return Cell(stats.NONE if math.isnan(row.own.error) else f"{row.own.error:.1e}")
    return _failure(sample for sample in row.samples if sample.who == OWN)


def _peer_time(name: str, row: Row) -> Cell:
    sample = fastest_by_peer(row).get(name)
    if sample:
        return Cell(stats.seconds(sample.time) + ("" if sample.charged else UNCHARGED))
    return _failure(sample for sample in row.peers if sample.who == name)


def _failure(samples: Iterable[Sample]) -> Cell:
    """Why there is no time: computed, but wrongly; not computed at all; or nothing to say."""
    failed = [sample for sample in samples if not sample.ok]
    if not failed:
        return Cell(stats.NONE)
    return Cell("failed" if all(math.isnan(sample.error) for sample in failed) else "wrong", "bad")


def _least_of_roofline(total: Total) -> str:
    row = total.least_of_roofline
    return f"{_short(row)} ({stats.percent(row.share_of_roofline)})" if row else stats.NONE


def _short(row: Row) -> str:
    return f"{row.name or row.problem} {row.layout}".rstrip()


def _peer_ratio(name: str, total: Total) -> Cell:
    return next((ratio_cell(peer.ratio) for peer in total.peers if peer.who == name), Cell(stats.NONE))


def _peer_below(name: str, total: Total) -> str:
    return next((f"{peer.below} of {peer.rows}" for peer in total.peers if peer.who == name and peer.rows), stats.NONE)


def _network_time(network: Network, time: NetworkTime) -> Cell:
    if time.missing:
        return Cell(f"lacks {time.missing} of {_counted(network.rows, 'row')}")
    return Cell(stats.seconds(time.seconds))


def _network_peer(name: str, network: Network) -> Cell:
    return next((_network_time(network, peer) for peer in network.peers if peer.who == name), Cell(stats.NONE))


def _network_ratio(name: str, network: Network) -> Cell:
    return ratio_cell(next((peer.ratio for peer in network.peers if peer.who == name), math.nan))


def _peak_cells(entry: dict[str, Any], unit: Callable[[float], str], key: str) -> list[Cell]:
    value = float(entry.get(key, math.nan))
    return [Cell(plain(entry.get("threads"))), Cell(unit(value))]


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'s' * (count != 1)}"


def _entry(key: str, value: object) -> list[Cell]:
    if isinstance(value, int) and key.endswith("bytes"):
        return [Cell(_words(key.removesuffix("bytes").rstrip("_")) or "size"), Cell(stats.size(value))]
    return [Cell(_words(key)), Cell(plain(value))]


def _words(key: str) -> str:
    return key.replace("_", " ")
