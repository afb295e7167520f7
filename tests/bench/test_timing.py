"""Who is sampled how often, and in which order."""

import time

import numpy as np
from bench import timing
from bench.case import Contestant
from bench.results import OWN


def contestant(who, seconds, log):
    def call():
        log.append(who)
        time.sleep(seconds)

    return Contestant(who, "", call, lambda: (np.zeros(1),))


def run(estimates, budget, flush=None):
    """Measures calls that take no time, but are thought to take these."""
    log = []
    entries = [timing.Entry(contestant(who, 0, log), 1, [], seconds) for who, seconds in estimates.items()]
    peak, _ = timing.measure(entries, budget, flush, lambda: 7.0)
    assert peak == 7.0
    return {e.contestant.who: e for e in entries}, log


def test_everyone_gets_what_a_rank_test_needs_but_those_behind():
    entries, _ = run({OWN: 0.004, "fast": 0.004, "behind": 0.008}, budget=0)
    assert [len(e.seconds) for e in entries.values()] == [9, 9, 3]


def test_our_own_gets_all_samples_however_slow():
    entries, _ = run({OWN: 0.04, "fast": 0.002}, budget=0)
    assert len(entries[OWN].seconds) == 9


def test_more_time_gives_more_rounds():
    entries, _ = run({OWN: 0.001, "fast": 0.001}, budget=2)
    assert 9 < len(entries[OWN].seconds) <= 60


def test_the_hopeless_are_measured_while_warming_up():
    entry = timing.warm_up(contestant("slow", 0.05, []), fastest=0.001)
    timing.measure([entry], 0, None, lambda: 1.0)
    assert len(entry.seconds) == 1 and entry.seconds[0] >= 0.05


def test_samples_are_the_time_of_one_call():
    entry = timing.warm_up(contestant(OWN, 0.005, []), fastest=1.0)
    timing.measure([entry], 0, None, lambda: 1.0)
    assert min(entry.seconds) >= 0.005
    fast = timing.warm_up(Contestant(OWN, "", lambda: None, lambda: (np.zeros(1),)), fastest=1.0)
    timing.measure([fast], 0, None, lambda: 1.0)
    assert fast.repeats > 1 and min(fast.seconds) < 50e-6


def test_rounds_begin_with_another_one_each_time():
    _, log = run({OWN: 0.001, "peer": 0.001}, budget=0)
    firsts = [log[i] for i in range(0, len(log), 4)]  # a warm call and a sample of each
    assert set(firsts[::2]) == {OWN} and set(firsts[1::2]) == {"peer"}


def test_cold_samples_are_single_calls_after_a_flush():
    flushed = []
    log = []
    entries = [timing.warm_up(contestant(OWN, 0.0, log), 1.0)]
    log.clear()
    timing.measure(entries, 0, lambda: flushed.append(1), lambda: 1.0)
    assert len(flushed) == len(log) == len(entries[0].seconds) == 9


def test_a_hopeless_call_of_seconds_is_made_once():
    log = []
    slow = timing.warm_up(contestant("slow", 0.6, log), fastest=0.001)
    own = timing.warm_up(contestant(OWN, 0.001, []), fastest=1.0)
    timing.measure([own, slow], 0, None, lambda: 1.0)
    assert log == ["slow"] and len(slow.seconds) == 1 and slow.seconds[0] >= 0.6


def test_the_bandwidth_is_the_median_of_those_between_the_samples():
    entry = timing.Entry(contestant(OWN, 0, []), 1, [], 0.004)
    measured = iter([5.0, 1.0, 9.0] * 20)
    _, bandwidth = timing.measure([entry], 0, None, lambda: 1.0, lambda: next(measured))
    assert bandwidth == 5.0
    _, bandwidth = timing.measure([entry], 0, None, lambda: 1.0)
    assert bandwidth != bandwidth


def test_whoever_lingers_is_waited_for_before_the_first_round_and_behind_each_sample(monkeypatch):
    log = []
    monkeypatch.setattr(timing, "_until_quiet", lambda: log.append("quiet"))
    lingering = contestant("blas", 0, log)
    lingering.lingers = True
    entries = [timing.Entry(contestant(OWN, 0, log), 1, [], 0.03), timing.Entry(lingering, 1, [], 0.03)]
    timing.measure(entries, 0, None, lambda: 1.0)
    assert log[:7] == ["quiet", OWN, "blas", "quiet", "blas", "quiet", OWN]
