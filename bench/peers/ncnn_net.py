"""ncnn, one layer as a network: forward, batch 1, float32."""

from __future__ import annotations

import ncnn
import numpy as np

from ..case import Array, Case, Contestant, Unsupported


def contestants(case: Case) -> list[Contestant]:
    p = case.problem
    if case.direction not in ("fwd", "fwd_relu") or p.batch != 1 or case.dtype != "float32" or p.rank != 2:
        raise Unsupported("takes forward passes of one 2-D float32 image")
    net = ncnn.Net()
    options = net.opt
    options.num_threads = case.threads
    for name in dir(options):
        if "fp16" in name or "bf16" in name or "int8" in name:
            setattr(options, name, False)
    with_bias = case.direction == "fwd_relu"
    (top, bottom), (left, right) = p.pad
    parameters = {
        0: p.out_channels, 1: p.kernel[1], 11: p.kernel[0], 2: p.dilation[1], 12: p.dilation[0],
        3: p.stride[1], 13: p.stride[0], 4: left, 15: right, 14: top, 16: bottom,
        5: int(with_bias), 6: case.weight.size, 9: int(with_bias),
    }  # fmt: skip
    kind = "Convolution"
    if p.groups > 1:
        kind, parameters[7] = "ConvolutionDepthWise", p.groups
    settings = " ".join(f"{key}={value}" for key, value in parameters.items())
    if net.load_param_mem(f"7767517\n2 2\nInput x 0 1 x\n{kind} conv 1 1 x y {settings}\n") not in (0, None):
        raise Unsupported("does not load the layer")
    # A zero tag in front of the weights says that they are float32.
    raw = b"\0\0\0\0" + case.weight.tobytes() + (case.bias.tobytes() if with_bias else b"")
    net.load_model_mem(raw)
    image = np.ascontiguousarray(case.copied(case.x, channels_last=False)[0])
    source = ncnn.Mat(image).clone()
    last: list[ncnn.Mat] = []

    def call() -> None:
        extractor = net.create_extractor()
        extractor.input("x", source)
        status, result = extractor.extract("y")
        assert status == 0
        last[:] = [result]

    def fetch() -> tuple[Array, ...]:
        assert raw
        return (np.array(last[0])[None],)

    return [Contestant("ncnn", "NCHW", call, fetch, charged=not case.channels_last)]
