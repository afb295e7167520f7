"""Bad input to conv: the error names the operand, what was due and what came."""

from contextlib import suppress

import numpy as np
import pytest
from refusal import refused

import tapwise

X = np.zeros((2, 6, 9, 10), np.float32)
W = np.zeros((8, 6, 3, 3), np.float32)
B = np.zeros(8, np.float32)
GRAD = np.zeros((2, 8, 7, 8), np.float32)


def conv(x=X, w=W, b=None, **options):
    return lambda: tapwise.conv(x, w, b, **options)


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


def rows(*table):
    """(name, call, exception, *pieces) each, as parameters."""
    return pytest.mark.parametrize("call, exception, pieces", [pytest.param(r[1], r[2], r[3:], id=r[0]) for r in table])


def test_the_layout_mistake_literally():
    x, w = zeros(8, 32, 32, 3), zeros(16, 3, 5, 5)
    message = refused(ValueError, conv(x, w))
    assert message == (
        "weight expects 3 input channels but x of shape (8, 32, 32, 3) has 32 in layout "
        '"NCHW"; did you mean layout="NHWC"?'
    )


def test_the_opposite_layout_mistake_also_gets_its_hint():
    x, w = zeros(8, 3, 32, 32), zeros(16, 3, 5, 5)
    refused(ValueError, conv(x, w, layout="NHWC"), r"\b32\b", 'did you mean layout="NCHW"')


def test_no_hint_where_no_other_layout_fits():
    message = refused(ValueError, conv(zeros(2, 5, 9, 9), W), "weight", r"\b6\b", r"\b5\b")
    assert "did you mean layout" not in message


@rows(
    ("rank-2-x", conv(zeros(9, 10)), ValueError, r"\bx\b", r"\(9, 10\)", "4"),
    ("unbatched-x", conv(X[0]), ValueError, r"\bx\b", r"\(6, 9, 10\)", "CHW"),
    ("x-too-deep", conv(X[None]), ValueError, r"\bx\b", r"\(1, 2, 6, 9, 10\)"),
    ("scalar-x", conv(zeros()), ValueError, r"\bx\b"),
    ("weight-rank-2", conv(w=zeros(8, 6)), ValueError, "weight", r"\(8, 6\)"),
    ("weight-rank-6", conv(w=zeros(*[1] * 6)), ValueError, "weight"),
    ("weight-empty-kernel", conv(w=zeros(8, 6, 0, 3)), ValueError, "weight", r"\(8, 6, 0, 3\)"),
    ("weight-channels", conv(w=zeros(8, 5, 3, 3)), ValueError, "weight", r"\b5\b", r"\b6\b"),
    ("conv1d", lambda: tapwise.conv1d(X, W), ValueError, "conv1d|3", r"\(8, 6, 3, 3\)|\b4\b"),
    ("conv2d", lambda: tapwise.conv2d(X[0], W[0]), ValueError, r"conv2d|\bx\b|weight", "3"),
    ("conv3d", lambda: tapwise.conv3d(X, W), ValueError, "conv3d|5", r"\(8, 6, 3, 3\)|\b4\b"),
    ("unbatched-layout", conv(layout="CHW"), ValueError, r"\bx\b", "CHW", r"\(2, 6, 9, 10\)"),
    ("bias-length", conv(b=zeros(7)), ValueError, "bias", r"\(8,\)", r"\(7,\)"),
    ("bias-per-colour", conv(b=zeros(8, 6)), ValueError, "bias", r"\(8,\)", r"\(8, 6\)"),
    ("bias-column", conv(b=zeros(8, 1)), ValueError, "bias", r"\(8, 1\)"),
    ("bias-scalar", conv(b=zeros()), ValueError, "bias", r"\(8,\)"),
)
def test_shapes(call, exception, pieces):
    refused(exception, call, *pieces)


