"""The plots of a page, as SVG to be placed inside of HTML.

Text stays text and colours are CSS variables with a fallback, so that a page decides on fonts and on light or dark.
Figures are 324 units wide with text of 9 and 10: legible at the width of a phone, and on a laptop merely larger.
"""

from __future__ import annotations

import io
import math
import re
import statistics
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from .. import stats
from ..results import Results, Row
from ..totals import grouped

WIDTH = 4.5
"""Inches, of 72 units."""

# Stand-ins that matplotlib draws with, and the variable that takes the place of each. Okabe and Ito's colours, which
# people with any kind of colour vision can tell apart.
INK, FAINT, ABOVE, BELOW, THIRD, FOURTH = "#010101", "#8a8a8a", "#0072b2", "#d55e00", "#009e73", "#cc79a7"
_VARIABLES = {
    INK: "--ink",
    FAINT: "--faint",
    ABOVE: "--above",
    BELOW: "--below",
    THIRD: "--third",
    FOURTH: "--fourth",
}
_SERIES = ((ABOVE, "o"), (BELOW, "^"), (THIRD, "s"), (FOURTH, "D"), (INK, "v"))
_STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a name may hold a dollar
    "font.size": 9.5,
    "axes.titlesize": 10.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": FAINT,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
}
_LONGEST = 22
"""Characters of a name beside a bar."""
_NUMBER = 0.17
"""The share of a plot's width that a number beside a bar needs."""


def roofline(results: Results, name: str) -> str:
    """Our rate on each row over its intensity, under what the machine can do; "" without a row that was timed.

    Rows of several element types and thread counts have different ceilings: shown are those with the most rows.
    """
    rows = _of_one_kind([row for row in results.rows if row.own])
    if not rows:
        return ""
    with matplotlib.rc_context(_style(name)):
        figure, axes = _figure(3.9)
        peak = statistics.median(row.peak_flops for row in rows)
        rates = [row.rate(row.own) for row in rows if row.own]
        bandwidths = _bandwidths(results, rows)
        slowest = min(bandwidths.values(), default=math.inf)
        # Room for a label along the line.
        left = min(*(row.intensity for row in rows), peak / slowest or math.inf) / 10
        right = max(*(row.intensity for row in rows), peak / slowest) * 2
        bottom = min(*rates, peak / 4) / 2
        # From where each line is in sight. A cache may be so fast that no row comes near its line.
        slopes = {label: (max(left, bottom / b), peak / b) for label, b in bandwidths.items() if peak / b > 2 * left}
        for place, ends in enumerate(slopes.values()):
            axes.plot(ends, [x * peak / ends[1] / 1e9 for x in ends], color=INK, lw=1.2, ls=("-", "--")[place % 2])
        start = min((knee for _, knee in slopes.values()), default=left)
        axes.plot([start, right], [peak / 1e9] * 2, color=INK, lw=1.2)
        threads = f"{rows[0].threads} thread{'s' * (rows[0].threads != 1)}"
        what = f"FMA peak {stats.flops(peak)}, {rows[0].dtype}, {threads}"
        axes.text(right, peak / 1e9 * 1.06, what, ha="right", va="bottom", fontsize=9)
        for (direction, part), (colour, marker) in zip(_by_direction(rows), _endless(_SERIES), strict=False):
            points = [(row.intensity, row.rate(row.own) / 1e9) for row in part if row.own]
            style: Any = {"ms": 4.5, "mew": 0, "alpha": 0.75, "ls": "none"}
            axes.plot(*zip(*points, strict=True), marker=marker, color=colour, label=_shorten(direction), **style)
        axes.set(xscale="log", yscale="log", xlim=(left, right), ylim=(bottom / 1e9, peak / 1e9 * 2))
        axes.set(xlabel="FLOP per byte", ylabel="GFLOP/s")
        _plain_logs(axes)
        _legend(figure, axes)
        _along(figure, axes, slopes, peak / 1e9)
        return _svg(figure, name, "Roofline: rate over arithmetic intensity of each row, with the machine's ceilings")


