"""Right programs, which type checkers must accept; checked, not run. See ``check.py``."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import tapwise
from tapwise import nn

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


class Tensor:
    """With DLPack, as PyTorch's."""

    def __dlpack__(self, *, stream: Any = -1, max_version: Any = None) -> Any: ...


class Traced:
    """With DLPack, and not hashable, as JAX's arrays."""

    def __eq__(self, other: object) -> Any: ...
    def __dlpack__(self) -> Any: ...
    def __array_namespace__(self, *, api_version: str | None = ...) -> Any: ...


class Raster:
    """With NumPy's protocol."""

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return {}


def arrays_keep_their_dtype(x: Float32, w: Float32, x64: Float64, w64: Float64, any_dtype: NDArray[Any]) -> None:
    assert_type(tapwise.conv(x, w), Float32)
    assert_type(tapwise.conv2d(x64, w64, np.zeros(4), activation="relu", out=x64), Float64)
    assert_type(tapwise.conv(any_dtype, any_dtype), NDArray[Any])
    assert_type(tapwise.conv_transpose(x, w, output_padding=1, stride=2), Float32)
    assert_type(tapwise.conv_input_grad(x, w, x.shape, accumulate=True, out=x), Float32)
    assert_type(tapwise.conv_weight_grad(x64, x64, 3), Float64)
    assert_type(tapwise.conv_bias_grad(x, layout="NHWC"), Float32)
    assert_type(tapwise.conv(np.zeros((1, 1, 9)), np.ones((1, 1, 3))), Float64)


def foreign_arrays_do_not_say_theirs(tensor: Tensor, traced: Traced, raster: Raster, x: Float32) -> None:
    assert_type(tapwise.conv(tensor, tensor), NDArray[Any])
    assert_type(tapwise.conv(traced, raster, tensor), NDArray[Any])
    assert_type(tapwise.conv(tensor, x), Float32)
    assert_type(tapwise.Plan((1, 3, 8, 8), tensor)(raster), NDArray[Any])


def gradients_are_arrays(x: Float32, w: Float32, needs: tuple[bool, bool, bool], bias: bool) -> None:
    grad_x, grad_w, grad_b = tapwise.conv_backward(x, x, w)
    print(0.1 * grad_x, w - 0.1 * grad_w, grad_b.sum())
    assert_type(tapwise.conv_backward(x, x, w), tuple[Float32, Float32, Float32])
    assert_type(tapwise.conv_backward(x, x, w, needs=(True, True, False)), tuple[Float32, Float32, None])
    assert_type(tapwise.conv_backward(x, x, w, needs=(True, False, True)), tuple[Float32, None, Float32])
    assert_type(tapwise.conv_backward(x, x, w, needs=(True, False, False)), tuple[Float32, None, None])
    assert_type(tapwise.conv_backward(x, x, w, needs=(False, True, True)), tuple[None, Float32, Float32])
    assert_type(tapwise.conv_backward(x, x, w, needs=(False, True, False)), tuple[None, Float32, None])
    assert_type(tapwise.conv_backward(x, x, w, needs=(False, False, True)), tuple[None, None, Float32])
    assert_type(tapwise.conv_backward(x, x, w, needs=(False, False, False)), tuple[None, None, None])
    assert_type(tapwise.conv_backward(x, x, w, needs=needs)[0], Float32 | None)
    assert_type(tapwise.conv_backward(x, x, w, needs=(True, True, bias))[2], Float32 | None)
    assert_type(tapwise.conv_transpose_backward(x, x, w, stride=2)[1], Float32)
    assert_type(tapwise.conv_transpose_backward(x, x, w, needs=(False, True, True)), tuple[None, Float32, Float32])
    tapwise.conv_backward(x, x, w, activation="relu", y=x, padding="causal", out=(x, None, x), accumulate=True)
    tapwise.conv_transpose_backward(x, x, w, weight_layout="HWOI", padding="same", output_padding=[0, 1], threads=1)


def geometry(x: Float32, w: Float32, sizes: list[int]) -> None:
    tapwise.conv(x, w, stride=(1, np.int64(2)), dilation=[1, 2], groups=np.int64(2), threads=np.int64(2))
    tapwise.conv(x, w, padding=(1, 2))
    tapwise.conv(x, w, padding=[1, 2])
    tapwise.conv(x, w, padding=((1, 2), (3, 4)))
    tapwise.conv(x, w, padding=[[1, 2], [3, 4]])
    tapwise.conv(x, w, padding=[(1, 2), 3])
    tapwise.conv(x, w, padding=sizes)
    tapwise.conv(x, w, padding="same_lower", layout="NDHWC", weight_layout="DHWIO", algorithm="direct", device="cuda")
    tapwise.conv1d(x, w, padding="causal", layout="CW", weight_layout="OWI")
    tapwise.conv2d(x, w, padding="full", layout="HWC", weight_layout="HWIO")
    tapwise.conv3d(x, w, padding="valid", layout="CDHW", weight_layout="ODHWI")
    assert_type(tapwise.conv_output_shape(sizes, w.shape, padding="same"), tuple[int, ...])


def plans(x: Float32, w: Float32, plans: dict[str, tapwise.Plan[np.float32]], either: tapwise.Plan) -> None:
    plan = tapwise.Plan(x.shape, w, activation="relu")
    assert_type(plan, tapwise.Plan[np.float32])
    assert_type(plan(x), Float32)
    plan(x, x)
    plan.update(w, None)
    plans["first"] = plan
    either(x)


def the_rest(x: Float32, dtype: np.dtype[np.float64]) -> None:
    assert_type(tapwise.explain((1, 3, 8, 8), (4, 3, 3, 3), dtype=np.float64), tapwise.Explanation)
    tapwise.explain([1, 3, 8, 8], [4, 3, 3, 3], dtype=dtype, direction="weight_grad")
    tapwise.convolve([1, 2, 3], [0, 1, 0.5], "full", axis=-1)
    tapwise.correlate(x, Tensor(), mode="same")
    with tapwise.num_threads(2), tapwise.algorithm("direct"):
        tapwise.set_algorithm(tapwise.get_algorithm())
    tapwise.set_num_threads(None)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding="same", layout="NHWC"), nn.ReLU(), nn.Flatten(), nn.Dense(8, 2))
    model.backward(model(x))


def layers(x: Float32, w: Float64) -> None:
    assert_type(tapwise.relu(x), Float32)
    assert_type(tapwise.dense(w, w, activation="relu"), Float64)
    assert_type(tapwise.max_pool(x, 2, layout="NHWC"), Float32)
    assert_type(tapwise.dense_grad(x, x, x), tuple[Float32, Float32, Float32])
    assert_type(tapwise.dense_grad(x, x, x, needs=(False, True, True)), tuple[None, Float32, Float32])
    assert_type(tapwise.dense_grad(x, x, x, needs=(False, True, True), accumulate=True), tuple[None, Float32, Float32])
    assert_type(tapwise.softmax_cross_entropy(w, [1])[1], Float64)
