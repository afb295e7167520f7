"""NaN and infinities: padding takes no part in any sum, so that a bad number reaches exactly the outputs whose window
holds it over real input. One rule for every pass, layout and instruction set; the oracle follows it, too."""

import os

import layouts
import numpy as np
import oracle
import pytest

import tapwise

NAN, INF = np.nan, np.inf
SEEDS = range(int(os.environ.get("TAPWISE_NONFINITE_PROBLEMS", 150)))


def ones(*shape):
    return np.ones(shape, np.float32)


def draw(rng):
    """A small problem: weights and activations that are integers but for a few bad numbers in one of them."""
    rank = int(rng.choice([1, 1, 2, 2, 2, 3]))
    groups = int(rng.choice([1, 1, 1, 2, 3, 8, 9, 16]))
    inputs, filters = groups * int(rng.choice([1, 1, 2, 3, 5])), groups * int(rng.choice([1, 1, 2, 3, 9, 17]))
    most = {1: 40, 2: 20, 3: 8}[rank]
    while True:
        spatial, kernel = rng.integers(1, most + 1, rank), rng.choice([1, 1, 2, 3, 4, 5, 7], rank)
        stride, dilation = rng.choice([1, 1, 1, 2, 3], rank), rng.choice([1, 1, 1, 2, 3], rank)
        pads = rng.integers(0, rng.choice([1, 2, 4, 9]), (rank, 2))
        if (spatial + pads.sum(1) >= (kernel - 1) * dilation + 1).all():
            break
    as_ints = lambda values: tuple(int(v) for v in values)  # noqa: E731
    options = {
        "stride": as_ints(stride),
        "dilation": as_ints(dilation),
        "padding": tuple(as_ints(pair) for pair in pads),
        "groups": groups,
        "flip": bool(rng.integers(2)),
    }
    x = rng.integers(-3, 4, (int(rng.integers(1, 3)), inputs, *spatial)).astype(float)
    w = rng.integers(-3, 4, (filters, inputs // groups, *kernel)).astype(float)
    grad = rng.integers(-3, 4, oracle.conv(x, w, **options).shape).astype(float)
    return x, w, grad, options


def spoil(rng, array):
    array = array.copy()
    for _ in range(rng.integers(1, 4)):
        array.flat[rng.integers(array.size)] = rng.choice([NAN, INF, -INF])
    return array


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("seed", SEEDS)
def test_random_problems(seed):
    rng = np.random.default_rng(seed)
    x, w, grad, options = draw(rng)
    rank, spatial, kernel = x.ndim - 2, x.shape[2:], w.shape[2:]
    dtype = rng.choice([np.float32, np.float64])
    for layout in layouts.activation_layouts(rank)[:2]:
        common = options | {"layout": layout}

        def stored(a, layout=layout):
            return layouts.stored_as(a.astype(dtype), layout)

        for bad in ("x", "w", "grad"):
            x_, w_, grad_ = (spoil(rng, a) if name == bad else a for name, a in (("x", x), ("w", w), ("grad", grad)))
            weight = w_.astype(dtype)
            results = {}
            if bad != "grad":
                y = tapwise.conv(stored(x_), weight, **common)
                results["forward"] = y, oracle.conv(x_, w_, **options)
                plan = tapwise.Plan(stored(x_).shape, np.zeros_like(weight), **common)
                plan.update(weight)
                results["plan"] = plan(stored(x_)), oracle.conv(x_, w_, **options)
            if bad != "x":
                dx = tapwise.conv_input_grad(stored(grad_), weight, stored(x).shape, **common)
                results["input_grad"] = dx, oracle.conv_input_grad(grad_, w_, spatial, **options)
            for name, (result, expected) in results.items():
                np.testing.assert_array_equal(
                    layouts.to_canonical(result, layout), expected, f"{name}, {bad=}, {layout}"
                )
            if bad != "w":
                dw = tapwise.conv_weight_grad(stored(grad_), stored(x_), kernel, **common)
                expected = oracle.conv_weight_grad(grad_, x_, kernel, **options)
                np.testing.assert_array_equal(dw, expected, f"weight_grad, {bad=}, {layout}")


WIDE = [
    # x, weight, options: 4 KiB between pixels, few channels of a strided gradient, lanes of pixels, groups, long rows.
    ((1, 1024, 2, 20), (3, 1024, 3, 3), {"padding": 1}),
    ((1, 3, 33, 40), (24, 3, 7, 7), {"padding": 3, "stride": 2}),
    ((1, 2, 5, 70), (16, 2, 2, 1), {"stride": (1, 2)}),
    ((1, 40, 9, 70), (2, 40, 3, 3), {"padding": ((2, 1), (1, 2)), "dilation": 2}),
    ((2, 64, 9, 11), (64, 1, 3, 3), {"padding": 1, "groups": 64, "stride": 2}),
    ((2, 8, 700), (24, 8, 301), {"padding": 200}),
]


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("x_shape, w_shape, options", WIDE, ids=str)
@pytest.mark.parametrize("bad", [NAN, INF], ids=str)
def test_shapes_that_choose_other_kernels(rng, x_shape, w_shape, options, bad):
    x, w = (rng.integers(-3, 4, shape).astype(float) for shape in (x_shape, w_shape))
    grad = rng.integers(-3, 4, oracle.conv(x, w, **options).shape).astype(float)
    for layout in layouts.activation_layouts(x.ndim - 2):
        common = options | {"layout": layout}
        for array in (x, w, grad):
            spared, at = array.copy(), rng.integers(array.size)
            array.flat[at] = bad
            x_, w_, grad_ = (a.astype(np.float32) for a in (x, w, grad))
            x_, grad_ = layouts.stored_as(x_, layout), layouts.stored_as(grad_, layout)
            got = tapwise.conv(x_, w_, **common), *tapwise.conv_backward(grad_, x_, w_, **common)[:2]
            expected = (
                oracle.conv(x, w, **options),
                oracle.conv_input_grad(grad, w, x.shape[2:], **options),
                oracle.conv_weight_grad(grad, x, w.shape[2:], **options),
            )
            for i, (result, right) in enumerate(zip(got, expected, strict=True)):
                result = result if i == 2 else layouts.to_canonical(result, layout)
                np.testing.assert_array_equal(result, right, f"{'y dx dw'.split()[i]} {layout}")
            array[...] = spared


def test_bad_numbers_of_transposed_convolutions():
    x = np.zeros((1, 16, 14, 14), np.float32)
    x[0, 0, 7, 7] = NAN
    y = tapwise.conv_transpose(x, ones(16, 1, 5, 5), stride=2)
    assert np.isnan(y).sum() == 25 and np.isnan(y[0, 0, 14:19, 14:19]).all()
    x[0, 0, 7, 7] = INF
    y = tapwise.conv_transpose(x, ones(16, 1, 5, 5), stride=2)
    assert np.isinf(y).sum() == 25 and not np.isnan(y).any()
    x = np.zeros((1, 4, 3, 3), np.float32)
    x[0, 0, 0, 0] = NAN
    assert np.isnan(tapwise.conv_transpose(x, ones(4, 1, 3, 3), stride=2)).sum() == 9
    weight = np.array([[[INF, 1]]], np.float32)
    np.testing.assert_array_equal(tapwise.conv_transpose(ones(1, 1, 2), weight), [[[INF, INF, 1]]])
    # Column 21 is reached by no tap.
    for columns in (15, 32):
        grad = ones(1, 16, 4, columns)
        grad[0, 0, 1, 10] = INF
        y = tapwise.conv_transpose(grad, ones(16, 1, 2, 1), stride=(1, 2))
        assert not np.isnan(y).any() and (y[..., 1::2] == 0).all()


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("filters", [1, 3, 16])
def test_infinite_weights_reach_no_padding(channels, filters):
    weight = ones(filters, channels, 3)
    weight[:, :, 0] = INF
    y = tapwise.conv1d(ones(1, channels, 4), weight, padding=1)
    np.testing.assert_array_equal(y, np.broadcast_to(np.array([2 * channels, INF, INF, INF]), y.shape))


def test_weight_gradients_of_positions_that_see_padding_alone():
    grad = ones(1, 3, 12)
    grad[0, 0, 0] = INF
    dw = tapwise.conv_weight_grad(grad, ones(1, 2, 10), 1, padding=1)
    np.testing.assert_array_equal(dw.ravel(), np.full(6, 10))


def test_updating_a_plan_with_infinite_weights_and_back():
    x, weight = ones(1, 1, 4), ones(1, 1, 3)
    plan = tapwise.Plan(x.shape, weight, padding=1)
    weight[0, 0, 0] = INF
    for w, expected in ((weight, [2, INF, INF, INF]), (ones(1, 1, 3), [2, 3, 3, 2])):
        plan.update(w)
        np.testing.assert_array_equal(plan(x), [[expected]])


def test_the_gradient_passes_relu_at_nan():
    x = np.array([NAN, -1, 0, 1, INF, -INF], np.float32)
    np.testing.assert_array_equal(tapwise.relu_grad(ones(6), x), [1, 0, 0, 1, 1, 0])
    np.testing.assert_array_equal(tapwise.relu_grad(np.full(6, NAN, "f"), x), [NAN, 0, 0, NAN, NAN, 0])
