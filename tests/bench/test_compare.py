"""Two runs of one build are the same however the machine drifts, and a slower kernel is found all the same."""

import math

import made_up
import numpy as np
import pytest
from bench.compare import compare, holm
from bench.results import load, save
from hypothesis import given
from hypothesis import strategies as st

MANY = made_up.LAYERS * 3


def pair(seed=0, **options):
    return made_up.results(seed=2 * seed, **options), made_up.results(seed=2 * seed + 1, **options)


def slow(run, index, factor):
    made_up.scale(made_up.own(run.rows[index]), factor)
    return run.rows[index]


@pytest.mark.parametrize("peers", [made_up.PEERS, ()], ids=["peers", "no peers"])
@pytest.mark.parametrize("seed", range(5))
def test_the_same_build_is_the_same(seed, peers):
    found = compare(*pair(seed, peers=peers), 0.05)
    assert len(found.changes) == 24
    assert (found.slower, found.faster, found.failed) == ([], [], False)
    assert "no difference" in found.summary


@pytest.mark.parametrize("peers", [made_up.PEERS, ()], ids=["peers", "no peers"])
@pytest.mark.parametrize("seed", range(5))
def test_the_same_build_on_a_drifting_machine_is_the_same(seed, peers):
    old, new = pair(seed, peers=peers)
    rng = np.random.default_rng(seed)
    made_up.drift(new, np.linspace(1.0, 1.6, 24) * rng.uniform(0.95, 1.05, 24))
    found = compare(old, new, 0.05)
    assert (found.slower, found.faster, found.failed) == ([], [], False)
    # The factors are there to see.
    assert max(c.ratio for c in found.changes) > 1.4


@pytest.mark.parametrize("seed", range(5))
def test_a_slower_kernel_on_a_drifting_machine_is_found(seed):
    old, new = pair(seed)
    made_up.drift(new, np.linspace(0.8, 1.3, 24))
    row = slow(new, 5, 1.1)
    found = compare(old, new, 0.05)
    assert [c.new for c in found.slower] == [row]
    assert found.slower[0].change == pytest.approx(0.1, abs=0.03)
    assert (found.failing, found.failed) == (found.slower, True)


@pytest.mark.parametrize("peers", [made_up.PEERS, ()], ids=["peers", "no peers"])
@pytest.mark.parametrize("factor", [1.12, 1.5, 0.85])
def test_a_change_of_one_row_is_found(factor, peers):
    old, new = pair(peers=peers)
    row = slow(new, 7, factor)
    found = compare(old, new, 0.05)
    changed = found.slower if factor > 1 else found.faster
    assert [c.new for c in changed] == [row]
    assert changed[0].change == pytest.approx(factor - 1, abs=0.03)
    assert changed[0].p < 0.01
    assert found.failed == (factor > 1)


def test_a_build_that_is_slower_everywhere_is_found():
    old, new = pair()
    for index in range(24):
        slow(new, index, 1.15)
    found = compare(old, new, 0.05)
    assert len(found.slower) == 24
    assert found.mean == pytest.approx(1.15, abs=0.02)


def test_the_limit_decides_what_fails():
    old, new = pair()
    slow(new, 3, 1.2)
    assert compare(old, new, 0.05).failed
    lenient = compare(old, new, 0.3)
    assert (len(lenient.slower), lenient.failed) == (1, False)


def test_a_slower_row_in_which_the_peers_slowed_as_well_is_the_machine():
    old, new = pair()
    for sample in new.rows[4].samples:
        made_up.scale(sample, 1.3)  # and the peak, measured before, knows nothing of it
    found = compare(old, new, 0.05)
    assert not found.failed and not found.slower
    assert found.changes[4].machine == pytest.approx(1.3, abs=0.03)


def test_a_peak_that_was_disturbed_is_no_change():
    old, new = pair()
    new.rows[4].peak_flops *= 0.7
    old.rows[9].peak_flops *= 0.7
    assert compare(old, new, 0.05).slower == compare(old, new, 0.05).faster == []


