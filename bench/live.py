"""The terminal while a run goes on: one line a row, a progress bar, and totals at the end."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from . import stats
from .machine import slowed
from .results import OWN, Peaks, PeerInfo, Results, Row, Sample
from .totals import totals


@dataclass(frozen=True)
class _Column:
    name: str
    width: int
    text: Callable[[Row], str]
    number: bool = True
    from_width: int = 0
    """The narrowest terminal that shows it."""
    style: Callable[[Row], str] = lambda row: ""


def _own(row: Row, form: Callable[[Sample], str]) -> str:
    return form(row.own) if row.own else stats.NONE


def _colour(ratio: float) -> str:
    return "" if math.isnan(ratio) else "green" if ratio >= 1 else "bold red"


_PASS = _Column("pass", 8, lambda row: row.direction, number=False)
_COLUMNS = (
    _Column("problem", 30, lambda row: row.name or row.problem, number=False),
    _PASS,
    _Column("layout", 6, lambda row: row.layout, number=False),
    _Column("threads", 7, lambda row: str(row.threads), from_width=120),
    _Column("time", 9, lambda row: _own(row, lambda own: stats.seconds(own.time))),
    _Column("GFLOP/s", 7, lambda row: _own(row, lambda own: stats.gigaflops(row.rate(own))), from_width=90),
    _Column("of peak", 7, lambda row: stats.percent(row.share_of_peak)),
    _Column("of roof", 7, lambda row: stats.percent(row.share_of_roofline), from_width=90),
    _Column("peer", 9, lambda row: stats.seconds(row.best_peer.time) if row.best_peer else stats.NONE, from_width=110),
    _Column(
        "best peer", 26, lambda row: row.best_peer.label if row.best_peer else "", number=False, from_width=110,
        style=lambda row: "dim",
    ),
    _Column("ratio", 7, lambda row: stats.ratio(row.ratio), style=lambda row: _colour(row.ratio)),
)  # fmt: skip


def console() -> Console:
    """Standard output; into a file or pipe as wide as the table is."""
    out = Console()
    return out if out.is_terminal or "COLUMNS" in os.environ else Console(width=160)


def progress(console: Console) -> Progress:
    """A bar with rows done, time gone and time left."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(), console=console, transient=True,
    )  # fmt: skip


def show_machine(console: Console, machine: dict[str, object], peaks: Peaks, peers: Iterable[PeerInfo]) -> None:
    """The head of a run: what it is measured on, against what, beside whom."""
    console.print(f"[bold]tapwise {machine['tapwise']}[/] on {machine['cpu']}, {machine['isa']}", highlight=False)
    for peak in peaks.fma:
        rate = f"{stats.flops(peak['flops'])} {peak['dtype']}"
        console.print(f"  FMA peak      {rate}, {peak['threads']} thread(s)", highlight=False)
    for name, points in (("read", peaks.read), ("triad", peaks.triad)):
        if points:
            largest = max(points, key=lambda p: (p["bytes"], p["threads"]))
            console.print(
                f"  {name:13} {largest['rate'] / 1e9:.1f} GB/s from memory, {largest['threads']} thread(s)",
                highlight=False,
            )
    if not math.isnan(peaks.call_overhead):
        console.print(f"  a call costs  {stats.seconds(peaks.call_overhead)}", highlight=False)
    for warning in slowed(machine):
        console.print(f"  {warning}", style="bold")
    for peer in peers:
        console.print(f"  {peer.name:13} {peer.version or peer.note}", style="" if peer.version else "dim")
    console.print()


def header(console: Console, longest_pass: int = 0) -> None:
    """The names of the columns, above the first line; `longest_pass` is what the names of the run's passes need."""
    _line(console, longest_pass, lambda column: Text(column.name, style="bold"))


def show_row(console: Console, row: Row, longest_pass: int = 0) -> None:
    """One line: ours, the roofs, the best peer."""
    _line(console, longest_pass, lambda column: Text(column.text(row), style=column.style(row)))
    for sample in row.samples:
        if sample.note and (sample.who == OWN or not sample.ok):
            style = "bold red" if sample.who == OWN and not sample.ok else "dim"
            console.print(f"    {sample.label}: {sample.note}", style=style)


def _line(console: Console, longest_pass: int, cell: Callable[[_Column], Text]) -> None:
    shown = [column for column in _COLUMNS if console.width >= column.from_width]
    widths = {column: max(column.width, longest_pass if column is _PASS else 0) for column in shown}
    spare = console.width - sum(width + 1 for width in widths.values())
    grid = Table.grid(padding=(0, 1))
    for column in shown:
        width = max(12, min(44, column.width + spare)) if column is _COLUMNS[0] else widths[column]
        grid.add_column(width=width, no_wrap=True, overflow="ellipsis", justify="right" if column.number else "left")
    grid.add_row(*(cell(column) for column in shown))
    console.print(grid, highlight=False)


def show_totals(console: Console, results: Results) -> None:
    """Geometric means by direction and layout, and the worst row of each."""
    table = Table("pass", "layout", "rows", "ratio to best peer", "below 1", "of roofline", "worst row", title="Totals")
    for total in totals(results).groups:
        group, worst = total.group, total.worst
        table.add_row(
            group.direction, f"{group.layout} {group.setting}".strip(), str(total.rows),
            Text(stats.ratio(total.ratio), style=_colour(total.ratio)), str(total.below),
            stats.percent(total.share_of_roofline),
            f"{worst.name or worst.problem} {stats.ratio(worst.ratio)}" if worst else "",
        )  # fmt: skip
    console.print(table)


def show_shape(console: Console, row: Row) -> None:
    """Everything about one row: its limits, and every contestant."""
    console.print(f"[bold]{row.problem}[/] {row.direction} {row.layout} {row.dtype}", highlight=False)
    console.print(
        f"  {row.flops / 1e9:.3f} GFLOP, {stats.size(row.bytes)}, {row.intensity:.1f} FLOP a byte; roofline "
        f"{stats.flops(row.roofline)} (FMA peak {stats.flops(row.peak_flops)}, bandwidth {stats.rate(row.bandwidth)})",
        highlight=False,
    )
    table = Table()
    for name in ("who", "time", "GFLOP/s", "of peak", "of roof", "ours is", "error"):
        table.add_column(name, no_wrap=True, justify="left" if name == "who" else "right")
    for sample in sorted(row.samples, key=lambda s: (math.isnan(s.time), s.time)):
        table.add_row(*_sample_cells(row, sample))
    console.print(table)
    for sample in row.samples:
        how = [sample.note, sample.algorithm, f"{stats.size(sample.workspace_bytes)} of workspace"]
        if sample.who == OWN or sample.note:
            console.print(f"  {sample.label}: {', '.join(filter(None, how))}", style="dim", highlight=False)


def _sample_cells(row: Row, sample: Sample) -> Iterator[str]:
    rate = row.rate(sample)
    yield sample.label + ("" if sample.charged else " *")
    yield stats.seconds(sample.time)
    yield stats.gigaflops(rate)
    yield stats.percent(rate / row.peak_flops)
    yield stats.percent(rate / row.roofline)
    yield stats.ratio(sample.time / row.own.time) if row.own else stats.NONE
    yield f"{sample.error:.1e}"
