"""What a run measured, as plain data: the JSON that `--json` writes and `report` and `compare` read.

Only raw figures are stored (samples in seconds, counts, errors). Whatever follows from them, ratios and medians and
shares of a peak, is computed by the properties here, once for every report.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

SCHEMA = "tapwise-bench/1"
OWN = "tapwise"


class ResultsError(ValueError):
    """A file that holds no results of this suite; the message says why."""


@dataclass
class Sample:
    """One implementation on one row."""

    who: str
    """tapwise, pytorch, onnxruntime, ..."""
    variant: str = ""
    """What tells it from others of the same name: an algorithm, or a layout and whether its conversion is charged."""
    charged: bool = True
    """False: it ran on copies in its own layout, made beforehand, not on the row's arrays."""
    seconds: list[float] = field(default_factory=list)
    error: float = float("nan")
    """Relative L2 distance from the float64 reference."""
    ok: bool = True
    """Whether the error is within what so many roundings may give."""
    algorithm: str = ""
    workspace_bytes: int = 0
    note: str = ""

    @property
    def label(self) -> str:
        return f"{self.who} {self.variant}".strip()

    @cached_property
    def time(self) -> float:
        """The median, in seconds; NaN without samples."""
        return median(self.seconds) if self.seconds else float("nan")


@dataclass
class Row:
    """One problem, direction, layout and thread count."""

    suite: str
    problem: str
    name: str
    count: int
    """How often the layer occurs in its network."""
    direction: str
    layout: str
    dtype: str
    threads: int
    cache: str
    out: bool
    flops: float
    bytes: float
    peak_flops: float
    """FMA peak in FLOP/s, the best of those measured between the samples of this row."""
    bandwidth: float
    """Bytes a second that this machine can read, for as many bytes as the row has: the median of those measured between
    the samples, where it bounds the row."""
    samples: list[Sample] = field(default_factory=list)

    @property
    def key(self) -> tuple[str, ...]:
        """What two runs match their rows by."""
        return (self.problem, self.direction, self.layout, self.dtype, str(self.threads), self.cache, str(self.out))

    @property
    def title(self) -> str:
        return f"{self.name or self.problem} {self.direction} {self.layout}".rstrip()

    @cached_property
    def own(self) -> Sample | None:
        """The fastest of our algorithms with a correct result."""
        return _fastest([s for s in self.samples if s.who == OWN])

    @cached_property
    def peers(self) -> list[Sample]:
        return [s for s in self.samples if s.who != OWN]

    @cached_property
    def best_peer(self) -> Sample | None:
        return _fastest(self.peers)

    @property
    def ratio(self) -> float:
        """How many times as fast as the best peer; NaN without one."""
        if self.own is None or self.best_peer is None:
            return float("nan")
        return self.best_peer.time / self.own.time

    @property
    def intensity(self) -> float:
        return self.flops / self.bytes

    @property
    def roofline(self) -> float:
        """The ceiling in FLOP/s: the FMA peak, or the bandwidth times the intensity."""
        return min(self.peak_flops, self.bandwidth * self.intensity)

    def rate(self, sample: Sample) -> float:
        """FLOP/s."""
        return self.flops / sample.time

    @property
    def share_of_peak(self) -> float:
        return self.rate(self.own) / self.peak_flops if self.own else float("nan")

    @property
    def share_of_roofline(self) -> float:
        return self.rate(self.own) / self.roofline if self.own else float("nan")


@dataclass
class PeerInfo:
    name: str
    version: str = ""
    """Empty when it is absent."""
    note: str = ""


@dataclass
class Peaks:
    fma: list[dict[str, Any]] = field(default_factory=list)
    """{"dtype", "isa", "threads", "flops"}: FLOP/s of a loop that lives in registers."""
    read: list[dict[str, Any]] = field(default_factory=list)
    """{"bytes", "threads", "rate"}: bytes a second, for buffers of several sizes."""
    triad: list[dict[str, Any]] = field(default_factory=list)
    call_overhead: float = float("nan")
    """Seconds that a call takes beside its work: the smallest problem there is."""


@dataclass
class Results:
    command: str = ""
    started: str = ""
    seconds: float = 0.0
    complete: bool = False
    """False after Ctrl-C."""
    options: dict[str, Any] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    peers: list[PeerInfo] = field(default_factory=list)
    peaks: Peaks = field(default_factory=Peaks)
    rows: list[Row] = field(default_factory=list)

    @property
    def wrong(self) -> list[tuple[Row, Sample]]:
        """Our own results outside of their bound."""
        return [(row, s) for row in self.rows for s in row.samples if s.who == OWN and not s.ok]


def _fastest(samples: list[Sample]) -> Sample | None:
    timed = [s for s in samples if s.seconds and s.ok]
    return min(timed, key=lambda s: s.time) if timed else None


def save(results: Results, path: str | Path) -> None:
    Path(path).write_text(json.dumps({"schema": SCHEMA, **asdict(results)}, indent=1) + "\n", encoding="utf-8")


def load(path: str | Path) -> Results:
    """The results in a file; ResultsError if it is not one of this suite's, or is cut short."""
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ResultsError(f"{path}: cannot be read ({error})") from None
    except json.JSONDecodeError as error:
        raise ResultsError(f"{path}: not JSON, or cut short (line {error.lineno}: {error.msg})") from None
    if not isinstance(data, dict) or not str(data.get("schema", "")).startswith("tapwise-bench/"):
        raise ResultsError(f"{path}: not a result of this bench suite (it has no schema tapwise-bench/...)")
    if data.pop("schema") != SCHEMA:
        raise ResultsError(f"{path}: written by another version of the suite; this one reads {SCHEMA}")
    try:
        results = _build(Results, data)
        results.peaks = _build(Peaks, data["peaks"])
        results.peers = [_build(PeerInfo, peer) for peer in data["peers"]]
        results.rows = [_row(row) for row in data["rows"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise ResultsError(f"{path}: incomplete or damaged ({error})") from None
    return results


T = TypeVar("T")


def _build(kind: type[T], data: dict[str, Any]) -> T:
    missing = {f.name for f in fields(kind)} - data.keys()  # type: ignore[arg-type]
    if missing:
        raise KeyError(f"{kind.__name__} lacks {', '.join(sorted(missing))}")
    return kind(**data)


def _row(data: dict[str, Any]) -> Row:
    row = _build(Row, data)
    row.samples = [_build(Sample, sample) for sample in data["samples"]]
    return row