def ratios(rows: Sequence[Row], name: str) -> str:
    """Bars of the ratio to the best peer, the best row first; "" if no row has one.

    The rows should differ in nothing but problem and layout: that is what the bars are named by.
    """
    shown = sorted((row for row in rows if not math.isnan(row.ratio)), key=lambda row: row.ratio)
    if not shown:
        return ""
    with matplotlib.rc_context(_style(name)):
        figure, axes = _figure(0.75 + 0.19 * len(shown))
        places = range(len(shown))
        values = [row.ratio for row in shown]
        # Lengths are logarithms: 2x and 0.5x are as far from the line.
        bars = axes.barh(places, [value - 1 for value in values], left=1, height=0.62)
        for bar, value in zip(bars, values, strict=True):
            bar.set_color(BELOW if value < 1 else ABOVE)
        axes.set_xscale("log")
        low, high = min(*values, 0.9), max(*values, 1.1)
        sides = (values[0] < 1, values[-1] >= 1)  # where numbers stand beside the bars
        width = math.log(high / low) / (1 - _NUMBER * sum(sides))
        axes.set_xlim(*(end * math.exp(s * _NUMBER * width) for end, s in ((low, -sides[0]), (high, sides[1]))))
        for place, value in zip(places, values, strict=True):
            inside = {"ha": "right", "x": -3} if value < 1 else {"ha": "left", "x": 3}
            axes.annotate(
                stats.ratio(value),
                (value, place),
                (inside["x"], 0),
                textcoords="offset points",
                va="center",
                ha=inside["ha"],
                fontsize=8.5,
            )
        axes.axvline(1, color=INK, lw=1)
        names = _own_parts([row.name or row.problem for row in shown])
        labels = [f"{_shorten(name)} {_shorten(row.layout, 8)}" for name, row in zip(names, shown, strict=True)]
        axes.set_yticks(places, labels)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(-0.7, len(shown) - 0.3)
        axes.spines["left"].set_visible(False)
        _ratio_ticks(axes)
        axes.grid(axis="x")
        axes.set_axisbelow(True)
        # Ticks at both ends: the bars of a long run do not fit on a screen.
        axes.tick_params(axis="x", top=len(shown) > 25, labeltop=len(shown) > 25)
        axes.set_xlabel("times as fast as the best peer")
        return _svg(figure, name, "Ratio to the best peer by row; bars to the right of 1 are faster than every peer")


def scaling(results: Results, name: str) -> str:
    """Speed-up over thread counts; "" unless a row was measured with several.

    Thin lines are rows, thick ones the geometric mean of a direction over its rows that have every thread count.
    """
    families = grouped([row for row in results.rows if row.own], lambda row: (*row.key[:4], *row.key[5:]))
    lines: list[tuple[str, dict[int, float]]] = []
    for part in families.values():
        times = {row.threads: row.own.time for row in sorted(part, key=lambda row: row.threads) if row.own}
        if len(times) > 1:
            least = min(times)
            # As if the least count scaled perfectly up to there, so that all rows share one ideal line.
            lines.append((part[0].direction, {n: least * times[least] / time for n, time in times.items()}))
    if not lines:
        return ""
    counts = sorted({n for _, line in lines for n in line})
    with matplotlib.rc_context(_style(name)):
        figure, axes = _figure(3.6)
        axes.plot(counts, counts, color=FAINT, lw=1.2, ls="--", label="ideal")
        colours = dict(zip(dict.fromkeys(d for d, _ in lines), _endless(_SERIES), strict=False))
        for direction, line in lines:
            axes.plot(list(line), list(line.values()), color=colours[direction][0], lw=0.8, alpha=0.35)
        for direction, (colour, marker) in colours.items():
            whole = [line for d, line in lines if d == direction and len(line) == len(counts)]
            if whole:
                mean = [stats.geometric_mean(line[n] for line in whole) for n in counts]
                axes.plot(counts, mean, color=colour, marker=marker, ms=5, lw=2, label=_shorten(direction))
        axes.set(xscale="log", yscale="log", xlabel="threads", ylabel="speed-up")
        speeds = [value for _, line in lines for value in line.values()]
        axes.set_xlim(counts[0] / 1.1, counts[-1] * 1.1)
        axes.set_ylim(min([*speeds, counts[0]]) / 1.15, max([*speeds, counts[-1]]) * 1.15)
        _whole_ticks(axes, counts)
        axes.grid()
        _legend(figure, axes)
        return _svg(figure, name, "Speed-up over the number of threads, per direction")


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    figure.patch.set_visible(False)
    axes = figure.add_subplot()
    axes.patch.set_visible(False)
    return figure, axes


def _style(name: str) -> Any:
    # The salt makes the ids, and so the whole text, the same every time.
    return {**_STYLE, "svg.hashsalt": name}


def _svg(figure: Figure, name: str, title: str) -> str:
    file = io.StringIO()
    with warnings.catch_warnings():
        # The page's fonts have what matplotlib's own font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = text[text.index("<svg") :].strip()
    # A style element would hold for the whole page, and the metadata is about matplotlib.
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.S)
    # Only in tags: a name may look like anything.
    head, rest = re.sub(r"<[^>]*>", lambda tag: _tag(tag[0], name), text).split(">", 1)
    # The size is the page's to choose; the view box keeps the shape.
    head = re.sub(r' (width|height)="[^"]*"', "", head)
    style = "stroke-linejoin: round; stroke-linecap: butt"
    return f'{head} role="img" aria-label="{title}" style="{style}">{rest}'


