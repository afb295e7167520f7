"""Rows, one after the other: arrays, reference, check, interleaved timing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tapwise import _core

from . import counting, peaks, reference, timing
from .case import Case, Contestant, Unsupported, make_case
from .machine import last_level_bytes
from .peers import Peer, tapwise_own
from .results import Peaks, Row, Sample
from .suites import Layer


@dataclass(frozen=True)
class Options:
    """What to measure of each layer."""

    directions: tuple[str, ...] = ("fwd", "bwd_d", "bwd_w")
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
    """A row that is to be measured."""

    layer: Layer
    direction: str
    channels_last: bool
    threads: int


@dataclass
class _Known:
    """What the rows of one problem and direction share."""

    expected: tuple[reference.Double, ...]
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


def run(rows: Sequence[Planned], options: Options, roofs: Peaks, peers: Sequence[Peer]) -> Iterator[Row]:
    """Measures the rows one by one."""
    flush = _flusher(max(options.threads)) if options.cold else None
    known, key = _Known(()), None
    for planned in rows:
        problem = planned.layer.problem
        if options.batch is not None:
            problem = problem.with_batch(options.batch)
        case = make_case(problem, planned.direction, planned.channels_last, options.dtype, planned.threads, options.out)
        if key != (problem, planned.direction):
            known, key = _Known(reference.reference(case)), (problem, planned.direction)
        yield _row(case, planned, options, roofs, peers, known, flush)


def _row(
    case: Case, planned: Planned, options: Options, roofs: Peaks, peers: Sequence[Peer], known: _Known,
    flush: Callable[[], None] | None,
) -> Row:  # fmt: skip
    size = counting.moved_bytes(case.problem, case.direction, case.x.itemsize)
    row = Row(
        suite=planned.layer.suite,
        problem=str(case.problem),
        name=case.problem.name,
        count=planned.layer.count,
        direction=case.direction,
        layout=case.layout,
        dtype=case.dtype,
        threads=case.threads,
        cache="cold" if options.cold else "hot",
        out=case.use_out,
        flops=counting.flops(case.problem, case.direction),
        bytes=size,
        peak_flops=float("nan"),
        bandwidth=peaks.bandwidth(roofs, size, case.threads, options.cold) if roofs.read else float("nan"),
    )
    entries: list[timing.Entry] = []
    for contestants in [lambda: tapwise_own.contestants(case, options.algorithms), *_of_peers(peers, case)]:
        try:
            found = contestants()
        except Unsupported:
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
            entry = _checked(contestant, sample, case, known.expected, fastest)
            if entry is not None:
                sample.seconds = entry.seconds
                entries.append(entry)
                if entry.estimate > 0.1 and entry.seconds:
                    known.hopeless.add(sample.who)
    if options.timed:
        # Where memory decides, it is measured beside the row as the peak is: as many bytes, on as many threads.
        bound = row.bandwidth * row.intensity < peaks.fma(case.dtype, case.threads, 0.004)
        row.peak_flops, bandwidth = timing.measure(
            entries,
            options.budget,
            flush,
            lambda: peaks.fma(case.dtype, case.threads, 0.004),
            (lambda: peaks.read(size, case.threads)) if bound and not options.cold else None,
        )
        if bandwidth == bandwidth:
            row.bandwidth = bandwidth
    return row


def _of_peers(peers: Sequence[Peer], case: Case) -> list[Callable[[], list[Contestant]]]:
    return [lambda peer=peer: peer.contestants(case) for peer in peers]  # type: ignore[misc]


def _checked(
    contestant: Contestant, sample: Sample, case: Case, expected: tuple[reference.Double, ...], fastest: float
) -> timing.Entry | None:
    """Warms up and compares; None if it fails or computes something else, which then is not worth timing."""
    try:
        entry = timing.warm_up(contestant, fastest)
        sample.error = reference.distance(contestant.fetch(), expected)
    except Exception as error:  # whatever an implementation raises on this row
        first_line = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        sample.ok, sample.note = False, first_line[:100]
        return None
    sample.ok = sample.error <= reference.tolerance(case)
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
