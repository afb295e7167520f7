"""Times the passes on the current device by its own events, beside cuDNN through PyTorch where that is installed.

    python tests/gpu/time_passes.py [--suite core] [--match TEXT] [--rounds N]

For each layer of a suite (bench/shapes), pass and layout: tapwise in float32 and with TF32, PyTorch the same, all on
the default stream, taking turns. Printed are medians in milliseconds and the TFLOP/s of float32. Results are compared
with the CPU's before they are timed.
"""

import argparse
import statistics
import sys
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1] / "cuda"), str(Path(__file__).parents[2])]

from bench import suites  # noqa: E402
from bench.case import make_case  # noqa: E402
from device_arrays import to_device, to_host  # noqa: E402

import tapwise  # noqa: E402

DIRECTIONS = {"fwd": "forward", "bwd_d": "input_grad", "bwd_w": "weight_grad", "bwd_b": "bias_grad"}


def tapwise_call(case, direction, x, w, grad, tf32):
    """The pass on arrays that lie on the device; tapwise itself gives the CPU's result of the same call."""
    options = case.problem.geometry | {"layout": case.layout}
    on = tapwise.cuda if isinstance(x, tapwise.cuda.DeviceArray) else tapwise
    more = {"tf32": tf32} if on is tapwise.cuda else {}
    return {
        "fwd": lambda: on.conv(x, w, **options, **more),
        "bwd_d": lambda: on.conv_input_grad(grad, w, x.shape, **options, **more),
        "bwd_w": lambda: on.conv_weight_grad(grad, x, case.problem.kernel, **options, **more),
        "bwd_b": lambda: on.conv_bias_grad(grad, layout=case.layout),
    }[direction]


def torch_call(case, direction, tf32):
    """The same by PyTorch, in the row's memory format; None where it cannot be had."""
    try:
        import torch
    except ImportError:
        return None
    p = case.problem
    if not torch.cuda.is_available() or any(low != high for low, high in p.pad):
        return None
    last = {1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d}[p.rank]
    memory_format = last if case.channels_last else torch.contiguous_format
    x, grad = (torch.from_numpy(np.asarray(case.first(a))).cuda() for a in (case.x, case.grad))
    w = torch.from_numpy(case.weight).cuda().contiguous(memory_format=memory_format)
    geometry = [list(p.stride), [low for low, _ in p.pad], list(p.dilation), False, [0] * p.rank, p.groups]

    def call():
        torch.backends.cudnn.allow_tf32 = tf32
        with torch.inference_mode():
            if direction == "fwd":
                return torch.ops.aten.convolution(x, w, None, *geometry)
            needs = [direction == d for d in ("bwd_d", "bwd_w", "bwd_b")]
            return torch.ops.aten.convolution_backward(grad, x, w, [p.out_channels], *geometry, needs)

    torch.backends.cudnn.benchmark = True
    return call


def medians(calls, anchor, rounds):
    """Milliseconds a call, by contestant; each round gives each its turn."""
    mark = tapwise.cuda._module().Mark
    times = {name: [] for name in calls}
    for call in calls.values():
        for _ in range(3):
            call()
    for _ in range(rounds):
        for name, call in calls.items():
            start = mark(anchor)
            call()
            end = mark(anchor)
            end.wait()
            times[name].append(end.milliseconds_since(start))
    return {name: statistics.median(t) for name, t in times.items()}


def check(case, direction, call, expected):
    found = to_host(call())
    error = np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-30)
    if not error < (2e-3 if call.__name__ == "tf32" else 1e-4):
        raise SystemExit(f"{case.problem.name} {direction}: off by {error:.1e} of the largest result")


def run_row(case, direction, rounds):
    x, w, grad = (to_device(a) for a in (case.x, case.weight, case.grad))
    expected = tapwise_call(case, direction, case.x, case.weight, case.grad, False)()
    calls = {}
    for tf32 in (False, True):
        name = "tf32" if tf32 else "float32"
        call = tapwise_call(case, direction, x, w, grad, tf32)
        call.__name__ = name
        check(case, direction, call, expected)
        calls[f"tapwise {name}"] = call
        if (peer := torch_call(case, direction, tf32)) is not None:
            calls[f"torch {name}"] = peer
    return medians(calls, to_device(np.zeros(1, np.float32)), rounds)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="core", choices=suites.names())
    parser.add_argument("--match", default="")
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args(arguments)
    if not tapwise.cuda.is_available():
        raise SystemExit(f"no CUDA device: {tapwise.cuda.status()}")
    print(tapwise.cuda.status())
    for layer in suites.load(options.suite):
        if options.match not in layer.problem.name:
            continue
        for channels_last in (False, True):
            for direction in DIRECTIONS:
                case = make_case(layer.problem, direction, channels_last, "float32", 1, False)
                times = run_row(case, direction, options.rounds)
                flops = tapwise.explain(
                    case.x.shape, case.weight.shape, layout=case.layout, direction=DIRECTIONS[direction],
                    **layer.problem.geometry,
                ).flops  # fmt: skip
                rate = flops / times["tapwise float32"] / 1e9
                columns = "  ".join(f"{name} {ms:8.3f} ms" for name, ms in times.items())
                print(
                    f"{layer.problem.name:32} {case.layout:6} {direction:6} {rate:8.2f} TFLOP/s  {columns}", flush=True
                )


if __name__ == "__main__":
    main()
