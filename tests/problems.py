"""A case of the table filled with numbers, run through tapwise and through the oracle."""

import zlib
from functools import cache, cached_property

import layouts
import numpy as np
import oracle

import tapwise

PASSES = ("forward", "input_grad", "weight_grad", "bias_grad")


class Problem:
    """Data in (N, C, *spatial) float64; `expected(p)` by the oracle, `run(p, ...)` by tapwise."""

    def __init__(self, case, draw, dtype=np.float64):
        self.case, self.options, self.dtype = case, case.options, dtype
        self.x, self.w = draw(case.x), draw(case.w)
        self.b = draw(case.w[:1])
        self.grad = draw(self.forward_shape)
        self._expected = {}

    @cached_property
    def forward_shape(self):
        empty = np.zeros(self.case.x), np.zeros(self.case.w)
        return oracle.conv(*empty, **self.options).shape

    def expected(self, name):
        if name not in self._expected:
            self._expected[name] = self.by_oracle(name, self.x, self.w, self.b, self.grad)
        return self._expected[name]

    def by_oracle(self, name, x, w, b, grad):
        options = self.options | {"dtype": self.dtype}
        if name == "forward":
            return oracle.conv(x, w, b, **options)
        if name == "input_grad":
            return oracle.conv_input_grad(grad, w, x.shape[2:], **options)
        if name == "weight_grad":
            return oracle.conv_weight_grad(grad, x, w.shape[2:], **options)
        return oracle.conv_bias_grad(grad, dtype=self.dtype)

    def absolute(self, name):
        """The same pass over absolute values: what the accuracy bound is relative to."""
        return self.by_oracle(name, *map(np.abs, (self.x, self.w, self.b, self.grad)))

    def products(self, name):
        taps = int(np.prod(self.case.w[2:]))
        outputs = int(np.prod(self.grad.shape[2:])) * len(self.grad)
        filters = self.case.w[0] // self.options.get("groups", 1)
        return {
            "forward": self.case.w[1] * taps,
            "input_grad": filters * taps,
            "weight_grad": outputs,
            "bias_grad": outputs,
        }[name]

    def run(self, name, layout, dtype, *, weight_layout=None, **control):
        """The result as (N, C, *spatial) or (O, I, *kernel), whatever layout it was computed in."""
        weight_layout = weight_layout or layouts.weight_layouts(self.case.rank)[0]
        x, grad = (layouts.stored_as(a.astype(dtype), layout) for a in (self.x, self.grad))
        w = layouts.weight_stored_as(self.w.astype(dtype), weight_layout)
        control |= {"layout": layout}
        if name == "bias_grad":
            return tapwise.conv_bias_grad(grad, **control)
        control |= self.options | {"weight_layout": weight_layout}
        if name == "weight_grad":
            dw = tapwise.conv_weight_grad(grad, x, self.case.w[2:], **control)
            assert dw.shape == w.shape and dw.dtype == dtype
            return layouts.weight_to_canonical(dw, weight_layout)
        if name == "forward":
            y = tapwise.conv(x, w, self.b.astype(dtype), **control)
            assert y.dtype == dtype
        else:
            y = tapwise.conv_input_grad(grad, w, x.shape, **control)
            assert y.shape == x.shape and y.dtype == dtype
        return layouts.to_canonical(y, layout)


def affordable(case, dtype):
    """float64 is checked against extended precision, which has no fast matrix product."""
    return dtype == np.float32 or np.prod(case.w) * np.prod(case.x[2:]) < 2e6


@cache
def integer_problem(case):
    """Small integers: every order of summation gives the same bits, in float32 too."""
    rng = np.random.default_rng(zlib.crc32(case.name.encode()))
    return Problem(case, lambda shape: rng.integers(-3, 4, shape).astype(np.float64))


@cache
def real_problem(case, dtype):
    """Values of that dtype over six decades, computed by the oracle in a wider one."""
    rng = np.random.default_rng(zlib.crc32(case.name.encode()))
    wider = np.float64 if dtype == np.float32 else np.longdouble

    def draw(shape):
        values = rng.standard_normal(shape) * 10.0 ** rng.uniform(-3, 3, shape)
        return values.astype(dtype).astype(wider)

    return Problem(case, draw, wider)


def check_exact(case, names, layout, dtype, thread_counts=(1, 2, 3), **control):
    problem = integer_problem(case)
    for name in names:
        for threads in thread_counts:
            result = problem.run(name, layout, dtype, threads=threads, **control)
            np.testing.assert_array_equal(result, problem.expected(name), f"{name}, {threads=}")


def check_accuracy(case, names, layout, dtype, **device):
    problem = real_problem(case, dtype)
    for name in names:
        control = device | ({} if name == "bias_grad" else {"algorithm": "direct"})
        result = problem.run(name, layout, dtype, **control)
        error = np.abs(result - problem.expected(name))
        bound = oracle.accuracy_bound(dtype, problem.products(name), problem.absolute(name))
        worst = np.argmax(error - bound)
        assert (error <= bound).all(), (
            f"{name}: element {np.unravel_index(worst, error.shape)} is off by {error.flat[worst]},"
            f" allowed {bound.flat[worst]}"
        )
