"""Totals against sums done by hand, and what is left out of them."""

import math

import made_up
import pytest
from bench.results import Results, Row, Sample, load, save
from bench.totals import Group, peer_names, totals


def row(name, *, own=1.0, count=1, direction="forward", layout="NCHW", threads=1, suite="net", **peers):
    samples = [Sample("tapwise", seconds=[own])] if own else []
    samples += [Sample(who, seconds=[time]) for who, time in peers.items() if time]
    return Row(
        suite, f"mb1_{name}", name, count, direction, layout, "float32", threads, "warm", True,
        flops=1e9, bytes=1e8, peak_flops=4e9, bandwidth=1e9, samples=samples,
    )  # fmt: skip


def of(*rows):
    return totals(Results(complete=True, rows=list(rows)))


def test_ratios_by_direction_and_layout():
    found = of(
        row("a", own=1.0, x=2.0, y=4.0),
        row("b", own=1.0, x=0.5),
        row("c", own=1.0, x=3.0, layout="NHWC"),
        row("d", own=1.0),
        row("f", own=1.0, x=1.0, layout="NHWC"),
        row("e", own=2.0, x=1.0, direction="weight_grad"),
    )
    assert [str(t.group) for t in found.groups] == ["forward NCHW", "forward NHWC", "weight_grad NCHW"]
    first = found.groups[0]
    assert (first.rows, first.compared, first.below) == (3, 2, 1)
    assert [t.below for t in found.groups] == [1, 0, 1]
    assert first.ratio == pytest.approx(1.0)
    assert first.worst.name == "b"
    assert {p.who: (p.rows, p.below, pytest.approx(p.ratio)) for p in first.peers} == {
        "x": (2, 1, 1.0),
        "y": (1, 0, 4.0),
    }
    forward, backward = found.directions
    assert (str(forward.group), forward.rows, forward.ratio) == ("forward", 5, pytest.approx(3 ** (1 / 4)))
    assert backward.ratio == 0.5


def test_roofline():
    # The ceiling is 1e9 bytes/s at 10 FLOP per byte, but at most 4e9.
    found = of(row("a", own=0.5), row("b", own=1.0), row("c", own=None)).groups[0]
    assert found.share_of_roofline == pytest.approx(math.sqrt(0.5 * 0.25))
    assert found.least_of_roofline.name == "b"
    assert found.share_of_peak == pytest.approx(math.sqrt(0.5 * 0.25))


def test_without_peers_there_is_a_roofline_and_no_ratio():
    found = of(row("a")).groups[0]
    assert math.isnan(found.ratio)
    assert (found.compared, found.below, found.worst, found.peers) == (0, 0, None, [])
    assert found.share_of_roofline == pytest.approx(0.25)


def test_a_network_weighs_by_count():
    (network,) = of(row("a", own=1.0, count=3, x=2.0, y=1.0), row("b", own=4.0, x=5.0)).networks
    assert (network.suite, network.rows, network.layers) == ("net", 2, 4)
    assert network.own.seconds == 7.0
    x, y = network.peers
    assert (x.who, x.seconds, x.missing, x.ratio) == ("x", 11.0, 0, pytest.approx(11 / 7))
    assert (y.who, y.missing) == ("y", 1)
    assert math.isnan(y.seconds) and math.isnan(y.ratio)


def test_a_wrong_time_of_a_peer_is_missing():
    rows = [row("a", count=2, x=1.0), row("b", x=1.0)]
    rows[1].peers[0].ok = False
    (network,) = of(*rows).networks
    assert network.peers[0].missing == 1
    assert of(*rows).groups[0].compared == 1


def test_our_own_missing_row_takes_our_sum():
    (network,) = of(row("a", count=2, x=1.0), row("b", own=None, x=1.0)).networks
    assert network.own.missing == 1
    assert math.isnan(network.own.seconds) and math.isnan(network.peers[0].ratio)
    assert network.peers[0].seconds == 3.0


def test_networks_are_apart_by_direction_layout_and_threads():
    rows = [
        row("a", count=2, direction=direction, layout=layout, threads=threads)
        for direction in ("forward", "input_grad")
        for layout in ("NCHW", "NHWC")
        for threads in (1, 4)
    ]
    found = of(*rows)
    assert len(found.networks) == len(found.groups) == 8
    assert found.networks[0].group == Group("forward", "NCHW", "1 thread")
    assert str(found.networks[1].group) == "forward NCHW 4 threads"
    assert len(found.directions) == 4


def test_a_list_of_problems_is_no_network():
    assert of(row("a", suite="edge cases"), row("b", suite="edge cases")).networks == []


def test_the_fastest_variant_of_a_peer_counts_once():
    both = row("a", x=3.0)
    both.samples.append(Sample("x", "NHWC", seconds=[2.0]))
    found = of(both).groups[0]
    assert [(p.who, p.ratio) for p in found.peers] == [("x", 2.0)]


def test_nothing_at_all():
    found = of()
    assert (found.groups, found.directions, found.networks) == ([], [], [])


def test_a_file_gives_the_same_totals(tmp_path):
    run = made_up.results()
    made_up.lose(run.rows[1])
    made_up.lose(run.rows[2], wrong=True)
    save(run, tmp_path / "run.json")
    before, after = totals(run), totals(load(tmp_path / "run.json"))
    assert [(t.ratio, t.below, t.compared) for t in before.groups] == [
        (t.ratio, t.below, t.compared) for t in after.groups
    ]
    assert before.groups[0].compared == 2
    assert before.networks[0].own.missing == 2
    assert peer_names(run.rows) == ["pytorch", "onnxruntime"]
