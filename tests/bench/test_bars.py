"""Which rows are short of the bars that the direct kernels are held to."""

import math

import pytest
from bench import bars, suites
from bench.results import Results, Row, Sample

PEAK = 100e9


def row(name, direction="fwd", layout="NCHW", *, share, ratio, bandwidth=1e12, intensity=1000.0):
    flops = 1e9
    seconds = flops / (PEAK * share)
    samples = [Sample("tapwise", "", True, [seconds])]
    if ratio is not None:
        samples.append(Sample("other", "", True, [seconds * ratio]))
    return Row(
        "direct", "mb1", f"direct:{name}", 1, direction, layout, "float32", 2, "hot", True,
        flops, flops / intensity, PEAK, bandwidth, samples,
    )  # fmt: skip


def judged(*rows):
    return bars.judge(Results(rows=list(rows)))


@pytest.mark.parametrize(
    "name, direction, share, ratio, held",
    [
        ("3x3_128_at_28", "fwd", 0.93, 1.01, True),
        ("3x3_128_at_28", "fwd", 0.91, 1.01, False),
        ("3x3_128_at_28", "fwd", 0.93, 0.99, False),
        ("3x3_128_at_28", "bwd_w", 0.89, 1.1, True),
        ("3x3_64_at_56", "bwd_w", 0.89, 1.1, False),
        ("3x3_512_at_7", "bwd_w", 0.89, 1.1, False),
        ("1x1_256_to_64_at_56", "bwd_w", 0.9, 1.7, False),
        ("1x1_512_to_128_at_28", "bwd_w", 0.9, 1.2, True),
        ("1x1s2_256_to_512_at_56", "bwd_d", 0.85, 1.3, False),
        ("3x3s2_128_at_56", "bwd_d", 0.85, 1.3, True),
        ("first_7x7s2", "bwd_d", 0.2, 4.1, True),
        ("first_7x7s2", "bwd_d", 0.9, 3.9, False),
        ("dilation4_512_at_28", "bwd_d", 0.93, 1.0, True),
        ("3x3_128_at_28", "fwd", 0.93, None, True),
    ],
)
def test_a_row_holds_its_share_and_its_ratio(name, direction, share, ratio, held):
    (verdict,) = judged(row(name, direction, share=share, ratio=ratio))
    assert verdict.held is held
    assert len(bars.short_rows([verdict])[1]) == (not held)


def test_pointwise_rows_are_held_to_the_roofline():
    (verdict,) = judged(row("1x1_512_to_128_at_28", share=0.46, ratio=2.0, bandwidth=5e7, intensity=1000.0))
    assert verdict.share == pytest.approx(0.92) and verdict.held


def test_a_batch_of_one_is_held_to_nine_tenths_of_the_batch():
    full = row("3x3_128_at_28", share=0.9, ratio=1.0)
    short, fine = row("b1_3x3_128_at_28", share=0.8, ratio=1.0), row("b1_3x3_128_at_28", share=0.82, ratio=1.0)
    assert [v.held for v in judged(full, short)] == [False, False]
    assert [v.held for v in judged(full, fine)] == [False, True]
    (alone,) = judged(fine)
    assert math.isnan(alone.wanted_share) and alone.held


def test_the_table_counts_each_group_direction_and_layout():
    verdicts = judged(
        row("3x3_128_at_28", share=0.93, ratio=1.1),
        row("3x3_256_at_14", share=0.90, ratio=1.2),
        row("first_5x5", share=0.86, ratio=None),
    )
    assert bars.table(verdicts)[1] == [
        ["3x3", "fwd", "NCHW", "1 of 2", "90.0%", "1.10x"],
        ["first layers", "fwd", "NCHW", "1 of 1", "86.0%", ""],
    ]


def test_every_row_of_the_suite_has_a_bar():
    for layer in suites.load("direct"):
        name = layer.problem.name.removeprefix("direct:")
        directions = ["bwd_b"] if name.startswith("bias") else ["fwd", "bwd_d", "bwd_w"]
        for direction in directions:
            assert judged(row(name, direction, share=1.0, ratio=1.0)), name
