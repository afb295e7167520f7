"""Every pass of the whole table on the device; the tests of the emulated one, and larger layers."""

import layouts
import numpy as np
import problems
import pytest
import real_device  # noqa: F401
from geometries import CASES
from test_passes import *  # noqa: F403
from test_passes import SMALL
from test_protocols import (  # noqa: F401
    test_dlpack_byte_offset,
    test_dlpack_without_strides_is_in_c_order,
    test_every_protocol_is_read,
    test_explain_says_what_happens,
    test_interface_streams,
    test_operands_must_agree,
    test_producers_are_asked_for_the_stream_that_works,
    test_results_wait_for_each_other_across_streams,
    test_strides_are_taken_as_they_are,
    test_what_is_no_stream_is_refused,
    test_what_we_give_to_others,
)

import tapwise

LARGE = [case for case in CASES if case not in SMALL]


@pytest.mark.parametrize("case", LARGE, ids=str)
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
def test_large_layers(backend, case, last):
    layout = layouts.activation_layouts(case.rank)[last]
    problem = problems.integer_problem(case)
    for name in problems.PASSES:
        for dtype in (np.float32, np.float64):
            result = problem.run(name, layout, dtype, device="cuda")
            np.testing.assert_array_equal(result, problem.expected(name), name)


def test_many_threads(backend):
    from concurrent.futures import ThreadPoolExecutor

    rng = np.random.default_rng(2)
    x, w = (
        rng.integers(-3, 4, (4, 16, 30, 30)).astype(np.float32),
        rng.integers(-3, 4, (8, 16, 3, 3)).astype(np.float32),
    )
    expected = tapwise.conv(x, w)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: tapwise.conv(x, w, device="cuda"), range(64)):
            np.testing.assert_array_equal(found, expected)