def test_a_disturbed_peak_without_peers_is_outvoted_by_the_whole_run():
    old, new = pair(peers=())
    new.rows[4].peak_flops *= 1.4
    assert compare(old, new, 0.05).slower == []


def test_a_peer_of_another_version_is_no_witness():
    old, new = pair()
    for row in new.rows:
        for sample in row.samples:
            made_up.scale(sample, 1.2)
    assert not compare(old, new, 0.05).slower
    for peer in new.peers[:2]:
        peer.version += "+1"
    found = compare(old, new, 0.05)
    assert len(found.slower) == 24
    assert any("pytorch 1.2.3 became 1.2.3+1" in note for note in found.notes)


def test_a_peer_with_hardly_a_sample_is_no_witness():
    old, new = pair(peers=("slow", "pytorch"))
    for row in new.rows:
        row.samples[1].seconds = [row.samples[1].time * 2] * 2
    slow(new, 2, 1.15)
    found = compare(old, new, 0.05)
    assert len(found.slower) == 1
    assert max(c.floor for c in found.changes) < 0.06


def test_a_busy_neighbour_moves_the_median_but_not_the_fastest():
    old, new = pair(peers=(), samples=60)
    sample = made_up.own(new.rows[0])
    sample.seconds = [s * (1.5 if i % 5 else 1.0) for i, s in enumerate(sample.seconds)]
    found = compare(old, new, 0.05)
    assert found.changes[0].ratio > 1.3 and found.changes[0].p < 0.01
    assert not found.slower


def test_witnesses_that_contradict_each_other_raise_the_floor():
    old, new = pair()
    slow(new, 2, 1.12)
    new.rows[2].peak_flops *= 1.5
    change = compare(old, new, 0.05).changes[2]
    assert change.floor > 0.15
    assert change.verdict == "same"


def test_peers_that_move_by_themselves_raise_every_floor():
    old, new = pair()
    rng = np.random.default_rng(0)
    for row in new.rows:
        factor = rng.uniform(0.7, 1.3)
        for sample in row.peers:
            made_up.scale(sample, factor)
    slow(new, 2, 1.12)
    found = compare(old, new, 0.05)
    assert min(c.floor for c in found.changes) > 0.15
    assert not found.failed
    assert any("not quiet" in line for line in found.lines())


def test_a_small_change_is_below_the_floor_however_significant():
    old, new = pair(samples=40)
    slow(new, 2, 1.03)
    change = compare(old, new, 0.01).changes[2]
    assert change.p < 0.01
    assert change.verdict == "same"


def test_a_large_change_that_the_ranks_do_not_bear_out_is_none():
    old, new = pair(samples=12)
    for run, times in ((old, [1, 1.2, 1.4] * 4), (new, [1.1, 1.22, 1.5, 1.4, 1.21, 1.45] * 2)):
        made_up.own(run.rows[0]).seconds = [t + i * 1e-6 for i, t in enumerate(times)]
        run.rows[0].samples[1:] = []
    change = compare(old, new, 0.05).changes[0]
    assert change.p > 0.01
    assert change.verdict == "same"


def test_too_few_samples_are_said_to_be_too_few():
    old, new = pair(samples=4)
    row = slow(new, 2, 2.0)
    found = compare(old, new, 0.05)
    assert [c.new for c in found.undecided] == [row]
    assert not found.failed
    assert "1 with too few samples" in found.summary
    assert found.table().rows[0][-1].text == "too few"


def test_a_single_row():
    old, new = pair(layers=made_up.LAYERS[:1], directions=["forward"], layouts=["NCHW"])
    assert not compare(old, new, 0.05).failed
    slow(new, 0, 1.1)
    assert compare(old, new, 0.05).failed


def test_the_machine_may_have_no_peak_at_all():
    old, new = pair(peers=())
    for row in old.rows:
        row.peak_flops = math.nan
    slow(new, 1, 1.3)
    assert len(compare(old, new, 0.05).slower) == 1


