"""ONNX Runtime: Conv, and ConvTranspose for the gradient by the input. Weights are constants, packed beforehand."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from ..case import Array, Case, Contestant, Unsupported


def contestants(case: Case) -> list[Contestant]:
    if case.direction not in ("fwd", "fwd_relu", "bwd_d"):
        raise Unsupported("has no such operator")
    if case.dtype != "float32":
        raise Unsupported("has float32 alone")
    options = ort.SessionOptions()
    options.intra_op_num_threads = case.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Its threads spin on after a call, and would take a core from whoever runs next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        session = ort.InferenceSession(_model(case), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise Unsupported(str(error).splitlines()[0][:80]) from None

    backward = case.direction == "bwd_d"
    operand = np.ascontiguousarray(case.copied(case.grad if backward else case.x, channels_last=False))
    shape = case.problem.src_shape if backward else case.problem.dst_shape
    result = np.empty(shape, case.dtype)
    binding = session.io_binding()
    binding.bind_input("x", "cpu", 0, np.float32, operand.shape, operand.ctypes.data)
    binding.bind_output("y", "cpu", 0, np.float32, shape, result.ctypes.data)

    def call() -> None:
        session.run_with_iobinding(binding)

    def fetch() -> tuple[Array, ...]:
        assert operand.size
        return (result,)

    return [Contestant("onnxruntime", "NC*", call, fetch, charged=not case.channels_last)]


def _model(case: Case) -> bytes:
    p = case.problem
    backward = case.direction == "bwd_d"
    attributes = {
        "strides": p.stride,
        "dilations": p.dilation,
        "group": p.groups,
        "kernel_shape": p.kernel,
        "pads": [low for low, _ in p.pad] + [high for _, high in p.pad],
    }
    operand, result = (p.dst_shape, p.src_shape) if backward else (p.src_shape, p.dst_shape)
    if backward:
        extents = [
            (q - 1) * s + (k - 1) * d + 1 - low - high
            for q, s, k, d, (low, high) in zip(p.dst, p.stride, p.kernel, p.dilation, p.pad, strict=True)
        ]
        attributes["output_padding"] = [n - e for n, e in zip(p.src, extents, strict=True)]
    relu = case.direction == "fwd_relu"
    constants = [numpy_helper.from_array(case.weight, "w")]
    if relu:
        constants.append(numpy_helper.from_array(case.bias, "b"))
    nodes = [
        helper.make_node(
            "ConvTranspose" if backward else "Conv", ["x", "w", *(["b"] if relu else [])], ["z" if relu else "y"],
            **attributes,
        )
    ]  # fmt: skip
    if relu:
        nodes.append(helper.make_node("Relu", ["z"], ["y"]))
    graph = helper.make_graph(
        nodes,
        "row",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, operand)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, result)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())
