"""What changed between two runs: ours against ours, row by row, on machines that are never quite the same twice.

On a shared machine two runs of one build differ by more than most changes to a kernel, and in whole rows at a time: a
rank test alone finds "significant" differences everywhere. So each row asks for witnesses of what the machine did
between the runs:

- the FMA peak measured next to the row;
- the peers of the row, where both runs have them in the same version: code that did not change;
- without such peers, the peak over the whole run, because a single peak may have been disturbed itself.

Each witness is heard twice, on the medians and on the fastest samples: a slower kernel moves both, a busy neighbour
mostly the medians. The change of a row is the estimate nearest to "none" of all these, so that only what no witness
explains is ours. It counts if it exceeds the row's noise floor, and if the samples, freed of the machine's factor,
differ by a two-sided Mann-Whitney test at 0.01, corrected by Holm over all rows.

The noise floor is the largest of: a fixed one; half the width between the row's estimates, because witnesses that
contradict each other know little; twice the typical change of the peers, which by the same measure should be none.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu  # type: ignore[import-untyped]

from . import stats
from .report.tables import Cell, Column, Table
from .results import Results, Row, Sample
from .totals import settings

ALPHA = 0.01
FLOOR = 0.05
FLOOR_WITHOUT_PEERS = 0.08
"""Between runs of one build, peers explain most of what differs; without them this much stays."""

# What an entry of the machine's description says of the build: that much may differ, it is what is compared.
_BUILD = ("tapwise", "revision", "isa", "isas_usable", "compiler", "flags", "openmp")

_WITNESS = 5
"""Samples that a peer needs in either run."""

_TOLERABLE = 0.1
"""A noise floor above this is worth a warning."""

# The exact null distribution up to here; beyond, the normal approximation reaches every level that matters.
_EXACT = 40


@dataclass(frozen=True)
class Change:
    """One row in both runs. Factors are new over old: 1.1 took 10% more time."""

    old: Row
    new: Row
    ratio: float
    """Of the medians as measured."""
    machine: float
    """The part of it that the machine accounts for."""
    change: float
    """What is left, as a fraction: 0.1 is 10% slower, -0.1 is 10% less time."""
    floor: float
    """The change that this row can tell from noise."""
    p: float
    """Of the rank test, after Holm's correction."""
    enough: bool
    """Whether so few samples could have been significant at all."""

    @property
    def verdict(self) -> str:
        """slower, faster, same, or "too few samples" where the medians differ but nothing could have proved it."""
        if abs(math.log1p(self.change)) <= math.log1p(self.floor):
            return "same"
        if not self.enough:
            return "too few samples"
        if self.p >= ALPHA:
            return "same"
        return "slower" if self.change > 0 else "faster"