@rows(
    ("int-x", conv(X.astype(np.int64)), TypeError, r"\bx\b", "float32", "int64"),
    ("bool-x", conv(X.astype(bool)), TypeError, r"\bx\b", "bool"),
    ("half-x", conv(X.astype(np.float16)), TypeError, r"\bx\b", "float16"),
    ("complex-x", conv(X.astype(complex)), TypeError, r"\bx\b", "complex"),
    ("long-x", conv(X.astype(np.longdouble)), TypeError, r"\bx\b"),
    ("object-x", conv(X.astype(object)), TypeError, r"\bx\b"),
    ("swapped-x", conv(X.astype(">f4")), TypeError, r"\bx\b"),
    ("double-x", conv(X.astype(float)), TypeError, "float32", "float64", "weight|x"),
    ("double-weight", conv(w=W.astype(float)), TypeError, "weight", "float32", "float64"),
    ("double-bias", conv(b=B.astype(float)), TypeError, "bias", "float32", "float64"),
    ("list-x", conv(X.tolist()), TypeError, r"\bx\b", "list"),
    ("list-weight", conv(w=W.tolist()), TypeError, "weight", "list"),
    ("list-bias", conv(b=B.tolist()), TypeError, "bias", "list"),
    ("none-x", conv(None), TypeError, r"\bx\b", "None"),
    ("none-weight", lambda: tapwise.conv(X, None), TypeError, "weight", "None"),
    ("number-x", conv(1.0), TypeError, r"\bx\b", "float"),
    ("text-x", conv("image"), TypeError, r"\bx\b", "str"),
    ("unknown-keyword", conv(strides=2), TypeError, "strides"),
    ("positional-stride", lambda: tapwise.conv(X, W, B, 1), TypeError, "positional"),
    ("missing-weight", lambda: tapwise.conv(X), TypeError, "weight"),
)
def test_types(call, exception, pieces):
    refused(exception, call, *pieces)


@rows(
    ("unknown", conv(layout="NCWH"), ValueError, "layout", "NCWH", "NCHW", "NHWC"),
    ("lower-case", conv(layout="nchw"), ValueError, "layout", "nchw", "NCHW"),
    ("empty", conv(layout=""), ValueError, "layout", "NCHW"),
    ("other-rank", conv(layout="NCW"), ValueError, "layout", "NCW"),
    ("not-text", conv(layout=3), TypeError, "layout", "NCHW", "HWC", "int 3"),
    ("weight", conv(weight_layout="IOHW"), ValueError, "weight_layout", "IOHW", "OIHW", "HWIO"),
    ("weight-rank", conv(weight_layout="OIW"), ValueError, "weight_layout", "OIW", "OIHW"),
    ("weight-not-text", conv(weight_layout=1), TypeError, "weight_layout", "OIHW", "HWIO", "int 1"),
    ("activation", conv(activation="gelu"), ValueError, "activation", "gelu", "relu"),
    ("activation-type", conv(activation=len), TypeError, "activation", "None", "relu"),
    ("algorithm", conv(algorithm="winograd"), ValueError, "algorithm", "auto", "direct"),
    ("algorithm-type", conv(algorithm=None), TypeError, "algorithm", "auto", "direct", "None"),
    ("default-algorithm", lambda: tapwise.set_algorithm(3), TypeError, "algorithm", "auto", "direct", "int 3"),
    (
        "direction",
        lambda: tapwise.explain(X.shape, W.shape, direction=1),
        TypeError,
        "direction",
        "forward",
        "weight_grad",
    ),
)
def test_names(call, exception, pieces):
    refused(exception, call, *pieces)


PADDINGS = ("valid", "same", "same_lower", "full", "causal")


