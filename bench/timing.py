"""Interleaved timing: every contestant in turn, round after round, with the machine's peak measured in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from .case import Contestant
from .results import OWN

# A sample lasts at least this long: calls shorter than the clock can tell are timed several at a time.
_SHORTEST_SAMPLE = 100e-6
# OpenMP's threads spin for some 8 ms after a call and would take a core from the next one; after this they sleep, and
# everyone starts alike, from a warm call.
_REST = 8e-3
# Other pools spin for longer. Whoever has one is waited for until the process used no more than this share of a CPU in
# a while, but no longer than so many whiles: the clock of a process may tick only every 4 ms.
_QUIET, _WHILE, _MOST_WHILES = 0.05, 0.02, 25
# A rank test needs nine samples of each to tell two hundred rows apart. Those who are not near the fastest peer get
# fewer. The hopeless are measured once, while warming up, and not even warmed up if a call takes this many seconds.
_FEWEST_ROUNDS, _MOST_ROUNDS = 9, 60
_ROUNDS_BEHIND, _BEHIND = 3, 1.2
_HOPELESS, _ENOUGH = 8.0, 0.5
# Above this a call needs no other to be warm.
_LONG_CALL = 0.02


@dataclass
class Entry:
    """A contestant with what is known of it so far."""

    contestant: Contestant
    repeats: int
    seconds: list[float]
    estimate: float


def warm_up(contestant: Contestant, fastest: float) -> Entry:
    """Calls until the time of a call is known; the first one pays for whatever is set up lazily. `fastest` is the
    estimate of the fastest so far."""
    first = _time(contestant)
    if first > max(_ENOUGH, _HOPELESS * fastest):
        return Entry(contestant, 1, [first], first)
    estimate = _time(contestant)
    hopeless = estimate > max(1e-3, _HOPELESS * fastest)
    repeats = max(1, round(_SHORTEST_SAMPLE / max(estimate, 1e-7)))
    return Entry(contestant, repeats, [estimate] if hopeless else [], estimate)


def _time(contestant: Contestant) -> float:
    start = time.perf_counter()
    contestant.call()
    return time.perf_counter() - start


def measure(
    entries: Sequence[Entry],
    budget: float,
    flush: Callable[[], None] | None,
    peak: Callable[[], float],
    bandwidth: Callable[[], float] | None = None,
) -> tuple[float, float]:
    """Fills the entries' samples for about `budget` seconds; returns the best of the peaks measured in between, and the
    median of the bandwidths (NaN if none is measured): what others leave of a core is all or half, what they leave of
    the memory changes from moment to moment, for a reader as for everyone here.

    With `flush` every sample is a single call on cold caches.
    """
    peaks, bandwidths = [], []
    if any(entry.contestant.lingers for entry in entries):
        _until_quiet()
    end = time.perf_counter() + budget
    rounds = {id(entry): _rounds(entry, entries) for entry in entries}
    for turn in range(_MOST_ROUNDS):
        if turn >= _FEWEST_ROUNDS and time.perf_counter() > end:
            break
        peaks.append(peak())
        if bandwidth is not None:
            bandwidths.append(bandwidth())
        # Each round starts with another one, so that nobody always follows the same neighbour.
        first = turn % max(len(entries), 1)
        for entry in (*entries[first:], *entries[:first]):
            if turn < rounds[id(entry)]:
                time.sleep(_REST)
                entry.seconds.append(_sample(entry, flush))
                if entry.contestant.lingers:
                    _until_quiet()
    return max(peaks), median(bandwidths) if bandwidths else float("nan")


def _until_quiet() -> None:
    for _ in range(_MOST_WHILES):
        used = time.process_time()
        time.sleep(_WHILE)
        if time.process_time() - used < _QUIET * _WHILE:
            return


def _rounds(entry: Entry, entries: Sequence[Entry]) -> int:
    """How many samples an entry may have at most."""
    if entry.seconds:
        return 0
    if entry.contestant.who == OWN:
        return _MOST_ROUNDS
    fastest = min(e.estimate for e in entries if e.contestant.who != OWN)
    return _ROUNDS_BEHIND if entry.estimate > _BEHIND * fastest else _MOST_ROUNDS


def _sample(entry: Entry, flush: Callable[[], None] | None) -> float:
    call = entry.contestant.call
    repeats = entry.repeats
    if flush is not None:
        flush()
        repeats = 1
    elif entry.estimate < _LONG_CALL:
        call()
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats
