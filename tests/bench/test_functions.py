"""The suite layers: everyone computes what its references say, rows count right, and lacking functions are told."""

import math

import numpy as np
import pytest
from bench import cli, reference, runner, timing
from bench.case import Unsupported
from bench.descriptor import parse
from bench.functions import FUNCTIONS, Setting
from bench.functions.contestants import contestants, lacking
from bench.functions.dense import Features
from bench.functions.pointwise import Logits
from bench.functions.pool import Images, Windows
from bench.functions.signal import Filter
from bench.functions.steps import Batch
from bench.machine import slowed
from bench.peers import PEERS
from bench.report import html, markdown, tables
from bench.results import OWN, Peaks, Results

import tapwise

POOL = Windows(2, 3, 7, 9, 3, 2, 1)
SMALL = {
    "dense": Features(3, 5, 4), "dense_grad": Features(3, 5, 4), "relu": 33, "relu_grad": 33,
    "max_pool": POOL, "max_pool_indices": POOL, "max_pool_grad": POOL, "max_pool_grad_indices": POOL,
    "avg_pool": POOL, "avg_pool_grad": POOL, "global_avg_pool": Images(2, 3, 4, 5),
    "softmax_cross_entropy": Logits(4, 7), "conv_backward_relu": parse("mb2_ic3ih7_oc4_kh3_sh2_ph1"),
    "conv_transpose": parse("mb2_ic3ih10_oc4oh5_kh4_sh2_ph1"),
    "conv_transpose_backward": parse("mb2_ic3ih10_oc4oh5_kh4_sh2_ph1"),
    "convolve": Filter((3, 40), 7, "same", 1), "correlate": Filter((40,), 7, "valid"),
    "step_lenet": Batch(3), "step_block": parse("mb2_ic3ih6_oc3oh6_kh3_ph1"),
}  # fmt: skip
INSTALLED = [OWN, *(peer.name for peer in PEERS if peer.name in ("pytorch", "numpy") and peer.info().version)]
SETTINGS = [
    (name, last, out)
    for name, work in FUNCTIONS.items()
    for last in ((False, True) if work.has_layout else (False,))
    for out in ((True, False) if work.takes_out else (False,))
]


@pytest.mark.parametrize("name, channels_last, use_out", SETTINGS)
def test_everyone_computes_what_the_reference_says(name, channels_last, use_out):
    work = FUNCTIONS[name](SMALL[name], Setting(channels_last, "float32", 2, use_out))
    expected, done = work.expected(), set()
    for who in INSTALLED:
        try:
            found = contestants(work, who)
        except Unsupported as reason:
            assert str(reason)
            continue
        for contestant in found:
            contestant.call()
            contestant.call()
            distance = reference.distance(contestant.fetch(), expected)
            assert distance <= min(work.tolerance(), 1e-5), f"{who} {contestant.variant}"
            done.add(who)
    assert (OWN in done) != bool(lacking(type(work)))


@pytest.mark.parametrize("shape", [Filter((40,), 7, "full"), Filter((40, 3), 7, "same", 0)])
def test_filters_by_everyone(shape):
    work = FUNCTIONS["convolve"](shape, Setting(threads=2))
    for who in INSTALLED:
        for contestant in contestants(work, who):
            contestant.call()
            assert reference.distance(contestant.fetch(), work.expected()) < 1e-6


@pytest.mark.parametrize(
    "name, shape, flops, numbers",
    [
        ("dense", Features(2, 3, 4), 2 * 2 * 3 * 4, 6 + 12 + 4 + 8),
        ("dense_grad", Features(2, 3, 4), 4 * 2 * 3 * 4 + 8, 8 + 2 * 6 + 2 * 12 + 4),
        ("relu", 10, 10, 20),
        ("relu_grad", 10, 10, 30),
        # Of three taps each window has two on the image, along both axes.
        ("max_pool", Windows(1, 1, 3, 3, 3, 2, 1), 4 * 4, 9 + 4),
        ("max_pool_indices", Windows(1, 1, 3, 3, 3, 2, 1), 4 * 4, 9 + 4 + 2 * 4),
        ("max_pool_grad", Windows(1, 1, 3, 3, 3, 2, 1), 4 * 4 + 4, 2 * 9 + 4),
        ("max_pool_grad_indices", Windows(1, 1, 3, 3, 3, 2, 1), 4, 9 + 4 + 2 * 4),
        ("avg_pool_grad", Windows(1, 1, 3, 3, 3, 2, 1), 4 * 4, 9 + 4),
        ("global_avg_pool", Images(2, 3, 4, 5), 120, 120 + 6),
        ("softmax_cross_entropy", Logits(2, 5), 5 * 10, 2 * 10 + 2 * 2),
        ("conv_transpose", parse("mb1_ic1ih4_oc1oh2_kh2_sh2"), 2 * 16, 4 + 4 + 16),
        ("conv_transpose_backward", parse("mb1_ic1ih4_oc1oh2_kh2_sh2"), 4 * 16 + 16, 16 + 2 * 4 + 2 * 4 + 1),
        ("conv_backward_relu", parse("mb1_ic1ih4_oc1oh2_kh2_sh2"), 4 * 16 + 4, 2 * 16 + 2 * 4 + 2 * 4 + 1),
        ("convolve", Filter((5,), 3, "full"), 2 * 15, 5 + 3 + 7),
        ("correlate", Filter((2, 5), 3, "valid", 1), 2 * 18, 10 + 3 + 6),
    ],
)
def test_operations_and_bytes(name, shape, flops, numbers):
    work = FUNCTIONS[name](shape, Setting())
    assert (work.flops, work.moved) == (flops, 4 * numbers)


