"""Shapes that do not fit the layout: what is suggested fits, and is all that does."""

import re

import numpy as np
import pytest
from refusal import refused

import tapwise


def f32(*shape):
    return np.ones(shape, np.float32)


W = f32(4, 3, 3, 3)
MEANT = re.compile(r"did you mean (.*)\?$")

# x, weight, keywords -> what was meant
FITTING = [
    (f32(8, 9, 3), W, {}, 'layout="HWC"'),
    (f32(8, 9, 3), W, {"layout": "CHW"}, 'layout="HWC"'),
    (f32(3, 8, 9), W, {}, 'layout="CHW"'),
    (f32(3, 8, 9), W, {"layout": "HWC"}, 'layout="CHW"'),
    (f32(3, 9, 3), W, {}, 'layout="CHW" or layout="HWC"'),
    (f32(2, 9, 9, 3), W, {"layout": "HWC"}, 'layout="NHWC"'),
    (f32(2, 9, 9, 3), W, {}, 'layout="NHWC"'),
    (f32(20, 3), f32(4, 3, 5), {}, 'layout="WC"'),
    (f32(8, 8, 8, 3), f32(4, 3, 3, 3, 3), {}, 'layout="DHWC"'),
    (f32(9, 9, 6), W, {"groups": 2}, 'layout="HWC"'),
    (f32(2, 6, 9, 9), W, {}, "groups=2"),
    (f32(1, 6, 9, 9), f32(8, 6, 3, 3), {"groups": 2}, "groups=1"),
    (
        f32(2, 3, 9, 18),
        f32(3, 3, 3, 16),
        {"weight_layout": "OHWI"},
        'weight_layout="OIHW" or weight_layout="HWIO"',
    ),
    (f32(2, 3, 9, 9), f32(5, 5, 3, 16), {}, 'weight_layout="HWIO"'),
    (f32(8, 32, 32, 3), f32(5, 5, 3, 16), {}, 'layout="NHWC", weight_layout="HWIO"'),
]


@pytest.mark.parametrize("x, weight, options, meant", FITTING, ids=lambda v: str(getattr(v, "shape", v)))
def test_what_is_suggested_is_right(x, weight, options, meant):
    message = refused(ValueError, lambda: tapwise.conv(x, weight, **options))
    assert MEANT.search(message)[1] == meant
    for one in meant.split(" or "):
        tapwise.conv(x, weight, **options | eval(f"dict({one})"))


@pytest.mark.parametrize(
    "x, says",
    [
        (f32(8, 3, 9), "the weight expects 3 input channels; x has 3 along axis 1"),
        (f32(8, 7, 9), "the weight expects 3 input channels; x has 3 along no axis"),
        (f32(2, 8, 3, 9), "weight expects 3 input channels.*; x has 3 along axis 2"),
        (f32(2, 8, 8, 9), "weight expects 3 input channels.*; x has 3 along no axis"),
        (f32(2, 9, 9, 9), "weight expects 3 input channels.*; x has 3 along no axis"),  # groups=3 does not divide 4
    ],
    ids=lambda v: str(getattr(v, "shape", "")),
)
def test_where_nothing_fits(x, says):
    message = refused(ValueError, lambda: tapwise.conv(x, W), says + "$")
    assert "did you mean" not in message


def test_other_functions():
    refused(ValueError, lambda: tapwise.conv_transpose(f32(9, 9, 3), f32(3, 4, 3, 3)), 'mean layout="HWC"')
    refused(ValueError, lambda: tapwise.conv_input_grad(f32(6, 7, 4), W, (8, 9, 3)), 'input_shape .* mean layout="HWC"')
    refused(ValueError, lambda: tapwise.conv_output_shape((8, 9, 3), W.shape), 'mean layout="HWC"')
    either = 'mean layout="CHW" or layout="HWC"'
    refused(ValueError, lambda: tapwise.conv_weight_grad(f32(4, 7, 7), f32(3, 9, 9), (3, 3)), either)
    pooling = 'mean layout="NCHW" or layout="NHWC"'
    refused(ValueError, lambda: tapwise.max_pool(f32(2, 9, 9, 3), 2, layout="HWC"), pooling)
