"""The float64 reference, against the plain loops that the other tests compare with."""

import numpy as np
import oracle
import pytest
from bench import reference
from bench.case import make_case
from bench.descriptor import parse

PROBLEMS = [
    "mb2ic4ih9iw7oc6kh3kw2ph1pw0",
    "g2mb2ic4ih9oc6kh3sh2dh1ph2",
    "g6mb1ic6ih8oc6kh3ph1",
    "mb1ic2id5oc3kd2sd2",
    "mb1ic1iw900oc1ow900kw301",
    "mb2ic1iw600oc1ow600kw300pw299",
    "mb1ic3iw20oc2ow20kw2dw3pw4",
]


@pytest.mark.parametrize("channels_last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("text", PROBLEMS)
def test_against_plain_loops(text, channels_last):
    p = parse(text)
    case = make_case(p, "bwd", channels_last, "float64", 1, True)
    geometry = {"stride": p.stride, "dilation": p.dilation, "groups": p.groups, "padding": p.pad}
    x, grad = case.first(case.x), case.first(case.grad)
    y = oracle.conv(x, case.weight, case.bias, **geometry)
    grads = (
        oracle.conv_input_grad(grad, case.weight, p.src, **geometry),
        oracle.conv_weight_grad(grad, x, p.kernel, **geometry),
        oracle.conv_bias_grad(grad),
    )
    for direction, expected in (("fwd_relu", (np.maximum(y, 0),)), ("bwd", grads)):
        got = reference.reference(make_case(p, direction, channels_last, "float64", 1, True))
        assert reference.distance(expected, got) < 1e-13


def test_one_wrong_number_in_a_million_is_noticed():
    case = make_case(parse("mb1ic1ih1000oc1oh1000kh3"), "fwd", False, "float32", 1, True)
    expected = reference.reference(case)
    got = expected[0].astype(np.float32)
    assert reference.distance((got,), expected) <= reference.tolerance(case)
    got[0, 0, 999, 999] = 0
    assert reference.distance((got,), expected) > reference.tolerance(case)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_infinitely_wrong(bad):
    ones = np.ones((1, 1, 3))
    assert reference.distance((ones * [1, bad, 1],), (ones,)) == np.inf
    assert reference.distance((ones[..., :2],), (ones,)) == np.inf
