"""The bars that the rows of the suite `direct` are held to, and which rows are short of theirs.

A bar is a share of what the machine can do (of the FMA peak, or of the roofline) and a ratio to the best peer. At batch
1 a row is to reach nine tenths of its share at batch 8, and the best peer.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from .results import Results, Row

_BATCH_1 = "b1_"
_BATCH_1_SHARE, _BATCH_1_RATIO = 0.9, 1.0


@dataclass(frozen=True)
class Bar:
    share: float | None
    ratio: float
    of_roofline: bool = False


_SPATIAL = {"fwd": Bar(0.92, 1.0), "bwd_d": Bar(0.92, 1.0), "bwd_w": Bar(0.88, 1.0)}
_SPATIAL_AHEAD = _SPATIAL | {"bwd_w": Bar(0.88, 1.2)}
_POINTWISE = {"fwd": Bar(0.90, 1.05, True), "bwd_d": Bar(0.90, 1.0, True), "bwd_w": Bar(0.85, 1.15, True)}

# The first pattern that a row's name matches decides.
_GROUPS = (
    ("3x3, 64 channels or 7x7", r"3x3_(64_|.*_at_7$)", _SPATIAL_AHEAD),
    ("3x3", r"3x3_", _SPATIAL),
    ("1x1 at 56x56", r"1x1_.*_at_56$", _POINTWISE | {"bwd_w": Bar(0.85, 1.8, True)}),
    ("1x1", r"1x1_", _POINTWISE),
    ("3x3/2", r"3x3s2_", {"fwd": Bar(0.85, 1.0), "bwd_d": Bar(0.80, 1.0), "bwd_w": Bar(0.80, 1.15)}),
    ("1x1/2", r"1x1s2_", {"fwd": Bar(0.85, 1.0), "bwd_d": Bar(0.80, 1.4), "bwd_w": Bar(0.80, 1.15)}),
    ("first layers", r"first_", {"fwd": Bar(0.85, 1.0), "bwd_d": Bar(None, 4.0), "bwd_w": Bar(None, 1.3)}),
    ("dilation 2 and 4", r"dilation\d_", _SPATIAL),
    ("bias", r"bias_", {"bwd_b": Bar(0.90, 1.0, True)}),
)


@dataclass(frozen=True)
class Verdict:
    """A row and its bar. NaN where there is nothing to compare with."""

    group: str
    row: Row
    share: float
    wanted_share: float
    wanted_ratio: float

    @property
    def held(self) -> bool:
        return self.holds_share and self.holds_ratio

    @property
    def holds_share(self) -> bool:
        return math.isnan(self.wanted_share) or self.share >= self.wanted_share

    @property
    def holds_ratio(self) -> bool:
        return math.isnan(self.row.ratio) or self.row.ratio >= self.wanted_ratio


def judge(results: Results) -> list[Verdict]:
    """A verdict on every row that has a bar, in the order of the rows."""
    shares = {(_name(row), row.direction, row.layout, row.dtype): row.share_of_roofline for row in results.rows}
    verdicts = []
    for row in results.rows:
        name = _name(row)
        full = name.removeprefix(_BATCH_1)
        for group, pattern, bars in _GROUPS:
            bar = bars.get(row.direction) if re.match(pattern, full) else None
            if bar is None:
                continue
            share = row.share_of_roofline if bar.of_roofline else row.share_of_peak
            wanted_share, wanted_ratio = math.nan if bar.share is None else bar.share, bar.ratio
            if name != full:
                group, share, wanted_ratio = "batch 1", row.share_of_roofline, _BATCH_1_RATIO
                wanted_share = _BATCH_1_SHARE * shares.get((full, row.direction, row.layout, row.dtype), math.nan)
            verdicts.append(Verdict(group, row, share, wanted_share, wanted_ratio))
            break
    return verdicts


def _name(row: Row) -> str:
    return row.name.rpartition(":")[2]


def table(verdicts: list[Verdict]) -> tuple[list[str], list[list[str]]]:
    """One line for each group, direction and layout: how many rows hold their bar, and the least of their figures."""
    cells: dict[tuple[str, str, str], list[Verdict]] = {}
    for verdict in verdicts:
        cells.setdefault((verdict.group, verdict.row.direction, verdict.row.layout), []).append(verdict)
    order = [group for group, _, _ in _GROUPS] + ["batch 1"]
    lines = []
    for (group, direction, layout), members in sorted(cells.items(), key=lambda cell: order.index(cell[0][0])):
        ratios = [v.row.ratio for v in members if not math.isnan(v.row.ratio)]
        held = sum(v.held for v in members)
        lines.append(
            [
                group,
                direction,
                layout,
                f"{held} of {len(members)}",
                _percent(min(v.share for v in members)),
                f"{min(ratios):.2f}x" if ratios else "",
            ]
        )
    return ["rows", "pass", "layout", "held", "least share", "least ratio"], lines


def short_rows(verdicts: list[Verdict]) -> tuple[list[str], list[list[str]]]:
    """The rows that are short of their bars, with what they reach and what they are to reach."""
    lines = []
    for v in verdicts:
        if v.held:
            continue
        share = f"{_percent(v.share)} of {_percent(v.wanted_share)}" if not v.holds_share else _percent(v.share)
        ratio = f"{v.row.ratio:.2f}x of {v.wanted_ratio:.2f}x" if not v.holds_ratio else f"{v.row.ratio:.2f}x"
        best = v.row.best_peer
        lines.append([_name(v.row), v.row.direction, v.row.layout, share, ratio, best.label if best else ""])
    return ["short", "pass", "layout", "share", "ratio", "to"], lines


def _percent(share: float) -> str:
    return "" if math.isnan(share) else f"{share:.1%}"
