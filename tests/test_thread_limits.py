"""Where the system starts no more threads, a call goes on with those that it has; OpenMP would end the process."""

import os

import pytest
from fresh import python

import tapwise

CODE = """
import os, resource, sys, threading
from concurrent.futures import ThreadPoolExecutor
import numpy as np
import tapwise

kind, room, callers = sys.argv[1], int(sys.argv[2]), 3
x, w = np.ones((2, 16, 20, 20), np.float32), np.ones((16, 16, 3, 3), np.float32)
barrier = threading.Barrier(callers)

def work(_):
    barrier.wait()
    return sum((tapwise.conv(x, w, threads=n) == 144).all() for n in (*range(8, 1, -1), *[8, 2] * 20))

with ThreadPoolExecutor(callers) as pool:
    list(pool.map(lambda _: barrier.wait(), range(callers)))
    if kind == "memory":
        with open("/proc/self/statm") as file:
            limit = int(file.read().split()[0]) * resource.getpagesize() + (room << 24) + (4 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    else:
        limit = 1 + callers + room if room else 1
        if os.getuid() == 0:
            os.setuid(54321)  # the superuser has no limit; nobody else has this number
        resource.setrlimit(resource.RLIMIT_NPROC, (limit, limit))
    print(*pool.map(work, range(callers)), len(os.listdir("/proc/self/task")) - callers - 1)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/task"), reason="threads are counted as Linux does")
@pytest.mark.parametrize("kind, room", [("processes", 0), ("processes", 5), ("processes", 7), ("memory", 5)])
def test_calls_go_on_with_the_threads_that_there_are(kind: str, room: int) -> None:
    if kind == "processes" and room > 0 and os.getuid() != 0:
        pytest.skip("a user's other processes count: only none at all can be asked for")
    one_each = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "MKL", "OMP")}
    done = python(CODE, kind, str(room), env={**one_each, "OMP_STACKSIZE": "16 M"})
    *right, more = map(int, done.stdout.split())
    assert right == [47, 47, 47]
    assert more <= room
    if tapwise.build_info()["openmp"]:
        assert (more > 0) == (room > 0)
