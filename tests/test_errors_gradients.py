"""Bad input to the gradients, transposed convolution, pooling and dense functions."""

import numpy as np
import pytest
from refusal import refused

import tapwise
from tapwise import (
    conv_backward,
    conv_bias_grad,
    conv_input_grad,
    conv_output_shape,
    conv_transpose,
    conv_weight_grad,
)


def f32(*shape):
    return np.ones(shape, np.float32)


X, W, GRAD = f32(2, 6, 9, 10), f32(8, 6, 3, 3), f32(2, 8, 7, 8)


def rows(*table):
    return pytest.mark.parametrize("call, exception, pieces", [pytest.param(r[1], r[2], r[3:], id=r[0]) for r in table])


def dx(grad=GRAD, weight=W, shape=X.shape, **options):
    return lambda: conv_input_grad(grad, weight, shape, **options)


@rows(
    ("grad-size", dx(f32(2, 8, 7, 9)), ValueError, "grad", r"\b7, 8\b", r"\b7, 9\b"),
    ("grad-filters", dx(f32(2, 7, 7, 8)), ValueError, "grad", r"\b8\b", r"\b7\b"),
    ("grad-batch", dx(f32(3, 8, 7, 8)), ValueError, "grad", r"\b2\b", r"\b3\b"),
    ("grad-rank", dx(GRAD[0]), ValueError, "grad", r"\(8, 7, 8\)"),
    ("grad-for-stride", dx(stride=2), ValueError, "grad", r"\b4, 4\b", r"\b7, 8\b"),
    ("grad-dtype", dx(GRAD.astype(float)), TypeError, "float32", "float64"),
    ("grad-list", dx([1.0]), TypeError, "grad", "list"),
    ("grad-none", dx(None), TypeError, "grad", "None"),
    ("weight-channels", dx(shape=(2, 5, 9, 10)), ValueError, "weight|input_shape", "5", "6"),
    ("shape-rank", dx(shape=(2, 6, 9)), ValueError, "input_shape", r"\(2, 6, 9\)"),
    ("shape-spatial-only", dx(shape=(9, 10)), ValueError, "input_shape"),
    ("shape-negative", dx(shape=(2, 6, -9, 10)), ValueError, "input_shape", "-9"),
    ("shape-float", dx(shape=(2, 6, 9.0, 10)), TypeError, "input_shape"),
    ("shape-none", dx(shape=None), TypeError, "input_shape", "None"),
    ("shape-int", dx(shape=9), TypeError, "input_shape"),
    ("shape-huge", dx(shape=(2, 6, 2**62, 10)), ValueError, "grad|input_shape|size"),
    ("shape-beyond", dx(shape=(2, 6, 2**65, 10)), ValueError, "input_shape"),
    ("no-output", dx(shape=(2, 6, 2, 10)), ValueError, r"\b2\b", r"\b3\b"),
    ("layout", dx(layout="NHWC"), ValueError, "weight|grad|layout"),
)
def test_input_gradient(call, exception, pieces):
    refused(exception, call, *pieces)


def dw(grad=GRAD, x=X, kernel=(3, 3), **options):
    return lambda: conv_weight_grad(grad, x, kernel, **options)


@rows(
    ("grad-size", dw(f32(2, 8, 6, 8)), ValueError, "grad", r"\b7, 8\b", r"\b6, 8\b"),
    ("grad-batch", dw(f32(3, 8, 7, 8)), ValueError, "grad", r"\b2\b", r"\b3\b"),
    ("grad-rank", dw(f32(8, 7, 8)), ValueError, "grad"),
    ("x-rank", dw(x=X[0]), ValueError, r"\bx\b", r"\(6, 9, 10\)"),
    ("x-dtype", dw(x=X.astype(float)), TypeError, "float32", "float64"),
    ("x-list", dw(x=X.tolist()), TypeError, r"\bx\b", "list"),
    ("kernel-count", dw(kernel=(3, 3, 3)), ValueError, "kernel_size|x", "3"),
    ("kernel-zero", dw(kernel=(0, 3)), ValueError, "kernel_size", "0"),
    ("kernel-negative", dw(kernel=(3, -3)), ValueError, "kernel_size", "-3"),
    ("kernel-float", dw(kernel=(3, 3.0)), TypeError, "kernel_size"),
    ("kernel-none", dw(kernel=None), TypeError, "kernel_size"),
    ("kernel-huge", dw(kernel=(2**62, 3)), ValueError, "kernel_size|size"),
    ("groups-x", dw(groups=4), ValueError, "groups", "4", "6"),
    ("groups-grad", dw(groups=3), ValueError, "groups", "3", "8"),
    ("no-output", dw(kernel=(10, 3)), ValueError, r"\b9\b", r"\b10\b"),
    ("unbatched", dw(GRAD[0], X[0]), ValueError, r"\bx\b|grad", "CHW"),
    ("accumulate-nothing", dw(accumulate=True), ValueError, "accumulate", "out"),
    ("accumulate-text", dw(accumulate="yes"), TypeError, "accumulate"),
)
def test_weight_gradient(call, exception, pieces):
    refused(exception, call, *pieces)


