"""Convolution and its gradients on CUDA devices.

The convolutions are those of :mod:`tapwise`, on arrays that lie on a device: any object with ``__dlpack__`` (PyTorch,
CuPy, JAX, ...) or ``__cuda_array_interface__`` (Numba, ...), read where it lies. Results are :class:`DeviceArray`,
which has both protocols (``torch.from_dlpack(y)``, ``cupy.asarray(y)``), or ``out``. NumPy arrays belong to the
functions of :mod:`tapwise` itself, whose ``device="cuda"`` copies them there and back.

Work is put on a stream and goes on after the call: `stream` is None (the default stream), a ``cudaStream_t`` as an int,
or an object with ``__cuda_stream__``. Operands are waited for and kept alive as their protocols ask; a stream given as
an int must live as long as the results that it made. Every function also takes `tf32`: True lets tensor cores round the
operands of float32 products to TF32 (10 bits behind the point); sums stay float32. `algorithm` and `threads` are those
of the CPU and change nothing here.

Where no device can be used the module imports all the same, and every call raises a RuntimeError with :func:`status`.
"""

from __future__ import annotations

import atexit
import functools
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, SupportsIndex, TypedDict, TypeVar

from . import _core
from .explanation import Explanation
from .functions import conv_output_shape
from .types import Activation, Algorithm, Direction, DType, IntOrInts, Layout, Needs, Padding, Shape, WeightLayout

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from . import _cuda


class Geometry(TypedDict, total=False):
    """What all convolutions take: see :func:`tapwise.conv`."""

    stride: IntOrInts
    padding: Padding
    dilation: IntOrInts
    groups: SupportsIndex
    flip: bool
    layout: Layout | None
    weight_layout: WeightLayout | None


_DEFAULTS: dict[str, Any] = {
    "stride": 1,
    "padding": 0,
    "dilation": 1,
    "groups": 1,
    "flip": False,
    "layout": None,
    "weight_layout": None,
}


_P = ParamSpec("_P")
_R = TypeVar("_R")


