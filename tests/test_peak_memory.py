"""Nothing is copied: a call on large arrays peaks at its output and the scratch it announces."""

import sys

import pytest
from fresh import python

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")

SLACK = 3 * 2**20

SCRIPT = """
import sys
import numpy as np
import tapwise

def status(field):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))

def zeros(shape, order):
    array = np.empty([shape[axis] for axis in order], np.float32)
    array[...] = 1
    return array.transpose(np.argsort(order))

order = {order}
x = zeros((4, 32, 192, 192), order)
w = zeros((32, 32, 3, 3), (0, 1, 2, 3))
grad = zeros((4, 32, 192, 192), order)
small = x[:1, :, :64, :64]
geometry = dict(padding=1)
calls = {{
    "forward": lambda x, g: tapwise.conv(x, w, **geometry),
    "input_grad": lambda x, g: tapwise.conv_input_grad(g, w, x.shape, **geometry),
    "weight_grad": lambda x, g: tapwise.conv_weight_grad(g, x, (3, 3), **geometry),
    "bias_grad": lambda x, g: tapwise.conv_bias_grad(g),
    "transpose": lambda x, g: tapwise.conv_transpose(x, w, **geometry),
}}
call = calls["{name}"]
direction = {{"transpose": "input_grad"}}.get("{name}", "{name}")
call(small, small)
stated = tapwise.explain(x.shape, w.shape, direction=direction, **geometry).workspace_bytes
try:
    with open("/proc/self/clear_refs", "w") as reset:
        reset.write("5")
except OSError:
    print("skip")
    sys.exit()
before = status("VmRSS")
result = call(x, grad)
print(status("VmHWM") - before, result.nbytes, stated, x.nbytes)
"""


@pytest.mark.parametrize("name", ["forward", "input_grad", "weight_grad", "bias_grad", "transpose"])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 3, 1), (3, 2, 1, 0)], ids=str)
def test_peak_is_the_output_and_the_stated_scratch(name, order):
    done = python(SCRIPT.format(name=name, order=order))
    if done.stdout.strip() == "skip":
        pytest.skip("/proc/self/clear_refs cannot be written here")
    peak, output, stated, size_of_x = map(int, done.stdout.split())
    assert stated < size_of_x / 2
    assert peak <= output + stated + SLACK


LEAK = """
import numpy as np
import tapwise

def resident():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * 4096

x, w = np.ones((1, 16, 64, 64), np.float32), np.ones((16, 16, 3, 3), np.float32)
grad = np.ones((1, 16, 62, 62), np.float32)

def everything():
    tapwise.conv(x, w)
    tapwise.conv_backward(grad, x, w)
    tapwise.Plan(x.shape, w)(x)
    for bad in (lambda: tapwise.conv(x, w, padding=(2**38, 0)), lambda: tapwise.conv(x, w[:, :5])):
        try:
            bad()
        except (MemoryError, ValueError):
            pass
        else:
            raise AssertionError("no error")

for _ in range(20):
    everything()
before = resident()
for _ in range(200):
    everything()
print(resident() - before)
"""


def test_repeated_calls_and_errors_leak_nothing():
    assert int(python(LEAK).stdout) < 2**20
