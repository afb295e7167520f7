"""OpenVINO's CPU plugin in float32: convolution, and its data gradient. Weights are constants, packed beforehand."""

from __future__ import annotations

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from ..case import Array, Case, Contestant, Unsupported

_core = ov.Core()


def contestants(case: Case) -> list[Contestant]:
    if case.direction not in ("fwd", "fwd_relu", "bwd_d"):
        raise Unsupported("has no such operator")
    if case.dtype != "float32":
        raise Unsupported("has float32 alone")
    config = {
        "INFERENCE_NUM_THREADS": case.threads,
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
    }
    try:
        request = _core.compile_model(_model(case), "CPU", config).create_infer_request()
    except RuntimeError as error:
        raise Unsupported(str(error).strip().splitlines()[-1][:80]) from None
    backward = case.direction == "bwd_d"
    operand = np.ascontiguousarray(case.copied(case.grad if backward else case.x, channels_last=False))
    result = np.empty(case.problem.src_shape if backward else case.problem.dst_shape, case.dtype)
    request.set_input_tensor(ov.Tensor(operand, shared_memory=True))
    request.set_output_tensor(ov.Tensor(result, shared_memory=True))

    def fetch() -> tuple[Array, ...]:
        assert operand.size
        return (result,)

    return [Contestant("openvino", "NC*", request.infer, fetch, charged=not case.channels_last)]


def _model(case: Case) -> ov.Model:
    p = case.problem
    backward = case.direction == "bwd_d"
    lows, highs = [low for low, _ in p.pad], [high for _, high in p.pad]
    operand = ops.parameter(p.dst_shape if backward else p.src_shape, np.float32)
    weight = case.weight
    if p.groups > 1:
        weight = weight.reshape(p.groups, -1, *weight.shape[1:])
    constant = ops.constant(weight)
    steps = (list(p.stride), lows, highs, list(p.dilation))
    if backward:
        output = ops.constant(np.array(p.src, np.int64))
        extra = [
            n - ((q - 1) * s + (k - 1) * d + 1 - low - high)
            for n, q, s, k, d, (low, high) in zip(p.src, p.dst, p.stride, p.kernel, p.dilation, p.pad, strict=True)
        ]
        form = ops.convolution_backprop_data if p.groups == 1 else ops.group_convolution_backprop_data
        if p.groups == 1:
            node = form(operand, constant, list(p.stride), output, lows, highs, list(p.dilation))
        else:
            node = form(operand, constant, list(p.stride), None, lows, highs, list(p.dilation), output_padding=extra)
    else:
        node = (ops.convolution if p.groups == 1 else ops.group_convolution)(operand, constant, *steps)
    if case.direction == "fwd_relu":
        bias = case.bias.reshape(1, -1, *(1,) * p.rank)
        node = ops.relu(ops.add(node, ops.constant(bias)))
    return ov.Model([node], [operand], "row")
