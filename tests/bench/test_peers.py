"""Every implementation that is installed here computes what the reference computes, in both layouts."""

import numpy as np
import pytest
from bench import peers, reference
from bench.case import Unsupported, make_case
from bench.counting import DIRECTIONS
from bench.descriptor import parse
from bench.peers import tapwise_own

import tapwise

PROBLEMS = [
    'mb2ic4ih9iw7oc6kh3kw2ph1pw0n"even"',
    'mb2ic4ih10oc6oh5kh4sh2ph2n"asymmetric"',
    'g2mb2ic4ih9oc6kh3sh2dh1ph2n"grouped"',
    'g6mb1ic6ih8oc6kh3ph1n"depthwise"',
    'mb1ic2id5oc3kd2sd2n"3-D"',
    'mb1ic1iw50oc1ow50kw7n"one channel"',
    'mb1ic3iw20oc2ow20kw2dw3pw4n"causal"',
    'mb1ic3ih9oc5kh3ph1n"one image"',
]
INSTALLED = {peer.name: peer for peer in peers.PEERS if peer.info().version}


def check(contestants, case):
    expected = reference.reference(case)
    for contestant in contestants:
        contestant.call()
        contestant.call()
        got = contestant.fetch()
        assert reference.distance(got, expected) <= reference.tolerance(case), contestant.variant
    return len(contestants)


@pytest.mark.parametrize("channels_last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("name", INSTALLED)
def test_results(name, direction, channels_last):
    threads = tapwise.build_info()["cpus"]
    done = 0
    for text in PROBLEMS:
        case = make_case(parse(text), direction, channels_last, "float32", threads, True)
        try:
            done += check(INSTALLED[name].contestants(case), case)
        except Unsupported as reason:
            assert str(reason)
    if name == "pytorch":
        assert done >= len(PROBLEMS)


@pytest.mark.parametrize("use_out", [False, True], ids=["fresh", "out"])
@pytest.mark.parametrize("channels_last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_our_own(direction, channels_last, use_out):
    for text in PROBLEMS:
        for dtype in ("float32", "float64"):
            case = make_case(parse(text), direction, channels_last, dtype, 2, use_out)
            assert check(tapwise_own.contestants(case, ("auto", "direct")), case) == 2


def test_the_rows_own_layout_is_not_copied():
    case = make_case(parse(PROBLEMS[0]), "fwd", True, "float32", 1, True)
    assert case.copied(case.x, True) is case.x
    assert case.copied(case.x, False).flags.c_contiguous
    np.testing.assert_array_equal(case.copied(case.x, False), case.first(case.x))


def test_what_is_missing_is_a_note():
    peer = peers.Peer("nobody", "no_such_package", "no-such-package", ".nobody")
    info = peer.info()
    assert not info.version and "pip install no-such-package" in info.note


def test_an_unknown_peer_is_told_what_exists():
    with pytest.raises(peers.UnknownPeer, match=r"'torhc'.*pytorch, onnxruntime.*none"):
        peers.select(["torhc"])
    assert peers.select(["none"]) == ()