@rows(
    ("name", conv(padding="SAME"), ValueError, "padding", "SAME", *PADDINGS),
    ("causal-2d", conv(padding="causal"), ValueError, "causal", "1-D|one|1D", "same_lower"),
    ("negative", conv(padding=-1), ValueError, "padding", "-1"),
    ("negative-axis", conv(padding=(0, -2)), ValueError, "padding", "-2"),
    ("negative-pair", conv(padding=((0, 0), (1, -3))), ValueError, "padding", "-3"),
    ("too-many", conv(padding=(1, 1, 1)), ValueError, "padding", "2", r"\(1, 1, 1\)|3"),
    ("too-few", conv(padding=(1,)), ValueError, "padding", "2", "1"),
    ("triples", conv(padding=((1, 1, 1), (1, 1, 1))), ValueError, "padding"),
    ("float", conv(padding=1.0), TypeError, "padding", "float 1.0", *PADDINGS),
    ("bool", conv(padding=True), TypeError, "padding", "bool True", *PADDINGS),
    ("float-axis", conv(padding=(1, 1.5)), TypeError, "padding", "float|1.5"),
    ("none", conv(padding=None), TypeError, "padding", "None", *PADDINGS),
    ("huge", conv(padding=2**62), ValueError, "padding|size"),
    ("beyond-64-bits", conv(padding=2**64), ValueError, "padding"),
    ("stride-0", conv(stride=0), ValueError, "stride", "0"),
    ("stride-negative", conv(stride=(1, -1)), ValueError, "stride", "-1"),
    ("stride-count", conv(stride=(1, 1, 1)), ValueError, "stride", "2", r"\(1, 1, 1\)|3"),
    ("stride-empty", conv(stride=()), ValueError, "stride"),
    ("stride-float", conv(stride=1.0), TypeError, "stride", "float|1.0"),
    ("stride-bool", conv(stride=True), TypeError, "stride", "bool|True"),
    ("stride-text", conv(stride="2"), TypeError, "stride", "str|'2'"),
    ("stride-none", conv(stride=None), TypeError, "stride", "None"),
    ("stride-0d-float", conv(stride=np.array(2.0)), TypeError, "stride"),
    ("stride-huge", conv(stride=2**62), ValueError, "stride"),
    ("stride-beyond", conv(stride=2**70), ValueError, "stride"),
    ("dilation-0", conv(dilation=0), ValueError, "dilation", "0"),
    ("dilation-negative", conv(dilation=(-2, 1)), ValueError, "dilation", "-2"),
    ("dilation-count", conv(dilation=(1,)), ValueError, "dilation", "2", "1"),
    ("dilation-float", conv(dilation=(1, 2.0)), TypeError, "dilation", "float|2.0"),
    ("dilation-huge", conv(dilation=2**62), ValueError, "dilation|size|output"),
    ("dilation-huge-1x1", conv(w=W[..., :1, :1], dilation=2**62), ValueError, "dilation"),
    ("groups-0", conv(groups=0), ValueError, "groups", "0"),
    ("groups-negative", conv(groups=-2), ValueError, "groups", "-2"),
    ("groups-inputs", conv(groups=4), ValueError, "groups", "4", "6"),
    ("groups-outputs", conv(w=zeros(8, 2, 3, 3), groups=3), ValueError, "groups", "3", "8"),
    ("groups-weight", conv(groups=2), ValueError, "weight", r"\b6\b", r"\b3\b|groups"),
    ("groups-pair", conv(groups=(1, 1)), TypeError, "groups"),
    ("groups-float", conv(groups=2.0), TypeError, "groups"),
    ("groups-huge", conv(groups=2**62), ValueError, "groups"),
    ("flip", conv(flip="yes"), TypeError, "flip"),
    ("threads-0", conv(threads=0), ValueError, "threads", "0"),
    ("threads-negative", conv(threads=-4), ValueError, "threads", "-4"),
    ("threads-huge", conv(threads=10**9), ValueError, "threads"),
    ("threads-float", conv(threads=2.0), TypeError, "threads"),
    ("no-output", conv(zeros(1, 6, 2, 5), W), ValueError, r"\b2\b", r"\b3\b"),
    ("no-output-dilated", conv(dilation=5), ValueError, r"\b9\b", r"\b11\b"),
    ("empty-axis", conv(zeros(1, 6, 0, 5), W), ValueError, r"\b0\b"),
)
def test_geometry(call, exception, pieces):
    refused(exception, call, *pieces)


@pytest.mark.parametrize("name", ["stride", "padding", "dilation"])
@pytest.mark.parametrize("value", [2**61, 2**62, 2**63 - 1, 2**63, -(2**63)])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_huge_numbers_in_every_function_are_errors(name, value, rank):
    """Where such a number is possible at all, the result has a plain size or can't be allocated."""
    x, w = zeros(1, 2, *[3] * rank), zeros(2, 2, *[2] * rank)
    grad = zeros(1, 2, *[2] * rank)
    options = {name: value}
    for call in (
        lambda: tapwise.conv(x, w, **options),
        lambda: tapwise.conv_transpose(x, w, **options),
        lambda: tapwise.conv_input_grad(grad, w, x.shape, **options),
        lambda: tapwise.conv_weight_grad(grad, x, w.shape[2:], **options),
        lambda: tapwise.conv_backward(grad, x, w, **options),
        lambda: tapwise.conv_output_shape(x.shape, w.shape, **options),
        lambda: tapwise.explain(x.shape, w.shape, **options),
        lambda: tapwise.Plan(x.shape, w, **options),
    ):
        if value >= 2**62 or value < 0:
            with pytest.raises(ValueError):
                call()
        else:
            with suppress(ValueError, MemoryError):
                call()


@pytest.mark.parametrize("number", [np.int64(2), np.uint8(2), np.array(2)], ids=["i64", "u8", "0d"])
def test_numpy_integers_are_integers(number):
    expected = tapwise.conv(X, W, stride=2, padding=2, dilation=2, groups=1).shape
    y = tapwise.conv(X, W, stride=number, padding=(number, 2), dilation=[number, 2], threads=number)
    assert y.shape == expected


@pytest.mark.parametrize("kind", [tuple, list, np.array], ids=["tuple", "list", "array"])
def test_any_sequence_of_integers_will_do(kind):
    expected = tapwise.conv(X, W, stride=(1, 2), padding=((1, 2), (0, 3)), dilation=(2, 1)).shape
    options = dict(stride=kind((1, 2)), padding=kind(((1, 2), (0, 3))), dilation=kind((2, 1)))
    assert tapwise.conv(X, W, **options).shape == expected
    assert tapwise.conv_output_shape(kind(X.shape), kind(W.shape), **options) == expected