@rows(
    ("rank", lambda: conv_bias_grad(f32(3)), ValueError, "grad", r"\(3,\)"),
    ("too-deep", lambda: conv_bias_grad(f32(*[1] * 6)), ValueError, "grad"),
    ("dtype", lambda: conv_bias_grad(GRAD.astype(int)), TypeError, "grad", "int64"),
    ("layout", lambda: conv_bias_grad(GRAD, layout="NCW"), ValueError, "layout|grad", "NCW"),
    ("list", lambda: conv_bias_grad([[[1.0]]]), TypeError, "grad", "list"),
)
def test_bias_gradient(call, exception, pieces):
    refused(exception, call, *pieces)


def backward(**options):
    return lambda: conv_backward(GRAD, X, W, **options)


@rows(
    ("accumulate-nothing", backward(accumulate=True), ValueError, "accumulate", "out"),
    ("unneeded-out", backward(needs=(False, True, True), out=(X, None, None)), ValueError, "out"),
    ("needs-count", backward(needs=(True, True)), ValueError, "needs", "3|three"),
    ("needs-type", backward(needs=True), TypeError, "needs"),
    ("needs-text", backward(needs=("yes", True, True)), TypeError, "needs"),
    ("out-count", backward(out=(None, None)), ValueError, "out", "3|three"),
    ("out-array", backward(out=X), TypeError, "out"),
    ("grad", lambda: conv_backward(X, X, W), ValueError, "grad"),
    ("weight", lambda: conv_backward(GRAD, X, W[:, :3]), ValueError, "weight", "3", "6"),
)
def test_backward(call, exception, pieces):
    refused(exception, call, *pieces)


UP = f32(6, 8, 3, 3)


def up(x=X, weight=UP, bias=None, **options):
    return lambda: conv_transpose(x, weight, bias, **options)


@rows(
    ("weight-channels", up(weight=f32(8, 6, 3, 3)), ValueError, "weight", r"\b8\b", r"\b6\b"),
    ("bias", up(bias=f32(6)), ValueError, "bias", r"\(8,\)", r"\(6,\)"),
    ("bias-grouped", up(bias=f32(8), groups=2), ValueError, "bias", r"\(16,\)", r"\(8,\)"),
    ("groups", up(groups=4), ValueError, "groups", "4", "6"),
    ("padding-too-large", up(f32(1, 6, 1, 1), padding=2), ValueError, "padding|output|size"),
    ("padding-negative", up(padding=-1), ValueError, "padding", "-1"),
    ("output-padding-negative", up(output_padding=-1), ValueError, "output_padding", "-1"),
    ("output-padding-large", up(stride=2, output_padding=2), ValueError, "output_padding", "2"),
    ("output-padding-float", up(output_padding=1.0), TypeError, "output_padding"),
    ("output-padding-count", up(output_padding=(0, 0, 0)), ValueError, "output_padding"),
    ("stride", up(stride=0), ValueError, "stride", "0"),
    ("dtype", up(X.astype(float)), TypeError, "float32", "float64"),
    ("rank", up(X[0]), ValueError, r"\bx\b"),
    ("empty-axis", up(f32(1, 6, 0, 3)), ValueError, "0"),
)
def test_transposed(call, exception, pieces):
    refused(exception, call, *pieces)


