"""What the arguments of the functions may be: the vocabulary of their annotations.

Arrays keep their dtype: ``F`` is float32 or float64, one of them throughout a call, and float32 arrays in give
``NDArray[float32]`` out. Objects that only have an array protocol do not say their dtype; a call that is given nothing
else returns ``NDArray[Any]``.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, SupportsIndex, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray as NDArray
    from typing_extensions import TypedDict, TypeVar

    # The default is what no operand decides. It is none of the constraints, which is why it says nothing wrong.
    F = TypeVar("F", np.float32, np.float64, default=Any)  # type: ignore[misc]
else:
    from typing import TypeVar

    F = TypeVar("F", np.float32, np.float64)
    NDArray = np.ndarray[Any, np.dtype[F]]  # importing numpy.typing would take longer than importing this package's own
"""The dtype of a call."""


class SupportsArrayInterface(Protocol):
    """An object with ``__array_interface__``. That NumPy's own arrays, whose dtype is known, cannot be hashed keeps
    them from passing as one whatever their dtype is."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...
    def __hash__(self) -> int: ...


class SupportsDLPack(Protocol):
    """An object with ``__dlpack__``, such as a tensor of PyTorch."""

    def __dlpack__(self) -> Any: ...
    def __hash__(self) -> int: ...


class SupportsArrayNamespace(Protocol):
    """The same where it cannot be hashed, as arrays of JAX: an array of the Python array API, of any of its versions
    (NumPy's know some)."""

    def __dlpack__(self) -> Any: ...
    def __array_namespace__(self, *, api_version: str | None = ...) -> Any: ...


Foreign: TypeAlias = SupportsArrayInterface | SupportsDLPack | SupportsArrayNamespace
"""An array in CPU memory that is not NumPy's; its dtype is checked when it is used."""

Operand: TypeAlias = NDArray[F] | Foreign
"""What is computed with."""

Array: TypeAlias = NDArray[Any]
"""A NumPy array, where the dtype does not matter."""

ArrayLike: TypeAlias = Any
"""Whatever :func:`numpy.asarray` takes."""

Shape: TypeAlias = Sequence[SupportsIndex]
"""One size per axis."""

IntOrInts: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
"""One int for all spatial axes, or one per axis."""

_Zeros: TypeAlias = IntOrInts | Sequence[IntOrInts]  # as many on both sides, or (low, high)

Padding: TypeAlias = _Zeros | Literal["valid", "same", "same_lower", "full", "causal"]
"""Zeros around the input."""

Padding2d: TypeAlias = _Zeros | Literal["valid", "same", "same_lower", "full"]
"""The same around images and volumes, where no order says which of two inputs is the later."""

TransposedPadding: TypeAlias = _Zeros | Literal["valid", "same", "same_lower"]
"""What a transposed convolution crops."""

Layout1d: TypeAlias = Literal["NCW", "NWC", "CW", "WC"]
Layout2d: TypeAlias = Literal["NCHW", "NHWC", "CHW", "HWC"]
Layout3d: TypeAlias = Literal["NCDHW", "NDHWC", "CDHW", "DHWC"]
Layout: TypeAlias = Literal[Layout1d, Layout2d, Layout3d]
"""The axes of activations."""

WeightLayout1d: TypeAlias = Literal["OIW", "OWI", "WIO"]
WeightLayout2d: TypeAlias = Literal["OIHW", "OHWI", "HWIO"]
WeightLayout3d: TypeAlias = Literal["OIDHW", "ODHWI", "DHWIO"]
WeightLayout: TypeAlias = Literal[WeightLayout1d, WeightLayout2d, WeightLayout3d]
"""The axes of weights."""

TransposedWeightLayout: TypeAlias = Literal[
    WeightLayout, "IOW", "IWO", "WOI", "IOHW", "IHWO", "HWOI", "IODHW", "IDHWO", "DHWOI"
]
"""The axes of the weights of a transposed convolution."""

Activation: TypeAlias = Literal["relu"] | None
"""What is applied as a result is stored."""

Algorithm: TypeAlias = Literal["auto", "direct"]
"""How to compute; "auto" is what :func:`tapwise.set_algorithm` says."""

Device: TypeAlias = Literal["cpu", "cuda"]
"""Where to compute."""

Direction: TypeAlias = Literal["forward", "input_grad", "weight_grad", "bias_grad"]
"""A pass of a convolution."""

DType: TypeAlias = (
    Literal["float32", "float64"] | type[np.float32 | np.float64] | np.dtype[np.float32] | np.dtype[np.float64]
)
"""The dtype of arrays that are not there yet."""

Needs: TypeAlias = tuple[bool, bool, bool]
"""Which of the gradients by input, weight and bias to compute."""

Outs: TypeAlias = tuple[NDArray[F] | None, NDArray[F] | None, NDArray[F] | None]
"""Where they go."""

Gradients: TypeAlias = Outs[F]
"""Those gradients, None where not needed."""

Yes: TypeAlias = Literal[True]
No: TypeAlias = Literal[False]
"""Parts of `needs` that are known when a program is checked."""

if TYPE_CHECKING:
    # The keywords of functions of several gradients beside `needs`, for their overloads.

    class DenseRest(TypedDict, Generic[F], total=False):
        out: Outs[F]
        accumulate: bool
        threads: SupportsIndex | None

    class _Rest(TypedDict, Generic[F], total=False):
        stride: IntOrInts
        dilation: IntOrInts
        groups: SupportsIndex
        flip: bool
        layout: Layout | None
        out: Outs[F]
        accumulate: bool
        algorithm: Algorithm
        threads: SupportsIndex | None

    class ConvRest(_Rest[F], total=False):
        padding: Padding
        weight_layout: WeightLayout | None
        activation: Activation
        y: Operand[F] | None
        device: Device

    class TransposeRest(_Rest[F], total=False):
        padding: TransposedPadding
        output_padding: IntOrInts
        weight_layout: TransposedWeightLayout | None
