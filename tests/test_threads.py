"""The same bits for every thread count, from many threads at once, and after a fork."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import layouts
import numpy as np
import problems
import pytest
from fresh import python
from geometries import COMPACT, case

import tapwise

EXACT = np.testing.assert_array_equal
BIG = COMPACT + [
    case("big", 2, 33, 40, (40, 41), (3, 3), padding=1),
    case("big-1x1", 1, 70, 64, (56, 57), (1, 1)),
    case("big-stride-2", 1, 17, 64, (57, 58), (3, 3), stride=2, padding=1),
    case("big-depthwise", 2, 70, 70, (40, 41), (3, 3), groups=70, padding=1),
    case("big-groups", 1, 64, 64, (30, 31), (3, 3), groups=16, padding=1),
    case("big-batch", 64, 8, 9, (8, 8), (3, 3), padding=1),
    case("big-1d", 1, 1, 1, (20000,), (401,)),
    case("big-channels", 1, 256, 256, (4, 4), (3, 3), padding=1),
    case("big-3d", 1, 16, 17, (10, 12, 14), (3, 3, 3), padding=1),
]


@pytest.fixture(autouse=True)
def restore_threads():
    before = tapwise.get_num_threads()
    yield
    tapwise.set_num_threads(before)


@pytest.mark.parametrize("case", BIG, ids=str)
@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_bits_do_not_depend_on_the_threads(case, last, dtype):
    """Real numbers: any other order of summation would show."""
    problem = problems.real_problem(case, np.float32)
    layout = layouts.activation_layouts(case.rank)[last]
    for name in problems.PASSES:
        one = problem.run(name, layout, dtype, threads=1)
        for threads in (1, 2, 3, 7):
            assert problem.run(name, layout, dtype, threads=threads).tobytes() == one.tobytes()


def test_backward_and_the_rest_do_not_depend_on_the_threads(rng):
    x = rng.standard_normal((8, 33, 28, 29)).astype(np.float32)
    w = rng.standard_normal((40, 33, 3, 3)).astype(np.float32)
    g = rng.standard_normal((8, 40, 28, 29)).astype(np.float32)
    flat, dense_w = x.reshape(8, -1), rng.standard_normal((50, 33 * 28 * 29)).astype(np.float32)
    dense_g = rng.standard_normal((8, 50)).astype(np.float32)
    signal, taps = rng.standard_normal(30000), rng.standard_normal(300)

    def everything(threads):
        with tapwise.num_threads(threads):
            return (
                *tapwise.conv_backward(g, x, w, padding=1),
                tapwise.conv_transpose(g, w, stride=2),
                tapwise.dense(flat, dense_w),
                *tapwise.dense_grad(dense_g, flat, dense_w),
                tapwise.relu(x),
                tapwise.max_pool(x, 2),
                tapwise.max_pool_grad(g[..., :14, :14][:, :33], x, 2),
                tapwise.convolve(signal, taps),
                tapwise.softmax_cross_entropy(dense_g, np.arange(8))[1],
            )

    one = everything(1)
    for threads in (1, 2, 3):
        for result, expected in zip(everything(threads), one, strict=True):
            assert result.tobytes() == expected.tobytes()


def test_repeated_runs_have_the_same_bits(rng):
    x = rng.standard_normal((4, 33, 40, 41)).astype(np.float32)
    w = rng.standard_normal((70, 33, 3, 3)).astype(np.float32)
    g = rng.standard_normal((4, 70, 38, 39)).astype(np.float32)
    first = tapwise.conv(x, w), *tapwise.conv_backward(g, x, w)
    for _ in range(10):
        again = tapwise.conv(x, w), *tapwise.conv_backward(g, x, w)
        assert [a.tobytes() for a in again] == [a.tobytes() for a in first]


def test_eight_threads_at_once():
    chosen = [c for c in BIG if c.rank == 2]

    def work(seed):
        for index in np.random.default_rng(seed).permutation(len(chosen)):
            p = problems.integer_problem(chosen[index])
            name = problems.PASSES[(seed + index) % 4]
            EXACT(p.run(name, "NCHW" if seed % 2 else "NHWC", np.float32), p.expected(name))
        return True

    for c in chosen:
        for name in problems.PASSES:
            problems.integer_problem(c).expected(name)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(16)))


def test_errors_in_eight_threads_at_once():
    x, w = np.ones((1, 3, 64, 64), np.float32), np.ones((8, 3, 3, 3), np.float32)

    def work(i):
        for _ in range(50):
            if i % 2:
                with pytest.raises(ValueError, match="weight"):
                    tapwise.conv(x, w[:, :2])
            else:
                assert (tapwise.conv(x, w) == 27).all()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_the_interpreter_runs_on_while_a_kernel_does(rng):
    """With the lock held, the other thread could count only before and after the call."""
    x = np.ones((8, 64, 112, 112), np.float32)
    w, out = np.ones((128, 64, 3, 3), np.float32), np.empty((8, 128, 110, 110), np.float32)
    ticks, stop = [], threading.Event()

    def tick():
        while not stop.wait(0.001):
            ticks.append(1)

    counter = threading.Thread(target=tick)
    counter.start()
    before = len(ticks)
    tapwise.conv(x, w, out=out, threads=1)
    during = len(ticks) - before
    stop.set()
    counter.join()
    assert during >= 5


def test_get_and_set():
    tapwise.set_num_threads(3)
    assert tapwise.get_num_threads() == 3
    with tapwise.num_threads(2):
        assert tapwise.get_num_threads() == 2
        with tapwise.num_threads(1):
            assert tapwise.get_num_threads() == 1
        assert tapwise.get_num_threads() == 2
    assert tapwise.get_num_threads() == 3
    with pytest.raises(KeyError), tapwise.num_threads(1):
        raise KeyError
    assert tapwise.get_num_threads() == 3


def test_none_restores_the_default():
    tapwise.set_num_threads(None)
    default = tapwise.get_num_threads()
    tapwise.set_num_threads(default + 3)
    tapwise.set_num_threads(None)
    assert tapwise.get_num_threads() == default


def test_the_block_is_for_its_own_thread():
    with ThreadPoolExecutor(1) as pool:
        elsewhere = pool.submit(tapwise.get_num_threads).result()
        with tapwise.num_threads(elsewhere + 2):
            assert pool.submit(tapwise.get_num_threads).result() == elsewhere


@pytest.mark.parametrize("bad", [0, -1, 2**62])
def test_thread_counts_must_be_sensible(bad):
    with pytest.raises(ValueError, match=r"(threads|n)\b"):
        tapwise.set_num_threads(bad)
    with pytest.raises(ValueError, match=r"(threads|n)\b"), tapwise.num_threads(bad):
        pass


@pytest.mark.parametrize("bad", [1.0, "2", True])
def test_thread_counts_must_be_integers(bad):
    with pytest.raises(TypeError):
        tapwise.set_num_threads(bad)


def test_the_default_is_the_cpus_that_this_process_may_use():
    done = python(
        "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
        "import tapwise; print(tapwise.get_num_threads())"
        if hasattr(os, "sched_setaffinity")
        else "print(1)"
    )
    assert done.stdout.strip() == "1"


@pytest.mark.skipif(not tapwise.build_info()["openmp"], reason="built without OpenMP")
def test_omp_num_threads_is_respected():
    code = "import tapwise; print(tapwise.get_num_threads())"
    assert python(code, env={"OMP_NUM_THREADS": "1"}).stdout.strip() == "1"


def test_threadpoolctl_limits_are_seen():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    if not tapwise.build_info()["openmp"]:
        pytest.skip("built without OpenMP")
    tapwise.conv(np.ones((1, 64, 56, 56), np.float32), np.ones((64, 64, 3, 3), np.float32))
    assert any(lib["user_api"] == "openmp" for lib in threadpoolctl.threadpool_info())
    code = (
        "import numpy as np, tapwise, threadpoolctl\n"
        "with threadpoolctl.threadpool_limits(1):\n"
        "    print(tapwise.explain((8, 64, 56, 56), (64, 64, 3, 3)).threads)"
    )
    assert python(code).stdout.strip() == "1"


FORK = """
import os, signal, sys, threading
import numpy as np
import tapwise