def _tag(tag: str, name: str) -> str:
    # Several figures share a page, and their ids must not meet.
    tag = re.sub(r'\bid="', f'id="{name}-', tag)
    tag = re.sub(r'href="#', f'href="#{name}-', tag)
    tag = re.sub(r"url\(#", f"url(#{name}-", tag)
    for colour, variable in _VARIABLES.items():
        tag = tag.replace(f": {colour}", f": var({variable}, {colour})")
    return tag


def _of_one_kind(rows: list[Row]) -> list[Row]:
    """Those with the most frequent element type and thread count, the larger count at a tie."""
    kinds = grouped(rows, lambda row: (row.dtype, row.threads))
    return max(kinds.items(), key=lambda kind: (len(kind[1]), kind[0][1]))[1] if kinds else []


def _bandwidths(results: Results, rows: list[Row]) -> dict[str, float]:
    """The least and the largest buffer that was read: what caches and what memory give."""
    fitting = [e for e in results.peaks.read if e.get("threads") == rows[0].threads and e.get("rate", 0) > 0]
    fitting.sort(key=lambda entry: entry.get("bytes", 0))
    if not fitting:
        bandwidth = statistics.median(row.bandwidth for row in rows)
        return {f"read {stats.rate(bandwidth)}": bandwidth} if bandwidth > 0 else {}
    ends = [fitting[-1], fitting[0]][: len(fitting)]
    return {f"read {stats.size(e['bytes'])}: {stats.rate(e['rate'])}": float(e["rate"]) for e in ends}


def _along(figure: Figure, axes: Axes, slopes: dict[str, tuple[float, float]], peak: float) -> None:
    """Labels on the lines that rise to a peak, each between two intensities."""
    # The angle follows from the layout, so everything else must be in place.
    figure.draw_without_rendering()
    for label, (left, knee) in slopes.items():
        (x0, y0), (x1, y1) = axes.transData.transform([(left, peak * left / knee), (knee, peak)])
        start = axes.transData.inverted().transform((x0 + 0.06 * (x1 - x0), y0 + 0.06 * (y1 - y0)))
        text = axes.annotate(
            label,
            (start[0], start[1]),
            (0, 2),
            textcoords="offset points",
            rotation=math.degrees(math.atan2(y1 - y0, x1 - x0)),
            rotation_mode="anchor",
            va="bottom",
            fontsize=8.5,
        )
        text.set_in_layout(False)


def _by_direction(rows: Iterable[Row]) -> Iterable[tuple[str, list[Row]]]:
    return grouped(rows, lambda row: row.direction).items()


def _endless(series: Sequence[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    while True:
        yield from series


def _legend(figure: Figure, axes: Axes) -> None:
    handles, _ = axes.get_legend_handles_labels()
    figure.legend(loc="outside upper left", ncols=min(len(handles), 3), handletextpad=0.3, columnspacing=1.2)


def _plain_logs(axes: Axes) -> None:
    """Powers of ten as plain numbers: superscripts would need mathematical text."""
    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        # Of two decades also the twos and fives, or hardly a number would be left.
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 200 else (1.0,), numticks=20))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.grid()


def _ratio_ticks(axes: Axes) -> None:
    """The roundest numbers that fit beside each other."""
    low, high = axes.get_xlim()
    apart = 0.13 * math.log(high / low)
    round_numbers = [1, 2, 0.5, 10, 0.1, 5, 0.2, 100, 0.01, 1.5, 0.7, 3, 0.3, 1.2, 0.8, 1.1, 0.9, 1.05, 0.95]
    kept: list[float] = []
    for number in round_numbers:
        if low <= number <= high and all(abs(math.log(number / other)) > apart for other in kept):
            kept.append(number)
    axes.xaxis.set_major_locator(FixedLocator(sorted(kept)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))


def _whole_ticks(axes: Axes, counts: list[int]) -> None:
    # Neighbouring counts on a logarithmic axis run into each other: keep those a factor of 1.3 apart.
    kept: list[int] = []
    for count in counts:
        if not kept or count / kept[-1] > 1.3 or count == counts[-1]:
            kept.append(count)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(kept))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _own_parts(names: list[str]) -> list[str]:
    """Names without the network, "resnet50:", that all of them begin with."""
    networks = {name.partition(":")[:2] for name in names}
    if len(networks) == 1 and names[0].partition(":")[2]:
        return [name.partition(":")[2] for name in names]
    return names


def _shorten(text: str, longest: int = _LONGEST) -> str:
    """The end tells layers of a network apart, the beginning the networks: the middle goes."""
    text = " ".join(text.split())
    if len(text) <= longest:
        return text
    return f"{text[: (longest - 1) // 2]}…{text[-(longest // 2) :]}"
