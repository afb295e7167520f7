"""Run in a fresh interpreter with TAPWISE_ISA set: every pass, both layouts, all kinds of tails.

Prints the ISA in use and a digest of results on real numbers; integers are compared here.
"""

import hashlib
import sys

import layouts
import numpy as np
import problems
from geometries import CASES, COMPACT
from odd_memory import every_other, place

import tapwise


def check_integers():
    for case in CASES:
        for layout in layouts.activation_layouts(case.rank):
            for dtype in (np.float32, np.float64):
                problems.check_exact(case, problems.PASSES, layout, dtype, [2])


def check_accuracy():
    for case in COMPACT:
        for layout in layouts.activation_layouts(case.rank):
            problems.check_accuracy(case, problems.PASSES, layout, np.float32)


def check_the_rest():
    rng = np.random.default_rng(0)

    def integers(*shape):
        return rng.integers(-3, 4, shape).astype(np.float32)

    for size in (1, 7, 8, 15, 16, 17, 31, 33, 70):
        x, w, g = integers(3, size), integers(5, size), integers(3, 5)
        np.testing.assert_array_equal(tapwise.dense(x, w), x @ w.T)
        gx, gw, _ = tapwise.dense_grad(g, x, w)
        np.testing.assert_array_equal(gx, g @ w)
        np.testing.assert_array_equal(gw, g.T @ x)
        np.testing.assert_array_equal(tapwise.relu(x), np.maximum(x, 0))
        image = integers(2, 3, 2, 2 * size)
        best = image.reshape(2, 3, 1, 2, size, 2).max(axis=(3, 5))
        np.testing.assert_array_equal(tapwise.max_pool(image, 2), best)
        strided = place(x, every_other(2))
        np.testing.assert_array_equal(tapwise.relu(strided), np.maximum(x, 0))
        signal = integers(2 * size)
        np.testing.assert_array_equal(tapwise.convolve(signal, x[0]), np.convolve(signal, x[0]))


def digest():
    """Of real numbers: equal from run to run for one ISA."""
    sha = hashlib.sha256()
    for case in COMPACT:
        problem = problems.real_problem(case, np.float32)
        for layout in layouts.activation_layouts(case.rank):
            for name in problems.PASSES:
                for threads in (1, 3):
                    sha.update(problem.run(name, layout, np.float32, threads=threads).tobytes())
    return sha.hexdigest()


if __name__ == "__main__":
    if "digest" not in sys.argv:
        check_integers()
        check_accuracy()
        check_the_rest()
    print(tapwise.build_info()["isa"], digest())