@rows(
    ("channels", lambda: conv_output_shape((1, 5, 9, 9), W.shape), ValueError, "weight", "5", "6"),
    ("rank", lambda: conv_output_shape((5, 9), W.shape), ValueError, "x_shape|x"),
    ("negative", lambda: conv_output_shape((1, 6, -9, 9), W.shape), ValueError, "-9"),
    ("float", lambda: conv_output_shape((1, 6, 9.0, 9), W.shape), TypeError, "x_shape|x"),
    ("overflow", lambda: conv_output_shape((2**40, 6, 2**20, 2**20), W.shape), ValueError),
)
def test_output_shape(call, exception, pieces):
    refused(exception, call, *pieces)


def pool(x=X, kernel=2, **options):
    return lambda: tapwise.max_pool(x, kernel, **options)


@rows(
    ("kernel-zero", pool(kernel=0), ValueError, "kernel_size", "0"),
    ("kernel-count", pool(kernel=(2, 2, 2)), ValueError, "kernel_size"),
    ("kernel-float", pool(kernel=2.0), TypeError, "kernel_size"),
    ("kernel-bool", pool(kernel=True), TypeError, "kernel_size"),
    ("too-large", pool(kernel=11), ValueError, r"\b11\b", r"\b9\b|\b10\b"),
    ("stride", pool(stride=0), ValueError, "stride", "0"),
    ("dilation", pool(dilation=0), ValueError, "dilation", "0"),
    ("padding", pool(padding=-1), ValueError, "padding", "-1"),
    ("padding-over-half", pool(padding=2), ValueError, "padding", "2"),
    ("huge", pool(kernel=2**62), ValueError, "kernel_size|size"),
    ("rank", pool(f32(3)), ValueError, r"\bx\b"),
    ("dtype", pool(X.astype(int)), TypeError, r"\bx\b", "int64"),
    ("layout", pool(layout="NWHC"), ValueError, "layout", "NWHC"),
    ("grad", lambda: tapwise.max_pool_grad(X, X, 2), ValueError, "grad", r"\b4, 5\b"),
)
def test_max_pool(call, exception, pieces):
    refused(exception, call, *pieces)


ROWS, D = f32(4, 6), f32(8, 6)


@rows(
    ("features", lambda: tapwise.dense(ROWS, f32(8, 5)), ValueError, "weight", "5", "6"),
    ("bias", lambda: tapwise.dense(ROWS, D, f32(6)), ValueError, "bias", r"\(8,\)", r"\(6,\)"),
    ("rank", lambda: tapwise.dense(X, D), ValueError, r"\bx\b"),
    ("weight-rank", lambda: tapwise.dense(ROWS, f32(6)), ValueError, "weight"),
    ("dtype", lambda: tapwise.dense(ROWS.astype(float), D), TypeError, "float32", "float64"),
    ("grad", lambda: tapwise.dense_grad(ROWS, ROWS, D), ValueError, "grad", "6", "8"),
    ("relu-dtype", lambda: tapwise.relu(np.arange(3)), TypeError, r"\bx\b", "int64"),
    ("relu-list", lambda: tapwise.relu([1.0]), TypeError, r"\bx\b", "list"),
    ("relu-grad", lambda: tapwise.relu_grad(ROWS, D), ValueError, "grad", r"\(4, 6\)"),
    (
        "labels-range",
        lambda: tapwise.softmax_cross_entropy(ROWS, np.array([0, 1, 2, 6])),
        ValueError,
        "labels",
        "6",
    ),
    (
        "labels-negative",
        lambda: tapwise.softmax_cross_entropy(ROWS, np.array([0, 1, 2, -1])),
        ValueError,
        "labels",
        "-1",
    ),
    (
        "labels-count",
        lambda: tapwise.softmax_cross_entropy(ROWS, np.array([0, 1])),
        ValueError,
        "labels",
        "4",
    ),
    (
        "labels-float",
        lambda: tapwise.softmax_cross_entropy(ROWS, np.zeros(4)),
        TypeError,
        "labels",
    ),
    (
        "logits-rank",
        lambda: tapwise.softmax_cross_entropy(X, np.zeros(2, int)),
        ValueError,
        "logits",
    ),
)
def test_layers(call, exception, pieces):
    refused(exception, call, *pieces)
