"""Random problems in random memory: every pass to the bit, nothing read or written outside."""

from dataclasses import dataclass

import layouts
import numpy as np
import oracle
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_memory import Placed, memories, place

import tapwise


@dataclass
class Drawn:
    x: np.ndarray  # (N, C, *spatial), as w, b and the rest in the oracle's order
    w: np.ndarray
    b: np.ndarray
    options: dict
    layout: str
    weight_layout: str
    threads: int


@st.composite
def geometry(draw, rank):
    def sizes(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(rank))

    spatial, kernel = sizes(1, 9 if rank < 3 else 6), sizes(1, 4 if rank < 3 else 3)
    stride, dilation = sizes(1, 4), sizes(1, 3)
    pads = []
    for n, k, d in zip(spatial, kernel, dilation, strict=True):
        low, high = draw(st.integers(0, 4)), draw(st.integers(0, 4))
        missing = max((k - 1) * d + 1 - (n + low + high), 0)
        pads.append((low + missing, high) if draw(st.booleans()) else (low, high + missing))
    options = {"stride": stride, "padding": tuple(pads), "dilation": dilation}
    return spatial, kernel, options | {"flip": draw(st.booleans())}


@st.composite
def problems(draw, transposed=False):
    rank = draw(st.sampled_from([1, 2, 2, 3]))
    spatial, kernel, options = draw(geometry(rank))
    options["groups"] = groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    few_or_many = st.sampled_from([1, 1, 2, 3, 4, 5, 8, 17, 33])
    channels, filters = draw(few_or_many) * groups, draw(few_or_many) * groups
    if draw(st.booleans()) and groups > 1:
        channels = groups
    batch = draw(st.sampled_from([0, 1, 1, 2, 3]))
    layout = draw(st.sampled_from(layouts.activation_layouts(rank)))
    if batch == 1 and draw(st.booleans()):
        layout = draw(st.sampled_from(layouts.unbatched_layouts(rank)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))

    def integers(*shape):
        return rng.integers(-3, 4, shape).astype(dtype)

    between = (channels, filters) if transposed else (filters, channels)
    return Drawn(
        x=integers(batch, channels, *spatial),
        w=integers(between[0], between[1] // groups, *kernel),
        b=integers(filters),
        options=options,
        layout=layout,
        weight_layout=draw(st.sampled_from(layouts.weight_layouts(rank))),
        threads=draw(st.integers(1, 3)),
    )


def draw_view(data, values):
    return place(values, data.draw(memories(values.ndim)))


def check_into_odd_memory(data, call, expected, inputs):
    """Both call(None) and call(out) give expected, and change nothing around out nor the inputs."""
    snapshots = [a.copy() for a in inputs]
    fresh = call(None)
    np.testing.assert_array_equal(fresh, expected)
    poison = np.full(expected.shape, np.nan, fresh.dtype)
    out = Placed(poison, data.draw(memories(expected.ndim)))
    assert call(out.view) is out.view
    np.testing.assert_array_equal(out.view, expected)
    out.restore_and_check(poison)
    for array, snapshot in zip(inputs, snapshots, strict=True):
        np.testing.assert_array_equal(array, snapshot)


@settings(max_examples=250)
@given(problems(), st.data())
def test_forward(p, data):
    x = draw_view(data, layouts.from_canonical(p.x, p.layout))
    w = draw_view(data, layouts.weight_stored_as(p.w, p.weight_layout))
    b = draw_view(data, p.b)
    expected = oracle.conv(p.x, p.w, p.b, **p.options)

    def call(out):
        return tapwise.conv(
            x,
            w,
            b,
            layout=p.layout,
            weight_layout=p.weight_layout,
            threads=p.threads,
            out=out,
            **p.options,
        )

    check_into_odd_memory(data, call, layouts.from_canonical(expected, p.layout), [x, w, b])


def output_gradient(p):
    rng = np.random.default_rng(p.x.size)
    return rng.integers(-3, 4, oracle.conv(p.x, p.w, **p.options).shape).astype(p.x.dtype)


@settings(max_examples=250)
@given(problems(), st.data())
def test_input_gradient(p, data):
    canonical = output_gradient(p)
    grad = draw_view(data, layouts.from_canonical(canonical, p.layout))
    w = draw_view(data, layouts.weight_stored_as(p.w, p.weight_layout))
    expected = oracle.conv_input_grad(canonical, p.w, p.x.shape[2:], **p.options)
    expected = layouts.from_canonical(expected, p.layout)

    def call(out):
        return tapwise.conv_input_grad(
            grad,
            w,
            expected.shape,
            layout=p.layout,
            weight_layout=p.weight_layout,
            threads=p.threads,
            out=out,
            **p.options,
        )

    check_into_odd_memory(data, call, expected, [grad, w])


@settings(max_examples=250)
@given(problems(), st.data())
def test_weight_and_bias_gradient(p, data):
    canonical = output_gradient(p)
    grad = draw_view(data, layouts.from_canonical(canonical, p.layout))
    x = draw_view(data, layouts.from_canonical(p.x, p.layout))
    kernel = p.w.shape[2:]
    dw = oracle.conv_weight_grad(canonical, p.x, kernel, **p.options)

    def weight(out):
        return tapwise.conv_weight_grad(
            grad,
            x,
            kernel,
            layout=p.layout,
            weight_layout=p.weight_layout,
            threads=p.threads,
            out=out,
            **p.options,
        )

    def bias(out):
        return tapwise.conv_bias_grad(grad, layout=p.layout, threads=p.threads, out=out)

    expected = layouts.weight_stored_as(dw, p.weight_layout)
    check_into_odd_memory(data, weight, expected, [grad, x])
    check_into_odd_memory(data, bias, oracle.conv_bias_grad(canonical), [grad])


@settings(max_examples=250)
@given(problems(transposed=True), st.data())
def test_transposed(p, data):
    options = p.options | {"padding": 0}
    rank, pads = p.x.ndim - 2, p.options["padding"]
    full = oracle.conv_transpose(p.x, p.w, p.b, **options)
    if all(n > low + high for n, (low, high) in zip(full.shape[2:], pads, strict=True)):
        options["padding"] = pads
    expected = oracle.conv_transpose(p.x, p.w, p.b, **options)
    x = draw_view(data, layouts.from_canonical(p.x, p.layout))
    w, b = draw_view(data, p.w), draw_view(data, p.b)
    assert expected.ndim == rank + 2

    def call(out):
        return tapwise.conv_transpose(x, w, b, layout=p.layout, threads=p.threads, out=out, **options)

    check_into_odd_memory(data, call, layouts.from_canonical(expected, p.layout), [x, w, b])


@settings(max_examples=120)
@given(problems(), st.data())
def test_accumulate_and_broadcast_inputs(p, data):
    """One value along some axes, at stride zero; the gradient added to what out holds."""
    ones = data.draw(st.lists(st.booleans(), min_size=p.x.ndim, max_size=p.x.ndim))
    index = tuple(slice(0, 1 if one else None) for one in ones)
    flat = np.broadcast_to(p.x[index], p.x.shape) if p.x.size else p.x
    x = layouts.from_canonical(flat, p.layout)
    y = tapwise.conv(x, p.w, p.b, layout=p.layout, threads=p.threads, **p.options)
    expected = oracle.conv(flat, p.w, p.b, **p.options)
    np.testing.assert_array_equal(y, layouts.from_canonical(expected, p.layout))

    one = np.broadcast_to(p.x.dtype.type(2), expected.shape)
    grad = layouts.from_canonical(one, p.layout)
    start = np.arange(p.w.size, dtype=p.x.dtype).reshape(p.w.shape)
    out = Placed(start, data.draw(memories(start.ndim)))
    tapwise.conv_weight_grad(
        grad,
        x,
        p.w.shape[2:],
        layout=p.layout,
        threads=p.threads,
        out=out.view,
        accumulate=True,
        **p.options,
    )
    dw = oracle.conv_weight_grad(one, flat, p.w.shape[2:], **p.options)
    np.testing.assert_array_equal(out.view, start + dw)
    out.restore_and_check(start)