def _on_device(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Whatever the arguments are: without a device the call says why it cannot run."""

    @functools.wraps(function)
    def checked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        _require_device()
        return function(*args, **kwargs)

    return checked


def _require_device() -> None:
    if not is_available():
        raise RuntimeError(f"tapwise.cuda cannot run here: {status()}")


def is_available() -> bool:
    """Whether the functions of this module can run here.

    Examples
    --------
    >>> import tapwise
    >>> tapwise.cuda.is_available() == (tapwise.cuda.device_count() > 0)
    True
    """
    return device_count() > 0


def device_count() -> int:
    """How many CUDA devices they could run on.

    Examples
    --------
    >>> import tapwise
    >>> tapwise.cuda.device_count() >= 0
    True
    """
    module = _built()
    return 0 if module is None else module.device_count()


def status() -> str:
    """What was built, and what the driver says.

    Examples
    --------
    >>> import tapwise
    >>> print(tapwise.cuda.status())  # doctest: +SKIP
    tapwise was built without CUDA: there are no device kernels to run (TAPWISE_CUDA=ON builds them)
    """
    module = _built()
    if module is None:
        return "tapwise was built without CUDA: there are no device kernels to run (TAPWISE_CUDA=ON builds them)"
    text: str = module.status()
    return text


@_on_device
def synchronize(stream: Any = None) -> None:
    """Waits until the stream has done all that it was given; errors of its kernels come to light here.

    Parameters
    ----------
    stream : None, int or object with ``__cuda_stream__``
        None is the default stream, an int a ``cudaStream_t``.
    """
    _module().synchronize(stream)


@_on_device
def conv(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    activation: Activation = None,
    out: Any = None,
    algorithm: Algorithm = "auto",
    threads: SupportsIndex | None = None,
    tf32: bool = False,
    stream: Any = None,
    **geometry: Unpack[Geometry],
) -> Any:
    """:func:`tapwise.conv` on a device.

    Parameters
    ----------
    x, weight, bias, out : arrays
        Of those shapes and dtypes, on one CUDA device, by ``__dlpack__`` or ``__cuda_array_interface__``.
    tf32 : bool
        True lets tensor cores round the operands of float32 products to TF32 (10 bits behind the point).
    stream : None, int or object with ``__cuda_stream__``
        Where the work is put: None is the default stream, an int a ``cudaStream_t``.
    activation, algorithm, threads, geometry
        As in :func:`tapwise.conv`; `algorithm` and `threads` change nothing here.

    Returns
    -------
    DeviceArray, `out` if given
        The work on it may still be going on.
    """
    return _conv("conv", 0, x, weight, bias, activation, out, algorithm, threads, tf32, stream, geometry)


@_on_device
def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    activation: Activation = None,
    out: Any = None,
    algorithm: Algorithm = "auto",
    threads: SupportsIndex | None = None,
    tf32: bool = False,
    stream: Any = None,
    **geometry: Unpack[Geometry],
) -> Any:
    """:func:`tapwise.conv1d` on a device.

    Parameters
    ----------
    x, weight, bias, out : arrays
        Of those shapes and dtypes, on one CUDA device, by ``__dlpack__`` or ``__cuda_array_interface__``.
    tf32 : bool
        True lets tensor cores round the operands of float32 products to TF32 (10 bits behind the point).
    stream : None, int or object with ``__cuda_stream__``
        Where the work is put: None is the default stream, an int a ``cudaStream_t``.
    activation, algorithm, threads, geometry
        As in :func:`tapwise.conv1d`; `algorithm` and `threads` change nothing here.

    Returns
    -------
    DeviceArray, `out` if given
        The work on it may still be going on.
    """
    return _conv("conv1d", 1, x, weight, bias, activation, out, algorithm, threads, tf32, stream, geometry)


@_on_device
def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    activation: Activation = None,
    out: Any = None,
    algorithm: Algorithm = "auto",
    threads: SupportsIndex | None = None,
    tf32: bool = False,
    stream: Any = None,
    **geometry: Unpack[Geometry],
) -> Any:
    """:func:`tapwise.conv2d` on a device.

    Parameters
    ----------
    x, weight, bias, out : arrays
        Of those shapes and dtypes, on one CUDA device, by ``__dlpack__`` or ``__cuda_array_interface__``.
    tf32 : bool
        True lets tensor cores round the operands of float32 products to TF32 (10 bits behind the point).
    stream : None, int or object with ``__cuda_stream__``
        Where the work is put: None is the default stream, an int a ``cudaStream_t``.
    activation, algorithm, threads, geometry
        As in :func:`tapwise.conv2d`; `algorithm` and `threads` change nothing here.

    Returns
    -------
    DeviceArray, `out` if given
        The work on it may still be going on.
    """
    return _conv("conv2d", 2, x, weight, bias, activation, out, algorithm, threads, tf32, stream, geometry)


@_on_device
def conv3d(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    activation: Activation = None,
    out: Any = None,
    algorithm: Algorithm = "auto",
    threads: SupportsIndex | None = None,
    tf32: bool = False,
    stream: Any = None,
    **geometry: Unpack[Geometry],
) -> Any:
    """:func:`tapwise.conv3d` on a device.

    Parameters
    ----------
    x, weight, bias, out : arrays
        Of those shapes and dtypes, on one CUDA device, by ``__dlpack__`` or ``__cuda_array_interface__``.
    tf32 : bool
        True lets tensor cores round the operands of float32 products to TF32 (10 bits behind the point).
    stream : None, int or object with ``__cuda_stream__``
        Where the work is put: None is the default stream, an int a ``cudaStream_t``.
    activation, algorithm, threads, geometry
        As in :func:`tapwise.conv3d`; `algorithm` and `threads` change nothing here.

    Returns
    -------
    DeviceArray, `out` if given
        The work on it may still be going on.
    """
    return _conv("conv3d", 3, x, weight, bias, activation, out, algorithm, threads, tf32, stream, geometry)


@_on_device
def conv_transpose(
    x: Any,
    weight: Any,
    bias: Any = None,
    *,
    output_padding: IntOrInts = 0,
    out: Any = None,
    algorithm: Algorithm = "auto",
    threads: SupportsIndex | None = None,
    tf32: bool = False,
    stream: Any = None,
    **geometry: Unpack[Geometry],
) -> Any:
    """:func:`tapwise.conv_transpose` on a device.

    Parameters
    ----------
    x, weight, bias, out : arrays
        Of those shapes and dtypes, on one CUDA device, by ``__dlpack__`` or ``__cuda_array_interface__``.
    tf32 : bool
        True lets tensor cores round the operands of float32 products to TF32 (10 bits behind the point).
    stream : None, int or object with ``__cuda_stream__``
        Where the work is put: None is the default stream, an int a ``cudaStream_t``.
    output_padding, algorithm, threads, geometry
        As in :func:`tapwise.conv_transpose`; `algorithm` and `threads` change nothing here.

    Returns
    -------
    DeviceArray, `out` if given
        The work on it may still be going on.
    """
    module = _checked(algorithm, threads)
    arguments = _geometry("conv_transpose", geometry)
    return module.conv_transpose(x, weight, bias, output_padding, arguments, out, tf32, stream)


@_on_device
def conv_input_grad(
    grad: Any,
    weight: Any,
    input_shape: Shape,
    *,
    out: Any = None,
    accumulate: bool = False,
    algorithm: Algorithm = "auto",
    threads: SupportsIndex | None = None,
    tf32: bool = False,
    stream: Any = None,
    **geometry: Unpack[Geometry],
) -> Any:
    """:func:`tapwise.conv_input_grad` on a device.

    Parameters
    ----------
    grad, weight, out : arrays
        Of those shapes and dtypes, on one CUDA device, by ``__dlpack__`` or ``__cuda_array_interface__``.
    tf32 : bool
        True lets tensor cores round the operands of float32 products to TF32 (10 bits behind the point).
    stream : None, int or object with ``__cuda_stream__``
        Where the work is put: None is the default stream, an int a ``cudaStream_t``.
    input_shape, accumulate, algorithm, threads, geometry
        As in :func:`tapwise.conv_input_grad`; `algorithm` and `threads` change nothing here.

    Returns
    -------
    DeviceArray, `out` if given
        The work on it may still be going on.
    """
    module = _checked(algorithm, threads)
    arguments = _geometry("conv_input_grad", geometry)
    return module.conv_input_grad(grad, weight, input_shape, arguments, out, accumulate, tf32, stream)


@_on_device
def conv_weight_grad(
    grad: Any,
    x: Any,
    kernel_size: IntOrInts,
    *,
    out: Any = None,
    accumulate: bool = False,
    algorithm: Algorithm = "auto",
    threads: SupportsIndex | None = None,
    tf32: bool = False,
    stream: Any = None,
    **geometry: Unpack[Geometry],
) -> Any:
    """:func:`tapwise.conv_weight_grad` on a device.

    Parameters
    ----------
    grad, x, out : arrays
        Of those shapes and dtypes, on one CUDA device, by ``__dlpack__`` or ``__cuda_array_interface__``.
    tf32 : bool
        True lets tensor cores round the operands of float32 products to TF32 (10 bits behind the point).
    stream : None, int or object with ``__cuda_stream__``
        Where the work is put: None is the default stream, an int a ``cudaStream_t``.
    kernel_size, accumulate, algorithm, threads, geometry
        As in :func:`tapwise.conv_weight_grad`; `algorithm` and `threads` change nothing here.

    Returns
    -------
    DeviceArray, `out` if given
        The work on it may still be going on.
    """
    module = _checked(algorithm, threads)
    arguments = _geometry("conv_weight_grad", geometry)
    return module.conv_weight_grad(grad, x, kernel_size, arguments, out, accumulate, tf32, stream)


@_on_device
def conv_bias_grad(
    grad: Any,
    *,
    layout: Layout | None = None,
    out: Any = None,
    accumulate: bool = False,
    threads: SupportsIndex | None = None,
    stream: Any = None,
) -> Any:
    """:func:`tapwise.conv_bias_grad` on a device.

    Parameters
    ----------
    grad, out : arrays
        Of those shapes and dtypes, on one CUDA device, by ``__dlpack__`` or ``__cuda_array_interface__``.
    stream : None, int or object with ``__cuda_stream__``
        Where the work is put: None is the default stream, an int a ``cudaStream_t``.
    layout, accumulate, threads
        As in :func:`tapwise.conv_bias_grad`; `threads` changes nothing here.

    Returns
    -------
    DeviceArray, `out` if given
        The work on it may still be going on.
    """
    return _checked("auto", threads).conv_bias_grad(grad, layout, out, accumulate, stream)


@_on_device
def conv_backward(
    grad: Any,
    x: Any,
    weight: Any,
    *,
    needs: Needs = (True, True, True),
    out: tuple[Any, Any, Any] = (None, None, None),
    accumulate: bool = False,
    algorithm: Algorithm = "auto",
    threads: SupportsIndex | None = None,
    tf32: bool = False,
    stream: Any = None,
    **geometry: Unpack[Geometry],
) -> tuple[Any, Any, Any]:
    """:func:`tapwise.conv_backward` on a device.

    Parameters
    ----------
    grad, x, weight, out : arrays
        Of those shapes and dtypes, on one CUDA device, by ``__dlpack__`` or ``__cuda_array_interface__``.
    tf32 : bool
        True lets tensor cores round the operands of float32 products to TF32 (10 bits behind the point).
    stream : None, int or object with ``__cuda_stream__``
        Where the work is put: None is the default stream, an int a ``cudaStream_t``.
    needs, accumulate, algorithm, threads, geometry
        As in :func:`tapwise.conv_backward`; `algorithm` and `threads` change nothing here.

    Returns
    -------
    grad_input, grad_weight, grad_bias : DeviceArray, None where not needed, those of `out` if given
        The work on them may still be going on.
    """
    module = _checked(algorithm, threads)
    arguments = _geometry("conv_backward", geometry)
    gradients: tuple[Any, Any, Any] = module.conv_backward(
        grad, x, weight, arguments, needs, out, accumulate, tf32, stream
    )
    return gradients


@_on_device
def explain(
    x_shape: Shape,
    weight_shape: Shape,
    *,
    direction: Direction = "forward",
    dtype: DType = "float32",
    algorithm: Algorithm = "auto",
    threads: SupportsIndex | None = None,
    tf32: bool = False,
    **geometry: Unpack[Geometry],
) -> Explanation:
    """What a call on C-contiguous arrays of these shapes would do here.

    Parameters
    ----------
    tf32 : bool
        As the call would be given it.
    x_shape, weight_shape, direction, dtype, algorithm, threads, geometry
        As in :func:`tapwise.explain`; `algorithm` and `threads` change nothing here.

    Returns
    -------
    Explanation
    """
    module = _checked(algorithm, threads)
    found = module.explain(x_shape, weight_shape, _geometry("explain", geometry), direction, dtype, tf32)
    return Explanation(copies=(), lanes="", **found)


def _conv(
    name: str,
    rank: int,
    x: Any,
    weight: Any,
    bias: Any,
    activation: Activation,
    out: Any,
    algorithm: Algorithm,
    threads: SupportsIndex | None,
    tf32: bool,
    stream: Any,
    geometry: Geometry,
) -> Any:
    module = _checked(algorithm, threads)
    return module.conv(x, weight, bias, rank, _geometry(name, geometry), activation, out, tf32, stream)


def _geometry(function: str, given: Geometry) -> _cuda.Geometry:
    for name in given:
        if name not in _DEFAULTS:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
    return tuple((_DEFAULTS | given).values())  # type: ignore[return-value]


def _built() -> ModuleType | None:
    """The compiled module; None where tapwise was built without it."""
    try:
        return importlib.import_module("._cuda", __package__)
    except ModuleNotFoundError:
        return None


def _module() -> ModuleType:
    module = _built()
    assert module is not None, "callers have seen that there is a device"
    return module


def _checked(algorithm: Algorithm, threads: SupportsIndex | None) -> ModuleType:
    _core.check_control(algorithm, threads)
    return _module()


@atexit.register
def _drain() -> None:
    """Operands that kernels still read must not be freed under them."""
    import sys

    module = sys.modules.get(f"{__package__}._cuda")
    if module is not None:
        module.drain()


@_on_device
def _missing(*args: Any, **kwargs: Any) -> NoReturn:
    """Not there yet: the functions on a device are convolutions and their gradients."""
    raise NotImplementedError("tapwise.cuda has convolutions and their gradients only")


convolve = correlate = Plan = _missing
dense = dense_grad = relu = relu_grad = softmax_cross_entropy = conv_transpose_backward = _missing
max_pool = max_pool_grad = avg_pool = avg_pool_grad = global_avg_pool = global_avg_pool_grad = _missing


def __getattr__(name: str) -> Any:
    if name == "DeviceArray" and (module := _built()) is not None:
        return module.DeviceArray
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Geometry",
    "conv",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_backward",
    "conv_bias_grad",
    "conv_input_grad",
    "conv_output_shape",
    "conv_transpose",
    "conv_weight_grad",
    "device_count",
    "explain",
    "is_available",
    "status",
    "synchronize",
]
