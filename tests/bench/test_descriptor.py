"""The problem language: what descriptors mean, that they survive a round trip, and how malformed ones are refused."""

import pytest
from bench.descriptor import DescriptorError, Problem, parse
from hypothesis import given, settings
from hypothesis import strategies as st


def test_the_example_of_the_readme():
    p = parse('g32mb8_ic128ih56oc128oh56kh3sh1dh0ph1n"conv2"')
    assert p == Problem(8, 128, 128, 32, (56, 56), (3, 3), (1, 1), (1, 1), ((1, 1), (1, 1)), "conv2")
    assert p.weight_shape == (128, 4, 3, 3) and p.dst_shape == (8, 128, 56, 56)


@pytest.mark.parametrize(
    "text, src, kernel",
    [
        ("ic1iw9oc1kw3", (9,), (3,)),
        ("ic1ih9oc1kh3", (9, 9), (3, 3)),
        ("ic1ih9iw7oc1kh3kw1", (9, 7), (3, 1)),
        ("ic1id9oc1kd3", (9, 9, 9), (3, 3, 3)),
        ("ic1id9ih5oc1kd3kw1", (9, 5, 5), (3, 3, 1)),
    ],
)
def test_rank_and_square_defaults(text, src, kernel):
    p = parse(text)
    assert (p.src, p.kernel) == (src, kernel)


def test_defaults_are_those_of_benchdnn():
    p = parse("ic4ih8oc6kh3")
    assert (p.batch, p.groups, p.stride, p.dilation, p.pad) == (2, 1, (1, 1), (1, 1), ((0, 0), (0, 0)))


@pytest.mark.parametrize("zeros, dilation", [(0, 1), (1, 2), (3, 4)])
def test_dilation_counts_zeros_between_taps(zeros, dilation):
    assert parse(f"ic1iw20oc1kw3dw{zeros}").dilation == (dilation,)


@pytest.mark.parametrize(
    "text, pad",
    [
        ("ic1iw8oc1ow8kw3", (1, 1)),
        ("ic1iw8oc1ow8kw4", (1, 2)),
        ("ic1iw8oc1ow8kw4pw3", (3, 0)),
        ("ic1iw16oc1ow16kw2dw7pw8", (8, 0)),
        ("ic1iw56oc1ow28kw3sw2pw1", (1, 1)),
        ("ic1iw5oc1ow3kw3pw1sw2", (1, 1)),
    ],
)
def test_padding_from_the_output(text, pad):
    assert parse(text).pad == (pad,)


@st.composite
def problems(draw):
    rank = draw(st.integers(1, 3))
    axis = st.tuples(st.integers(1, 40), st.integers(1, 9), st.integers(1, 5), st.integers(1, 5), st.integers(0, 9))
    axes = []
    for n, k, s, d, low in draw(st.lists(axis, min_size=rank, max_size=rank)):
        extent = (k - 1) * d + 1
        high = draw(st.sampled_from([low, 0, low + 1]))
        if n + low + high < extent:
            high = extent - n - low
        outputs = (n + low + high - extent) // s + 1
        # Of the paddings that give this output, the descriptor's choice.
        if n + 2 * low >= extent and (n + 2 * low - extent) // s + 1 == outputs:
            high = low
        else:
            high = max((outputs - 1) * s + extent - n - low, 0)
        axes.append((n, k, s, d, (low, high)))
    groups = draw(st.integers(1, 4))
    name = draw(st.text(st.characters(exclude_characters='"', exclude_categories=("C",)), max_size=8))
    channels = [groups * draw(st.integers(1, 5)) for _ in range(2)]
    return Problem(draw(st.integers(1, 9)), *channels, groups, *(tuple(a) for a in zip(*axes, strict=True)), name)


@settings(max_examples=500, deadline=None)
@given(problems())
def test_round_trip(problem):
    assert parse(str(problem)) == problem


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from('gmbicowhdkspn"_0123456789 x'), max_size=30))
def test_no_text_does_anything_but_parse_or_refuse(text):
    try:
        problem = parse(text)
    except DescriptorError as error:
        assert 0 <= error.at <= len(text)
        return
    assert all(q >= 1 for q in problem.dst)
    assert parse(str(problem)) == problem


@pytest.mark.parametrize(
    "text, at, expected",
    [
        ("ic3ih8oc4kh3q", 12, "one of g mb ic oc"),
        ("ic3ih8oc4kh3x3", 12, "one of"),
        ("ic3ih8oc4kh", 9, "one of"),
        ("ic3ih8oc4kh3kh5", 12, "kh only once"),
        ("ic3ih8oc4kh30", 9, "padded input, 8"),
        ("ic3ih8oc4oh5kh3", 9, "oh6"),
        ("g2ic3ih8oc4kh3", 0, "divides ic3 and oc4"),
        ("ic0ih8oc4kh3", 0, "ic of at least 1"),
        ("ih8oc4kh3", 9, "ic of at least 1"),
        ("ic3oc4", 6, "an input size"),
        ("ic3ih8oc4", 9, "kh3"),
        ("ic3ih8oc4kh3sh0", 12, "sh of at least 1"),
        ("ic3iw8oc4kw3sh2", 12, "no sh"),
        ("mb0ic3ih8oc4kh3", 0, "mb of at least 1"),
        ("ic99999999999ih8oc4kh3", 2, "at most"),
        ('ic3ih8oc4kh3n"a', 15, "closing quote"),
        ('ic3ih8oc4kh3n"a"b', 16, "nothing after the name"),
    ],
)
def test_refusals_show_where(text, at, expected):
    with pytest.raises(DescriptorError) as caught:
        parse(text)
    assert caught.value.at == at and expected in caught.value.expected
    first, second = str(caught.value).splitlines()
    assert first == text and second.index("^") == at
