"""The compiled core. Every argument is positional; the functions of this package name and document them."""

from collections.abc import Sequence
from typing import Any

from .types import Array, ArrayLike, DType, IntOrInts, Padding

class Plan:
    def __init__(
        self,
        x_shape: Sequence[int],
        weight: ArrayLike,
        bias: ArrayLike | None,
        stride: IntOrInts,
        padding: Padding,
        dilation: IntOrInts,
        groups: int,
        flip: bool,
        layout: str | None,
        weight_layout: str | None,
        activation: str | None,
        algorithm: str,
        threads: int | None,
        /,
    ) -> None: ...
    def run(self, x: ArrayLike, out: Array | None, /) -> Array: ...
    def update(self, weight: ArrayLike, bias: ArrayLike | None, /) -> None: ...
    @property
    def algorithm(self) -> str: ...
    @property
    def workspace_bytes(self) -> int: ...
    @property
    def x_shape(self) -> tuple[int, ...]: ...
    @property
    def output_shape(self) -> tuple[int, ...]: ...

def conv(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None,
    rank: int,
    stride: IntOrInts,
    padding: Padding,
    dilation: IntOrInts,
    groups: int,
    flip: bool,
    layout: str | None,
    weight_layout: str | None,
    activation: str | None,
    out: Array | None,
    algorithm: str,
    threads: int | None,
    /,
) -> Array: ...
def conv_transpose(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None,
    stride: IntOrInts,
    padding: Padding,
    output_padding: IntOrInts,
    dilation: IntOrInts,
    groups: int,
    flip: bool,
    layout: str | None,
    weight_layout: str | None,
    out: Array | None,
    algorithm: str,
    threads: int | None,
    /,
) -> Array: ...
def conv_input_grad(
    grad: ArrayLike,
    weight: ArrayLike,
    input_shape: Sequence[int],
    stride: IntOrInts,
    padding: Padding,
    dilation: IntOrInts,
    groups: int,
    flip: bool,
    layout: str | None,
    weight_layout: str | None,
    out: Array | None,
    accumulate: bool,
    algorithm: str,
    threads: int | None,
    /,
) -> Array: ...
def conv_weight_grad(
    grad: ArrayLike,
    x: ArrayLike,
    kernel_size: IntOrInts,
    stride: IntOrInts,
    padding: Padding,
    dilation: IntOrInts,
    groups: int,
    flip: bool,
    layout: str | None,
    weight_layout: str | None,
    out: Array | None,
    accumulate: bool,
    algorithm: str,
    threads: int | None,
    /,
) -> Array: ...
def conv_bias_grad(
    grad: ArrayLike,
    layout: str | None,
    out: Array | None,
    accumulate: bool,
    threads: int | None,
    /,
) -> Array: ...
def conv_backward(
    grad: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    stride: IntOrInts,
    padding: Padding,
    dilation: IntOrInts,
    groups: int,
    flip: bool,
    layout: str | None,
    weight_layout: str | None,
    needs: tuple[bool, bool, bool],
    out: tuple[Array | None, Array | None, Array | None],
    accumulate: bool,
    activation: str | None,
    y: ArrayLike | None,
    algorithm: str,
    threads: int | None,
    /,
) -> tuple[Array | None, Array | None, Array | None]: ...
def conv_transpose_backward(
    grad: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    stride: IntOrInts,
    padding: Padding,
    output_padding: IntOrInts,
    dilation: IntOrInts,
    groups: int,
    flip: bool,
    layout: str | None,
    weight_layout: str | None,
    needs: tuple[bool, bool, bool],
    out: tuple[Array | None, Array | None, Array | None],
    accumulate: bool,
    algorithm: str,
    threads: int | None,
    /,
) -> tuple[Array | None, Array | None, Array | None]: ...
def conv_output_shape(
    x_shape: Sequence[int],
    weight_shape: Sequence[int],
    stride: IntOrInts,
    padding: Padding,
    dilation: IntOrInts,
    groups: int,
    flip: bool,
    layout: str | None,
    weight_layout: str | None,
    /,
) -> tuple[int, ...]: ...
def explain(
    x_shape: Sequence[int],
    weight_shape: Sequence[int],
    stride: IntOrInts,
    padding: Padding,
    dilation: IntOrInts,
    groups: int,
    flip: bool,
    layout: str | None,
    weight_layout: str | None,
    direction: str,
    dtype: DType,
    algorithm: str,
    threads: int | None,
    /,
) -> dict[str, Any]: ...
def dense(
    x: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None,
    activation: str | None,
    out: Array | None,
    threads: int | None,
    /,
) -> Array: ...
def dense_grad(
    grad: ArrayLike,
    x: ArrayLike,
    weight: ArrayLike,
    needs: tuple[bool, bool, bool],
    out: tuple[Array | None, Array | None, Array | None],
    accumulate: bool,
    threads: int | None,
    /,
) -> tuple[Array | None, Array | None, Array | None]: ...
def relu(x: ArrayLike, out: Array | None, threads: int | None, /) -> Array: ...
def relu_grad(grad: ArrayLike, x: ArrayLike, out: Array | None, threads: int | None, /) -> Array: ...
def max_pool(
    x: ArrayLike,
    kernel_size: IntOrInts,
    stride: IntOrInts | None,
    padding: Padding,
    dilation: IntOrInts,
    ceil_mode: bool,
    return_indices: bool,
    layout: str | None,
    out: Array | None,
    threads: int | None,
    /,
) -> Any: ...
def max_pool_grad(
    grad: ArrayLike,
    x: ArrayLike | Sequence[int],
    kernel_size: IntOrInts,
    stride: IntOrInts | None,
    padding: Padding,
    dilation: IntOrInts,
    ceil_mode: bool,
    indices: Array | None,
    layout: str | None,
    out: Array | None,
    threads: int | None,
    /,
) -> Array: ...
def avg_pool(
    x: ArrayLike,
    kernel_size: IntOrInts,
    stride: IntOrInts | None,
    padding: Padding,
    ceil_mode: bool,
    count_include_pad: bool,
    layout: str | None,
    out: Array | None,
    threads: int | None,
    /,
) -> Array: ...
def avg_pool_grad(
    grad: ArrayLike,
    x: ArrayLike | Sequence[int],
    kernel_size: IntOrInts,
    stride: IntOrInts | None,
    padding: Padding,
    ceil_mode: bool,
    count_include_pad: bool,
    layout: str | None,
    out: Array | None,
    threads: int | None,
    /,
) -> Array: ...
def as_array(object: ArrayLike, name: str, /) -> Array: ...
def result(
    out: Array | None, name: str, shape: tuple[int, ...], like: Array, c_order: bool, apart: dict[str, Array], /
) -> Array: ...
def check_control(algorithm: str, threads: int | None, /) -> None: ...
def set_num_threads(n: int | None, /) -> None: ...
def get_num_threads() -> int: ...
def exchange_threads(n: int | None, /) -> int: ...
def restore_threads(n: int, /) -> None: ...
def set_algorithm(name: str, /) -> None: ...
def get_algorithm() -> str: ...
def exchange_algorithm(name: str | None, /) -> int: ...
def restore_algorithm(index: int, /) -> None: ...
def available_isas() -> tuple[str, ...]: ...
def build_info() -> dict[str, Any]: ...
def fma_peak(is_double: bool, seconds: float, threads: int | None, /) -> float: ...
def read_bandwidth(bytes: int, seconds: float, threads: int | None, /) -> float: ...
def triad_bandwidth(bytes: int, seconds: float, threads: int | None, /) -> float: ...
