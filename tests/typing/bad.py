"""Wrong programs: type checkers must find an error in each line that is marked, and in no other. See ``check.py``."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import tapwise
from tapwise import nn

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


def operands(x: Float32, x64: Float64, bytes: NDArray[np.uint8], half: NDArray[np.float16]) -> None:
    tapwise.conv2d("nonsense", x)  # error
    tapwise.conv2d(x, 3)  # error
    tapwise.conv2d([[1.0]], x)  # error
    tapwise.conv2d(bytes, bytes)  # error
    tapwise.conv2d(x, bytes)  # error
    tapwise.conv2d(half, half)  # error
    tapwise.conv2d(x, x64)  # error
    tapwise.conv2d(x, x, x64)  # error
    tapwise.conv2d(x, x, out=x64)  # error
    tapwise.conv2d(x, x, None, 2)  # error
    tapwise.conv_transpose(bytes, x)  # error
    tapwise.conv_input_grad(x, x64, (1, 1, 3))  # error
    tapwise.conv_input_grad(x, x, 3)  # error
    tapwise.conv_weight_grad(x, x)  # error
    tapwise.conv_bias_grad(bytes)  # error
    tapwise.convolve(object(), [1])  # error
    tapwise.convolve([1], [1], "fulll")  # error


def names(x: Float32, text: str) -> None:
    tapwise.conv2d(x, x, layout="HWCN")  # error
    tapwise.conv2d(x, x, layout="NCW")  # error
    tapwise.conv2d(x, x, layout=text)  # error
    tapwise.conv2d(x, x, weight_layout="OIW")  # error
    tapwise.conv2d(x, x, padding="refelct")  # error
    tapwise.conv2d(x, x, padding="causal")  # error
    tapwise.conv2d(x, x, padding=text)  # error
    tapwise.conv2d(x, x, padding=("1", "1"))  # error
    tapwise.conv2d(x, x, stride="2")  # error
    tapwise.conv2d(x, x, stride=1.5)  # error
    tapwise.conv2d(x, x, dilation=("1", "2"))  # error
    tapwise.conv2d(x, x, groups="2")  # error
    tapwise.conv2d(x, x, flip="yes")  # error
    tapwise.conv2d(x, x, activation="gelu")  # error
    tapwise.conv2d(x, x, algorithm="winogradd")  # error
    tapwise.conv2d(x, x, threads=1.0)  # error
    tapwise.conv2d(x, x, device="gpu")  # error
    tapwise.conv2d(x, x, strides=2)  # error
    tapwise.conv1d(x, x, weight_layout="OIHW")  # error
    tapwise.conv3d(x, x, layout="NHWC")  # error
    tapwise.conv_transpose(x, x, padding="full")  # error
    tapwise.conv_transpose(x, x, weight_layout="IOWH")  # error
    tapwise.conv_output_shape((1, 1, 3), "OIW")  # error
    tapwise.explain((1, 1, 3), (1, 1, 3), direction="backward")  # error
    tapwise.explain((1, 1, 3), (1, 1, 3), dtype="uint8")  # error
    tapwise.set_algorithm("fastest")  # error
    tapwise.set_num_threads("2")  # error
    nn.Conv2d(3, 8, 3, layout="HWCN")  # error


def gradients(x: Float32, x64: Float64, bias: bool) -> None:
    print(tapwise.conv_backward(x, x, x, needs=(True, False, True))[1].shape)  # error
    print(tapwise.conv_backward(x, x, x, needs=(True, True, bias))[2].shape)  # error
    tapwise.conv_backward(x, x, x, needs=(True, True))  # error
    tapwise.conv_backward(x, x, x64)  # error
    tapwise.conv_backward(x, x, x, out=(None, x64, None))  # error
    tapwise.conv_backward(x, x, x, activation="relu", y=x64)  # error
    tapwise.conv_backward(x, x, x, layout="HWCN")  # error
    tapwise.conv_backward(x, x, x, output_padding=1)  # error
    print(tapwise.conv_transpose_backward(x, x, x, needs=(False, True, True))[0].shape)  # error
    tapwise.conv_transpose_backward(x, x, x, activation="relu")  # error


def plans(x: Float32, x64: Float64, anything: NDArray[Any]) -> None:
    plan = tapwise.Plan(x.shape, x)
    plan(x64)  # error
    plan(x, x64)  # error
    plan.update(x64)  # error
    plan.algorithm = "direct"  # error
    plan(anything)


def layers(x: Float32, x64: Float64, bytes: NDArray[np.uint8]) -> None:
    tapwise.relu(bytes)  # error
    tapwise.relu_grad(x, x64)  # error
    tapwise.max_pool(x, 2, layout="HWCN")  # error
    tapwise.max_pool(x, "2")  # error
    tapwise.dense_grad(x, x64, x)  # error
    print(tapwise.dense_grad(x, x, x, needs=(True, False, True))[1].shape)  # error