def test_maxima_and_where_they_are():
    windows = Windows(1, 1, 2, 4, 2, 2)
    x = np.array([[[[1.0, 7, 9, 3], [5, 7, 9, 8]]]])
    y, place = windows.maxima(x)
    assert y.tolist() == [[[[7, 9]]]] and place.tolist() == [[[[1, 2]]]]
    assert windows.scattered(np.array([[[[10.0, 20]]]]), place).tolist() == [[[[0, 10, 20, 0], [0, 0, 0, 0]]]]


def test_integers_must_be_met_exactly():
    right = np.arange(100_000)
    assert reference.distance((right.copy(),), (right,)) == 0
    assert reference.distance((np.where(right == 7, 8, right),), (right,)) == math.inf


def test_rows_are_those_of_the_table():
    chosen = [(FUNCTIONS[name], SMALL[name]) for name in ("relu", "avg_pool")]
    rows = runner.plan_functions(chosen, runner.Options(threads=(1, 2)))
    assert [(row.direction, row.channels_last, row.threads) for row in rows] == [
        ("relu", False, 1), ("relu", False, 2),
        ("avg_pool", False, 1), ("avg_pool", True, 1), ("avg_pool", False, 2), ("avg_pool", True, 2),
    ]  # fmt: skip
    names = [f"{name}:{shape}" for name, work in FUNCTIONS.items() for shape in work.shapes]
    assert len(set(names)) == len(names)
    assert "dense:256x9216->10" in names and "max_pool_grad:8x192x28x28_k3s1p1" in names


def measured(*names):
    options = runner.Options(budget=0.0)
    rows = runner.plan_functions([(FUNCTIONS[name], SMALL[name]) for name in names], options)
    numpy = [peer for peer in PEERS if peer.name == "numpy"]
    return Results(rows=list(runner.run(rows, options, Peaks(), numpy)))


def test_a_measured_row():
    found = measured("relu")
    (row,) = found.rows
    assert (row.suite, row.problem, row.direction, row.layout) == ("layers", "33", "relu", "")
    assert (row.flops, row.bytes, row.out, row.title) == (33, 2 * 33 * 4, True, "33 relu")
    assert row.own.error == 0 and len(row.own.seconds) >= 3 and row.best_peer.label == "numpy" and row.ratio > 0
    assert not found.wrong


def test_what_a_build_lacks_is_told_in_its_row(monkeypatch):
    monkeypatch.delattr(tapwise, "relu")
    monkeypatch.setattr(tapwise, "max_pool", lambda x, kernel_size: None)
    found = measured("relu", "max_pool_indices")
    assert [row.samples[0].note for row in found.rows] == [
        "this build has no tapwise.relu", *["tapwise.max_pool of this build has no return_indices="] * 2
    ]  # fmt: skip
    assert not found.wrong and all(row.own is None for row in found.rows) and found.rows[0].best_peer
    assert "tapwise.relu" in html.render(found) and "tapwise.relu" in markdown.render(found)
    cells = [cell.text for cell in tables.rows(found)[0].rows[0]]
    assert "this build has no tapwise.relu" in cells


def test_a_pool_that_spins_is_waited_for(monkeypatch):
    used = iter([0.0, 0.02, 0.02, 0.03, 0.03, 0.03, math.nan])
    slept = []
    monkeypatch.setattr(timing.time, "process_time", lambda: next(used))
    monkeypatch.setattr(timing.time, "sleep", slept.append)
    timing._until_quiet()
    assert len(slept) == 3


def test_numpy_lingers_where_its_blas_has_threads():
    pytest.importorskip("threadpoolctl")

    def lingers(name, threads):
        return contestants(FUNCTIONS[name](SMALL[name], Setting(threads=threads)), "numpy")[0].lingers

    assert [lingers("dense", 1), lingers("dense", 2), lingers("relu", 2)] == [False, True, False]


def test_settings_of_openblas_are_told():
    assert slowed({"environment": {"OMP_NUM_THREADS": "2"}}) == slowed({}) == []
    machine = {"environment": {"OPENBLAS_CORETYPE": "Haswell"}}
    assert "OPENBLAS_CORETYPE=Haswell" in slowed(machine)[0]
    assert slowed(machine)[0] in tables.notes(Results(machine=machine))


def test_verify_and_list(capsys):
    threads = {1, tapwise.get_num_threads()}
    assert cli.main(["verify", "layers", "--dir", "relu,relu_grad", "--match", ":1000$", "--peers", "numpy"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("1000 ")]
    assert len(lines) == 2 * len(threads) and "relu_grad" in lines[-1]
    assert cli.main(["list", "layers"]) == 0
    assert "softmax_cross_entropy:64x1000\n" in capsys.readouterr().out
