"""Rows, one after the other: arrays, reference, check, interleaved timing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy.typing as npt

from tapwise import _core

from . import counting, peaks, reference, timing
from .case import Contestant, Unsupported, make_case
from .functions import SUITE, Setting, Work
from .functions.contestants import contestants
from .machine import last_level_bytes
from .peers import Peer, tapwise_own
from .results import OWN, Peaks, Row, Sample
from .suites import Layer


@dataclass(frozen=True)
class Options:
    """What to measure of each layer and function."""

    directions: tuple[str, ...] = ("fwd", "bwd_d", "bwd_w")
    """Of convolutions; other functions are chosen one by one."""
    layouts: tuple[str, ...] = ("first", "last")
    dtype: str = "float32"
    threads: tuple[int, ...] = (1,)
    batch: int | None = None
    cold: bool = False
    out: bool = True
    algorithms: tuple[str, ...] = ("auto",)
    budget: float = 0.2
    """Seconds of timing for each row."""
    timed: bool = True
    """False: check the results only."""


@dataclass(frozen=True)
class Planned:
    """A row of a convolution that is to be measured."""

    layer: Layer
    direction: str
    channels_last: bool
    threads: int

    def subject(self, options: Options) -> Subject:
        problem = self.layer.problem
        if options.batch is not None:
            problem = problem.with_batch(options.batch)
        case = make_case(problem, self.direction, self.channels_last, options.dtype, self.threads, options.out)
        row = _empty_row(
            self.layer.suite, str(problem), self.direction, case.layout, options, self.threads, options.out,
            counting.flops(problem, self.direction), counting.moved_bytes(problem, self.direction, case.x.itemsize),
            name=problem.name, count=self.layer.count,
        )  # fmt: skip
        return Subject(
            row,
            lambda: reference.reference(case),
            lambda: reference.tolerance(case),
            lambda: tapwise_own.contestants(case, options.algorithms),
            lambda peer: peer.contestants(case),
        )


@dataclass(frozen=True)
class PlannedFunction:
    """A row of another function that is to be measured."""

    work: type[Work]
    shape: Any
    channels_last: bool
    threads: int

    @property
    def direction(self) -> str:
        return self.work.function

    def subject(self, options: Options) -> Subject:
        use_out = options.out and self.work.takes_out
        work = self.work(self.shape, Setting(self.channels_last, options.dtype, self.threads, use_out))
        row = _empty_row(
            SUITE, str(self.shape), work.function, work.layout if work.has_layout else "", options, self.threads,
            use_out, work.flops, work.moved,
        )  # fmt: skip
        return Subject(
            row,
            work.expected,
            work.tolerance,
            lambda: contestants(work, OWN),
            lambda peer: contestants(work, peer.name),
        )


@dataclass(frozen=True)
class Subject:
    """A row without its samples, what is right, and who computes it."""

    row: Row
    expected: Callable[[], tuple[npt.NDArray[Any], ...]]
    tolerance: Callable[[], float]
    own: Callable[[], list[Contestant]]
    of: Callable[[Peer], list[Contestant]]


@dataclass
class _Known:
    """What the rows of one problem and direction share."""

    expected: tuple[npt.NDArray[Any], ...]
    hopeless: set[str] = field(default_factory=set)
    """Peers whose single call was enough, for all layouts."""


def plan(layers: Sequence[Layer], options: Options) -> list[Planned]:
    """The rows in the order of measuring: both layouts of a problem together, since they share a reference."""
    return [
        Planned(layer, direction, layout == "last", threads)
        for layer in layers
        for direction in options.directions
        for threads in options.threads
        for layout in options.layouts
    ]


def plan_functions(chosen: Sequence[tuple[type[Work], Any]], options: Options) -> list[PlannedFunction]:
    """The same for other functions, most of which have no layout."""
    return [
        PlannedFunction(work, shape, layout == "last", threads)
        for work, shape in chosen
        for threads in options.threads
        for layout in (options.layouts if work.has_layout else ("first",))
    ]


def run(
    rows: Sequence[Planned | PlannedFunction], options: Options, roofs: Peaks, peers: Sequence[Peer]
) -> Iterator[Row]:
    """Measures the rows one by one."""
    flush = _flusher(max(options.threads)) if options.cold else None
    known, key = _Known(()), None
    for planned in rows:
        subject = planned.subject(options)
        row = subject.row
        if roofs.read:
            row.bandwidth = peaks.bandwidth(roofs, row.bytes, row.threads, options.cold)
        if key != (row.problem, row.direction):
            known, key = _Known(subject.expected()), (row.problem, row.direction)
        _fill(subject, options, peers, known, flush)
        yield row


def _empty_row(
    suite: str, problem: str, direction: str, layout: str, options: Options, threads: int, out: bool, flops: int,
    size: int, name: str = "", count: int = 1,
) -> Row:  # fmt: skip
    cache, nan = "cold" if options.cold else "hot", float("nan")
    return Row(
        suite, problem, name, count, direction, layout, options.dtype, threads, cache, out, flops, size, nan, nan
    )  # fmt: skip


def _fill(
    subject: Subject, options: Options, peers: Sequence[Peer], known: _Known, flush: Callable[[], None] | None
) -> None:
    row, entries = subject.row, list[timing.Entry]()
    ways: list[tuple[str, Callable[[], list[Contestant]]]] = [(OWN, subject.own)]
    ways += [(peer.name, partial(subject.of, peer)) for peer in peers]
    for who, contestants_of in ways:
        try:
            found = contestants_of()
        except Unsupported as reason:
            if who == OWN:
                row.samples.append(Sample(OWN, note=str(reason)))
            continue
        for contestant in found:
            sample = Sample(
                contestant.who, contestant.variant, contestant.charged, algorithm=contestant.algorithm,
                workspace_bytes=contestant.workspace_bytes, note=contestant.note,
            )  # fmt: skip
            row.samples.append(sample)
            if sample.who in known.hopeless:
                sample.note = "not tried: in another layout it took many times as long as the others"
                continue
            fastest = min((e.estimate for e in entries), default=float("inf"))
            entry = _checked(contestant, sample, subject.tolerance(), known.expected, fastest)
            if entry is not None:
                sample.seconds = entry.seconds
                entries.append(entry)
                if entry.estimate > 0.1 and entry.seconds:
                    known.hopeless.add(sample.who)
    if options.timed:
        # Where memory decides, it is measured beside the row as the peak is: as many bytes, on as many threads.
        bound = row.bandwidth * row.intensity < peaks.fma(row.dtype, row.threads, 0.004)
        row.peak_flops, bandwidth = timing.measure(
            entries,
            options.budget,
            flush,
            lambda: peaks.fma(row.dtype, row.threads, 0.004),
            (lambda: peaks.read(row.bytes, row.threads)) if bound and not options.cold else None,
        )
        if bandwidth == bandwidth:
            row.bandwidth = bandwidth


def _checked(
    contestant: Contestant, sample: Sample, tolerance: float, expected: tuple[npt.NDArray[Any], ...], fastest: float
) -> timing.Entry | None:
    """Warms up and compares; None if it fails or computes something else, which then is not worth timing."""
    try:
        entry = timing.warm_up(contestant, fastest)
        sample.error = reference.distance(contestant.fetch(), expected)
    except Exception as error:  # whatever an implementation raises on this row
        first_line = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        sample.ok, sample.note = False, first_line[:100]
        return None
    sample.ok = sample.error <= tolerance
    if not sample.ok:
        sample.note = f"wrong: off by {sample.error:.1e}"
        return None
    return entry


def _flusher(threads: int) -> Callable[[], None]:
    """Reads and writes more than all caches hold, on every thread."""
    size = 4 * last_level_bytes()

    def flush() -> None:
        _core.triad_bandwidth(size, 0.0, threads)

    return flush


def clock() -> str:
    """Now, as ISO 8601 with the zone."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