x, w = np.ones((4, 64, 56, 56), np.float32), np.ones((64, 64, 3, 3), np.float32)

def run():
    y = tapwise.conv(x, w, threads=2)
    grads = tapwise.conv_backward(y, x, w, threads=2)
    return y.tobytes(), *(g.tobytes() for g in grads)

if {used}:
    expected = run()
pid = os.fork()
if pid == 0:
    signal.alarm(30)
    inside = run()
    ok = all(len(part) for part in inside) and (not {used} or inside == expected)
    grandchild = os.fork()
    if grandchild == 0:
        signal.alarm(20)
        os._exit(0 if run() == inside else 1)
    ok = ok and os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]) == 0
    os._exit(0 if ok else 1)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
assert code == 0, f"the child ended with {{code}}"
again = run()
assert not {used} or again == expected
print("ok")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("used", [True, False])
def test_a_forked_child_works_and_never_hangs(used):
    done = python(FORK.format(used=used), timeout=60)
    assert done.stdout.strip() == "ok"


POOL = """
import multiprocessing
import numpy as np
import tapwise

x, w = np.ones((2, 64, 56, 56), np.float32), np.ones((64, 64, 3, 3), np.float32)

def work(scale):
    return float(tapwise.conv(x * scale, w).sum())

if __name__ == "__main__":
    first = work(1)
    with multiprocessing.get_context("{method}").Pool(3) as pool:
        results = pool.map_async(work, range(6)).get(timeout=60)
    assert results == [first * scale for scale in range(6)]
    print("ok")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="forking pools are for Linux")
def test_a_forking_process_pool():
    assert python(POOL.format(method="fork")).stdout.strip() == "ok"