def test_rows_of_one_run_only():
    old, new = pair()
    only_old, only_new = old.rows[0], new.rows[1]
    old.rows, new.rows = [*old.rows[:1], *old.rows[2:]], new.rows[1:]
    found = compare(old, new, 0.05)
    assert (found.only_old, found.only_new) == ([only_old], [only_new])
    assert not found.failed
    text = found.text()
    assert f"Only in the old run: {only_old.title}" in text and f"Only in the new run: {only_new.title}" in text


def test_a_problem_of_two_networks_is_compared_twice_or_once():
    old, new = pair(layers=[made_up.LAYERS[0]] * 2, directions=["forward"], layouts=["NCHW"])
    assert len(compare(old, new, 0.05).changes) == 2
    new.rows.pop()
    found = compare(old, new, 0.05)
    assert (len(found.changes), found.only_old, found.only_new) == (1, [], [])
    back = compare(new, old, 0.05)
    assert (len(back.changes), back.only_old, back.only_new) == (1, [], [])


@pytest.mark.parametrize("wrong", [True, False])
def test_a_result_that_is_no_longer_correct_fails(wrong):
    old, new = pair()
    made_up.lose(new.rows[6], wrong=wrong)
    found = compare(old, new, 0.05)
    assert (found.lost, found.failed) == ([new.rows[6]], True)
    back = compare(new, old, 0.05)
    assert (back.gained, back.failed) == ([old.rows[6]], False)
    assert new.rows[6].title in found.text() and new.rows[6].title in found.markdown()


def test_nothing_in_common():
    old, new = pair()
    new.rows = []
    found = compare(old, new, 0.05)
    assert found.summary == "The runs have no row in common."
    assert (found.failed, found.table()) == (False, None)
    assert math.isnan(found.mean)
    assert len(found.only_old) == 24 and "and 12 more" in found.text()


def test_notes_of_what_makes_runs_differ():
    old, new = pair()
    new.machine |= {"cpu": "Another", "load": 3.5, "revision": "abc"}
    old.complete = False
    notes = compare(old, new, 0.05).notes
    assert any("old run is incomplete" in note for note in notes)
    assert any("settings differ in cpu:" in note for note in notes)
    assert "The builds differ in revision." in notes
    assert any("share no peers" in note for note in compare(*pair(peers=()), 0.05).notes)


def test_both_renderings_name_the_row_and_the_change():
    old, new = pair()
    new.rows[2].name = old.rows[2].name = 'odd [b]name[/b] | <b> "x" & _y_'
    slow(new, 2, 1.25)
    found = compare(old, new, 0.05)
    change = f"{100 * found.slower[0].change:+.1f}%"
    text = found.text(width=200)
    assert "odd [b]name[/b] | <b>" in text and change in text and "1 slower" in text
    assert "\x1b" not in text and "\x1b" in found.text(colour=True)
    (line,) = [line for line in found.markdown().splitlines() if "odd" in line]
    assert r"odd \[b\]name\[/b\] \| &lt;b&gt;" in line and f"**{change}**" in line
    assert len([c for c in line.replace(r"\|", "") if c == "|"]) == 9


def test_files_compare_as_their_results_do(tmp_path):
    old, new = pair()
    slow(new, 2, 1.2)
    made_up.lose(new.rows[3])
    save(old, tmp_path / "old.json")
    save(new, tmp_path / "new.json")
    from_files = compare(load(tmp_path / "old.json"), load(tmp_path / "new.json"), 0.05)
    assert from_files.text() == compare(old, new, 0.05).text()


def test_holm_on_a_known_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_is_ordered_and_between_none_and_bonferroni(p):
    corrected = holm(p)
    for before, after in zip(p, corrected, strict=True):
        assert before <= after <= min(1.0, len(p) * before)
    order = np.argsort(p, kind="stable")
    assert np.all(np.diff(np.array(corrected)[order]) >= 0)
