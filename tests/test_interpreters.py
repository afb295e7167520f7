"""Interpreters other than the main one, and the end of an interpreter whose threads still compute."""

import sys
import textwrap

import pytest
from fresh import python

SUBINTERPRETER = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
{before}
interpreters.run_string(interpreters.create(), '''
try:
    import tapwise
except ImportError as error:
    print(error, flush=True)
''')
"""


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="subinterpreters are CPython's")
@pytest.mark.parametrize("before", ["", "import tapwise"], ids=["first", "after-the-main-interpreter"])
def test_a_subinterpreter_is_refused_at_once(before):
    done = python(SUBINTERPRETER.format(before=before), timeout=20)
    assert done.stdout == (
        "tapwise cannot be imported in a subinterpreter, which NumPy does not support either; import it in the main "
        "interpreter, or in a process of its own\n"
    )
    assert done.stderr == ""  # NumPy would warn: it is not reached


THREADS = """
    import threading, time
    import numpy as np, tapwise
    x, w = np.ones((1, 16, 24, 24), "f"), np.ones((16, 16, 3, 3), "f")
    plan = tapwise.Plan(x.shape, w)
    def forward():
        while True: plan(x)
    def backward():
        while True: tapwise.conv_backward(tapwise.conv(x, w), x, w)
    for work in forward, backward, forward:
        threading.Thread(target=work, daemon=True).start()
    time.sleep({seconds})
"""
# The last function called holds the GIL from before the end, so that threads wait for it when the end begins.
WAITING = """
    import atexit
    atexit.register(sum, range(3 * 10**6))
"""


@pytest.mark.parametrize("before", ["", WAITING], ids=["computing", "waiting-for-the-lock"])
@pytest.mark.parametrize("seconds", [0.02, 0.05])
def test_daemon_threads_end_quietly_with_the_interpreter(before, seconds):
    """Python ends threads that take its lock then, by unwinding them; no C++ function lets that happen."""
    done = python(textwrap.dedent(before) + textwrap.dedent(THREADS).format(seconds=seconds), check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_thread_that_ends_the_interpreter_may_still_call():
    code = """
        import numpy as np, tapwise
        class Last:
            def __init__(self):
                x, w = np.ones((1, 3, 8, 8), "f"), np.ones((4, 3, 3, 3), "f")
                self.needs = tapwise.Plan(x.shape, w), x, print
            def __del__(self):
                plan, x, show = self.needs
                show(plan(x).shape, flush=True)
        tapwise.last = Last()  # until modules are cleared
    """
    assert python(textwrap.dedent(code), timeout=20).stdout.strip() == "(1, 4, 6, 6)"
