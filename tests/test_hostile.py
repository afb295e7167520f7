"""Arguments made to break things: shapes that are arrays, sizes without memory behind them, processes that forked."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from fresh import python

import tapwise

ONE = np.float32(1)


def test_shapes_that_are_arrays():
    """Their items are objects made on the fly: a debugging allocator shows whether they are kept long enough."""
    code = """
        import numpy as np, tapwise
        print(tapwise.conv_output_shape(np.array([2, 4, 8, 8]), (6, 4, 3, 3)))
        print(tapwise.explain(np.array([2, 4, 8, 8]), np.array([6, 4, 3, 3])).output_shape)
        g, w = np.ones((2, 6, 6, 6), "f"), np.ones((6, 4, 3, 3), "f")
        print(tapwise.conv_input_grad(g, w, np.array([2, 4, 8, 8])).shape)
    """
    done = python(textwrap.dedent(code), env={"PYTHONMALLOC": "debug"})
    assert done.stdout.split("\n")[:3] == ["(2, 6, 6, 6)", "(2, 6, 6, 6)", "(2, 4, 8, 8)"]


@pytest.mark.parametrize(
    "shape", [np.ones((2, 4, 8, 8), "f"), np.ones(4, "f"), np.array(["a", "b", "c"]), "2488", {2, 4}]
)
def test_shapes_that_are_none(shape):
    with pytest.raises(TypeError, match="x_shape must be a tuple of ints"):
        tapwise.conv_output_shape(shape, (6, 4, 3, 3))


SIZES = [(2**30, 2**28), (2**40, 2**18), (2**30, 2**18), (2**33, 2**14), (2**20, 2**14)]


@pytest.mark.parametrize("channels, taps", SIZES)
class TestBroadcastToHugeSizes:
    """Zero strides make operands of any size out of one number."""

    def test_forward(self, channels, taps):
        x = np.broadcast_to(ONE, (1, channels, taps))
        with pytest.raises((ValueError, MemoryError)):
            tapwise.conv(x, x)

    def test_input_gradient(self, channels, taps):
        grad, weight = np.broadcast_to(ONE, (1, channels, 1)), np.broadcast_to(ONE, (channels, 1, taps))
        with pytest.raises((ValueError, MemoryError)):
            tapwise.conv_input_grad(grad, weight, (1, 1, 1), padding=((taps - 1, 0),))

    def test_weight_gradient(self, channels, taps):
        x = np.broadcast_to(ONE, (1, channels, taps))
        with pytest.raises((ValueError, MemoryError)):
            tapwise.conv_weight_grad(np.ones((1, 1, 1), "f"), x, taps)

    def test_plan(self, channels, taps):
        x = np.broadcast_to(ONE, (1, channels, taps))
        with pytest.raises((ValueError, MemoryError)):
            tapwise.Plan(x.shape, x)


def test_huge_sizes_are_explained_at_once():
    code = """
        import tapwise
        print(tapwise.explain((1, 1, 2**40), (1, 1, 2**40)).flops == 2**41)
        print(tapwise.explain((1, 1, 2**40), (1, 1, 2**39), padding="same").flops > 2**78)
    """
    assert python(textwrap.dedent(code), timeout=20).stdout.split() == ["True", "True"]


def test_a_huge_pooling_window_takes_no_longer_than_what_it_sees():
    code = """
        import numpy as np, tapwise
        print(tapwise.max_pool(np.arange(4, dtype="f")[None, None], 2**32, padding=2**31))
    """
    assert python(textwrap.dedent(code), timeout=20).stdout.strip() == "[[[3.]]]"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_many_phases_in_bounded_memory():
    """As many phases as taps: each is a problem of its own, planned a few at a time."""
    code = """
        import re, numpy as np, tapwise
        n = 2**19
        y = tapwise.conv_transpose(np.ones((1, 1, 2), "f"), np.arange(n, dtype="f")[None, None], stride=n)
        assert (y[0, 0] == np.tile(np.arange(n, dtype="f"), 2)).all()
        print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) // 1024)
    """
    assert int(python(textwrap.dedent(code)).stdout) < 300


FOREIGN_TEAM = """
import ctypes, os, sys
import numpy as np
{before}
openmp = ctypes.CDLL("libgomp.so.1")
body = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda data: None)
openmp.GOMP_parallel(body, None, 2, 0)
child = os.fork()
if child == 0:
    import tapwise
    y = tapwise.conv(np.ones((4, 16, 40, 40), "f"), np.ones((32, 16, 3, 3), "f"), threads=2)
    os._exit(0 if y[0, 0, 0, 0] == 144 and tapwise.get_num_threads() == 1 else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(sys.platform != "linux" or not tapwise.build_info()["openmp"], reason="needs GNU's OpenMP")
@pytest.mark.parametrize("before", ["import tapwise", ""], ids=["imported-before", "imported-by-the-child"])
def test_fork_after_another_librarys_team(before):
    try:
        python(FOREIGN_TEAM.format(before=before), timeout=60)
    except subprocess.TimeoutExpired:
        pytest.fail("the child hangs")


def test_no_memory_leaves_out_untouched():
    code = """
        import resource, numpy as np, tapwise
        x, w, out = np.ones((1, 3 * 10**6, 1), "f"), np.ones((3 * 10**6, 1, 1), "f"), np.full((1, 1, 2), 7, "f")
        tapwise.conv(x[:, :8], w[:8, :].reshape(1, 8, 1))
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**20, used + 2**20))
        try:
            tapwise.conv_transpose(x, w, stride=2, output_padding=1, out=out)
        except MemoryError:
            print(out.ravel())
    """
    if sys.platform != "linux":
        pytest.skip("reads /proc")
    assert python(textwrap.dedent(code)).stdout.strip() == "[7. 7.]"


def test_signal_functions_speak_of_their_own_operands():
    short, long = np.ones(3, "f"), np.ones(5, "f")
    with pytest.raises(ValueError, match=r"^v must have as many axes as a, 1, got shape \(1, 5\)"):
        tapwise.convolve(short, long[None])
    with pytest.raises(ValueError, match="^out must not overlap v"):
        tapwise.convolve(short, long, "same", out=long)
    with pytest.raises(ValueError, match=r"out must have shape \(7,\), got \(3,\)"):
        tapwise.correlate(short, long, "full", out=np.ones(3, "f"))
    with pytest.raises(TypeError, match="out must be a NumPy array"):
        tapwise.correlate(short, long, "full", out=[0] * 7)
    for call in (tapwise.convolve, tapwise.correlate):
        for a, v in ((short, long), (long, short)):
            y = call(a, v, "same")
            assert y.flags.owndata and y.flags.c_contiguous
