"""The compiled CUDA backend, where it was built. Every argument is positional; :mod:`tapwise.cuda` names them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .types import Array

Geometry = tuple[Any, Any, Any, Any, Any, Any, Any]

class DeviceArray:
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def strides(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def ndim(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def device(self) -> int: ...
    @property
    def stream(self) -> int: ...
    @property
    def __cuda_array_interface__(self) -> dict[str, Any]: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...
    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any: ...

class Mark:
    def __init__(self, array: DeviceArray, /) -> None: ...
    def wait(self) -> None: ...
    def milliseconds_since(self, earlier: Mark, /) -> float: ...

def status() -> str: ...
def device_count() -> int: ...
def synchronize(stream: Any, /) -> None: ...
def drain() -> None: ...
def pinned(nbytes: int, /) -> Array: ...
def empty(shape: Sequence[int], is_double: bool, stream: Any, /) -> DeviceArray: ...
def transposed(array: DeviceArray, axes: Sequence[int], /) -> DeviceArray: ...
def upload(array: DeviceArray, first: int, source: Array, nbytes: int, /) -> None: ...
def download(array: DeviceArray, first: int, to: Array, nbytes: int, /) -> None: ...
def conv(
    x: Any,
    weight: Any,
    bias: Any,
    rank: int,
    geometry: Geometry,
    activation: str | None,
    out: Any,
    tf32: bool,
    stream: Any,
    /,
) -> Any: ...
def conv_transpose(
    x: Any, weight: Any, bias: Any, output_padding: Any, geometry: Geometry, out: Any, tf32: bool, stream: Any, /
) -> Any: ...
def conv_input_grad(
    grad: Any,
    weight: Any,
    input_shape: Sequence[int],
    geometry: Geometry,
    out: Any,
    accumulate: bool,
    tf32: bool,
    stream: Any,
    /,
) -> Any: ...
def conv_weight_grad(
    grad: Any, x: Any, kernel_size: Any, geometry: Geometry, out: Any, accumulate: bool, tf32: bool, stream: Any, /
) -> Any: ...
def conv_bias_grad(grad: Any, layout: str | None, out: Any, accumulate: bool, stream: Any, /) -> Any: ...
def conv_backward(
    grad: Any,
    x: Any,
    weight: Any,
    geometry: Geometry,
    needs: tuple[bool, bool, bool],
    out: Any,
    accumulate: bool,
    tf32: bool,
    stream: Any,
    /,
) -> tuple[Any, Any, Any]: ...
def explain(
    x_shape: Sequence[int],
    weight_shape: Sequence[int],
    geometry: Geometry,
    direction: str,
    dtype: Any,
    tf32: bool,
    /,
) -> dict[str, Any]: ...