@dataclass(frozen=True)
class Comparison:
    changes: list[Change]
    """Every row that has a correct time of ours in both runs."""
    lost: list[Row]
    """Rows of the new run without a correct time of ours, which the old run has."""
    gained: list[Row]
    """The other way round."""
    only_old: list[Row]
    only_new: list[Row]
    fail_if: float
    notes: list[str]
    """What a reader must know to trust the rest: other machines, other versions, no peers."""

    @property
    def slower(self) -> list[Change]:
        return sorted((c for c in self.changes if c.verdict == "slower"), key=lambda c: -c.change)

    @property
    def faster(self) -> list[Change]:
        return sorted((c for c in self.changes if c.verdict == "faster"), key=lambda c: c.change)

    @property
    def undecided(self) -> list[Change]:
        return [c for c in self.changes if c.verdict == "too few samples"]

    @property
    def failing(self) -> list[Change]:
        """Rows that are slower by more than `fail_if`."""
        return [c for c in self.slower if c.change > self.fail_if]

    @property
    def failed(self) -> bool:
        """A row is slower by more than `fail_if`, or has no correct time of ours any more."""
        return bool(self.failing or self.lost)

    @property
    def mean(self) -> float:
        """Geometric mean of 1 + change over all rows, the insignificant ones too."""
        return stats.geometric_mean(1 + c.change for c in self.changes)

    @property
    def summary(self) -> str:
        """One sentence."""
        if not self.changes and not self.lost:
            return "The runs have no row in common."
        counts = [
            f"{len(part)} {word}"
            for part, word in (
                (self.slower, "slower"),
                (self.faster, "faster"),
                (self.lost, "without a correct result any more"),
                (self.undecided, "with too few samples to say"),
            )
            if part
        ]
        text = f"{len(self.changes)} row{'s' * (len(self.changes) != 1)} compared: "
        text += ", ".join(counts) if counts else "no difference"
        if self.changes:
            floors = sorted(c.floor for c in self.changes)
            low, high = stats.percent(floors[0]), stats.percent(floors[-1])
            text += f" (noise floor {low if low == high else f'{low} to {high}'})"
        if self.failing:
            text += f"; {len(self.failing)} slower by more than {stats.percent(self.fail_if)}"
        return text + "."

    def table(self) -> Table | None:
        """The rows that changed or might have, the worst first; None if there are none."""
        shown = [*self.slower, *self.undecided, *self.faster]
        if not shown:
            return None
        heads = ["old", "new", "ratio", "machine", "change", "floor", "p"]
        columns = [Column("row"), *(Column(head, number=True) for head in heads)]
        setting = settings([c.new for c in self.changes])
        return Table("Changed rows", columns, [_cells(c, setting(c.new), self.fail_if) for c in shown])

    def lines(self) -> list[str]:
        """What no table says: the lists of rows, and the notes."""
        lists = (
            ("No correct result any more", self.lost),
            ("A correct result only in the new run", self.gained),
            ("Only in the old run", self.only_old),
            ("Only in the new run", self.only_new),
        )
        text = [f"{head}: {_names(rows)}." for head, rows in lists if rows]
        hidden = sum(c.floor > _TOLERABLE for c in self.changes)
        if hidden:
            what = f"a change of {stats.percent(_TOLERABLE)} would not show in {hidden} of {len(self.changes)} rows"
            text.append(f"The machine was not quiet: {what}.")
        return text + self.notes

    def text(self, width: int = 120, colour: bool = False) -> str:
        """For a terminal of this many columns."""
        from rich import box
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table as Grid

        console = Console(
            file=io.StringIO(), width=width, force_terminal=colour, no_color=not colour, highlight=False, emoji=False
        )
        table = self.table()
        if table:
            grid = Grid(title=table.title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
            for column in table.columns:
                grid.add_column(
                    escape(column.head), justify="right" if column.number else "left", no_wrap=column.number
                )
            styles = {"below": "bold yellow", "bad": "bold red", "above": "bold cyan"}
            for row in table.rows:
                cells = (escape(cell.text) for cell in row)
                grid.add_row(*cells, style=next((styles[cell.mark] for cell in row if cell.mark), None))
            console.print(grid)
        for line in [self.summary, *self.lines()]:
            console.print(line, markup=False)
        file = console.file
        assert isinstance(file, io.StringIO)
        return file.getvalue()

    def markdown(self) -> str:
        from .report.markdown import escape
        from .report.markdown import table as render

        table = self.table()
        parts = ["# Comparison", f"**{escape(self.summary)}**"]
        parts += [render(table)] if table else []
        parts += ["\n".join(f"- {escape(line)}" for line in self.lines())] if self.lines() else []
        return "\n\n".join(parts) + "\n"


def compare(old: Results, new: Results, fail_if: float) -> Comparison:
    """Compare our own times in two runs; `fail_if` is the fraction by which a row may become slower.

    Nothing is raised for runs that differ: what cannot be compared is listed.
    """
    pairs, only_old, only_new = _match(old.rows, new.rows)
    peers = _same_version(old, new)
    both = [(a, b) for a, b in pairs if a.own and b.own]
    run_peak = _run_peaks(pairs)
    witnesses = [_Witnesses(a, b, peers, run_peak[_kind(b)]) for a, b in both]
    noise = 2 * median(controls) if (controls := [w.control for w in witnesses if w.peers]) else 0.0
    tests = [w.test() for w in witnesses]
    corrected = holm([p for p, _ in tests])
    changes = [
        Change(
            w.old,
            w.new,
            ratio=math.exp(w.raw),
            machine=math.exp(w.machine),
            change=math.expm1(w.change),
            floor=math.expm1(max(w.floor, noise)),
            p=p,
            enough=least * len(tests) < ALPHA,
        )
        for w, p, (_, least) in zip(witnesses, corrected, tests, strict=True)
    ]
    return Comparison(
        changes,
        lost=[b for a, b in pairs if a.own and not b.own],
        gained=[b for a, b in pairs if b.own and not a.own],
        only_old=only_old,
        only_new=only_new,
        fail_if=fail_if,
        notes=_notes(old, new, bool(changes) and not controls),
    )


def holm(p: Sequence[float]) -> list[float]:
    """p-values corrected for their number, by Holm's step-down method."""
    corrected = [0.0] * len(p)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        largest = max(largest, min((len(p) - rank) * p[index], 1.0))
        corrected[index] = largest
    return corrected


class _Witnesses:
    """The estimates for one row. All factors are logarithms here, so that slower and faster are alike."""

    def __init__(self, old: Row, new: Row, peers: set[str], run_peak: float) -> None:
        assert old.own and new.own
        self.old, self.new = old, new
        self._before, self._after = _seconds(old.own), _seconds(new.own)
        peak = _log_ratio(old.peak_flops, new.peak_flops)  # how much slower the machine became
        theirs = {s.label: _seconds(s) for s in old.peers if s.who in peers and _knows(s)}
        shared = [(theirs[s.label], _seconds(s)) for s in new.peers if _knows(s) and s.label in theirs]
        self.peers = len(shared)

        estimates: list[float] = []
        controls: list[float] = []
        for location in (np.median, np.min):
            own = _log_ratio(location(self._after), location(self._before))
            factors = [peak] if math.isfinite(peak) else []
            if shared:
                factor = median(_log_ratio(location(after), location(before)) for before, after in shared)
                controls += [factor - known for known in factors]
                factors.append(factor)
            elif math.isfinite(run_peak):
                factors.append(run_peak)
            factors = factors or [0.0]
            estimates += [own - factor for factor in factors]
            if location is np.median:
                self.raw = own
                # Anything between what the witnesses say may be the machine's part: as much of it as it can explain.
                self.machine = min(max(own, min(factors)), max(factors))
        self.change = _nearest_to_zero(estimates)
        self.control = abs(_nearest_to_zero(controls)) if controls else 0.0
        """How much the peers seem to have changed, by the same measure: all of it is noise."""
        least = math.log1p(FLOOR if shared else FLOOR_WITHOUT_PEERS)
        self.floor = max(least, (max(estimates) - min(estimates)) / 2)

    def test(self) -> tuple[float, float]:
        """p of the rank test on the samples freed of the machine's factor, and the least p that so many can give."""
        before, after = self._before, self._after
        if self.raw == self.machine:
            return 1.0, _least_p(len(before), len(after))
        after = after / math.exp(self.machine)
        # A clock's ticks are ties before the scaling, so ask the samples as they were measured.
        ties = len(np.unique(before)) < len(before) or len(np.unique(after)) < len(after)
        exact = not ties and max(len(before), len(after)) <= _EXACT
        result = mannwhitneyu(before, after, alternative="two-sided", method="exact" if exact else "asymptotic")
        return float(result.pvalue), _least_p(len(before), len(after))


def _knows(peer: Sample) -> bool:
    """A peer that is far slower than the rest is timed once or twice only, which witnesses nothing."""
    return peer.ok and len(peer.seconds) >= _WITNESS


def _least_p(n: int, m: int) -> float:
    return min(2.0 / math.comb(n + m, n), 1.0)


def _seconds(sample: Sample) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(sample.seconds, dtype=np.float64)


def _log_ratio(a: float, b: float) -> float:
    return math.log(a / b) if a > 0 and b > 0 else math.nan


def _nearest_to_zero(values: list[float]) -> float:
    """Zero if they disagree on the sign."""
    if min(values) > 0:
        return min(values)
    return min(max(values), 0.0)


def _match(old: list[Row], new: list[Row]) -> tuple[list[tuple[Row, Row]], list[Row], list[Row]]:
    """Pairs by key, in order; what is left on either side. A problem of two networks is there twice."""
    waiting: dict[tuple[str, ...], list[Row]] = {}
    for row in old:
        waiting.setdefault(row.key, []).append(row)
    pairs, only_new = [], []
    known = set(waiting)
    for row in new:
        if waiting.get(row.key):
            pairs.append((waiting[row.key].pop(0), row))
        elif row.key not in known:
            only_new.append(row)
    matched = {b.key for _, b in pairs}
    return pairs, [row for rows in waiting.values() for row in rows if row.key not in matched], only_new


def _kind(row: Row) -> tuple[str, int]:
    return row.dtype, row.threads


def _run_peaks(pairs: list[tuple[Row, Row]]) -> dict[tuple[str, int], float]:
    """How much slower the machine became over the whole run, as a logarithm, by element type and thread count."""
    ratios: dict[tuple[str, int], list[float]] = {}
    for a, b in pairs:
        ratios.setdefault(_kind(b), []).append(_log_ratio(a.peak_flops, b.peak_flops))
    finite = {kind: [x for x in values if math.isfinite(x)] for kind, values in ratios.items()}
    return {kind: median(values) if values else math.nan for kind, values in finite.items()}


def _same_version(old: Results, new: Results) -> set[str]:
    """The peers that can witness: the same code in both runs."""
    before = {peer.name: peer.version for peer in old.peers}
    return {peer.name for peer in new.peers if peer.version and before.get(peer.name) == peer.version}


def _notes(old: Results, new: Results, no_peers: bool) -> list[str]:
    notes = [f"The {name} run is incomplete." for name, run in (("old", old), ("new", new)) if not run.complete]
    differing = _differing(old.machine, new.machine)
    builds = [key for key in differing if key in _BUILD]
    if builds:
        notes.append(f"The builds differ in {', '.join(builds)}.")
    rest = [key for key in differing if key not in _BUILD]
    if rest:
        notes.append(f"The machines or their settings differ in {', '.join(rest)}: such times compare poorly.")
    before = {peer.name: peer.version for peer in old.peers}
    for peer in new.peers:
        was = before.get(peer.name)
        if was and peer.version and was != peer.version:
            notes.append(f"{peer.name} {was} became {peer.version}: no witness of what the machine did.")
    if no_peers:
        notes.append(
            "The runs share no peers: only the FMA peak tells the machine from a change, and the noise floor is higher."
        )
    return notes


def _differing(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Keys whose values differ, but for numbers with a fraction: a load or a clock frequency is never the same."""
    return [
        key
        for key in dict.fromkeys([*old, *new])
        if old.get(key) != new.get(key) and not any(isinstance(run.get(key), float) for run in (old, new))
    ]


def _names(rows: list[Row]) -> str:
    names = [row.title for row in rows[:12]]
    return "; ".join(names) + (f"; and {len(rows) - 12} more" if len(rows) > 12 else "")


def _cells(c: Change, setting: str, fail_if: float) -> list[Cell]:
    assert c.old.own and c.new.own
    mark = {"slower": "bad" if c.change > fail_if else "below", "faster": "above"}.get(c.verdict, "")
    p = f"{c.p:.2g}" if c.p >= 1e-4 else f"{c.p:.0e}"
    return [
        Cell(f"{c.new.title} {setting}".strip()),
        Cell(stats.seconds(c.old.own.time)),
        Cell(stats.seconds(c.new.own.time)),
        Cell(stats.ratio(c.ratio)),
        Cell(stats.ratio(c.machine)),
        Cell(stats.change(c.change), mark),
        Cell(stats.percent(c.floor)),
        Cell(p if c.enough else "too few"),
    ]
