"""numpy.convolve and numpy.correlate, in one dimension as they are, and by the same rules in several or along one axis.

In one dimension everything that NumPy takes gives what NumPy gives: shapes, dtypes, the outputs that NaN and Inf reach.
Only the order of the additions differs, and masked arrays are refused, whose masks NumPy ignores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, TypeAlias

import numpy as np

from . import _core, _one_channel
from ._alignment import align
from ._array_like import as_array, as_result
from ._number_types import computed_in, converted, store
from .types import Algorithm, Array, Foreign

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
else:
    ArrayLike = Any

Mode: TypeAlias = Literal["full", "same", "valid"]

# Kept, since these functions may be put in the place of NumPy's.
_numpy_convolve: Callable[..., Array] = np.convolve
_numpy_correlate: Callable[..., Array] = np.correlate


def convolve(
    a: ArrayLike | Foreign,
    v: ArrayLike | Foreign,
    mode: Mode = "full",
    *,
    axis: SupportsIndex | None = None,
    out: Array | None = None,
    algorithm: Algorithm = "auto",
    threads: SupportsIndex | None = None,
) -> Array:
    """The convolution of two arrays: :func:`numpy.convolve`, along one axis, or along all.

    ``y[k] = sum over i of a[i] * v[k - i]``, along each axis.

    Parameters
    ----------
    a : array-like
        A NumPy array of any strides, a list, a number, or an object with ``__array__``, ``__array_interface__`` or
        ``__dlpack__`` (CPU), such as a tensor of PyTorch. Arrays of the dtype of the result are read where they lie.
    v : array-like
        Of the rank of `a`, or, if `axis` is given, 1-D. Both may be longer than 1 along 3 axes at most.
    mode : "full", "same" or "valid"
        With m and n the lengths of `a` and `v` along an axis: ``"full"``: every position where they overlap,
        ``m + n - 1``. ``"same"``: the central ``max(m, n)`` of these. ``"valid"``: those where one lies within the
        other, ``max(m, n) - min(m, n) + 1``. Also what the installed NumPy takes beside these names: the numbers 2, 1
        and 0, and before NumPy 2.4 abbreviations, with its DeprecationWarning.
    axis : int, optional
        `v` goes along this axis of `a`: ``numpy.apply_along_axis(lambda row: numpy.convolve(row, v, mode), axis, a)``.
    out : array, optional
        Receives the result: writable, of its exact shape and dtype, not overlapping an operand.
    algorithm : "auto" or "direct"
        How to compute; ``"auto"`` is what :func:`tapwise.set_algorithm` says, and leaves the choice to the call
        otherwise. Integers always use ``"direct"``, which is exact.
    threads : int, optional
        How many threads to use, if there is work for them. By default :func:`tapwise.get_num_threads`, and one for
        small problems. The bits of the result do not depend on it.

    Returns
    -------
    array, `out` if given
        Of the dtype ``numpy.promote_types(a.dtype, v.dtype)``; a new one has the memory order of `a`.

    Raises
    ------
    ValueError
        An operand is empty, the shapes do not fit together, or mode, axis, or out are not as above.
    TypeError
        A masked array, an operand that is no array, or a mode, axis or dtype of out of the wrong kind.

    Notes
    -----
    By the dtype of the result:

    - float32, float64, complex64, complex128: computed in it. A complex product is four real ones, or two where one
      operand is real and the other finite. Real and imaginary parts are summed apart; NumPy leaves that to its BLAS,
      and some make the real part NaN wherever the imaginary part is infinite.
    - float16: in float32, rounded at the end.
    - bool: whether any product is True. Integers: exact, wrapping around as NumPy's do. In float32 if no sum of the
      given numbers can reach 2**24, in float64 below 2**53.
    - Larger integers, and all other dtypes (longdouble, object, ...): not computed by the kernels, but by
      :func:`numpy.convolve` in one dimension, and as one shifted product per element of `v` in several.

    Examples
    --------
    >>> import tapwise
    >>> tapwise.convolve([1, 2, 3], [0, 1, 0.5])
    array([0. , 1. , 2.5, 4. , 1.5])
    >>> tapwise.convolve([[1, 2, 3], [10, 20, 30]], [1, 1], "valid", axis=1)
    array([[ 3,  5],
           [30, 50]])
    """
    a, v = as_array(a, "a"), as_array(v, "v")
    if a.ndim == 0:
        a = a[np.newaxis]
    if v.ndim == 0:
        v = v[np.newaxis]
    return _run(a, v, mode, axis, True, out, algorithm, threads)


def correlate(
    a: ArrayLike | Foreign,
    v: ArrayLike | Foreign,
    mode: Mode = "valid",
    *,
    axis: SupportsIndex | None = None,
    out: Array | None = None,
    algorithm: Algorithm = "auto",
    threads: SupportsIndex | None = None,
) -> Array:
    """The cross-correlation of two arrays: :func:`numpy.correlate`, along one axis, or along all.

    ``y[k] = sum over i of a[i + k] * conj(v[i])``, along each axis.

    Parameters
    ----------
    a : array-like
        A NumPy array of any strides, a list, or an object with ``__array__``, ``__array_interface__`` or
        ``__dlpack__`` (CPU), such as a tensor of PyTorch. Arrays of the dtype of the result are read where they lie.
    v : array-like
        Of the rank of `a`, or, if `axis` is given, 1-D. Both may be longer than 1 along 3 axes at most.
    mode : "full", "same" or "valid"
        With m and n the lengths of `a` and `v` along an axis: ``"full"``: every position where they overlap,
        ``m + n - 1``. ``"same"``: the central ``max(m, n)`` of these. ``"valid"``: those where one lies within the
        other, ``max(m, n) - min(m, n) + 1``. Also what the installed NumPy takes beside these names: the numbers 2, 1
        and 0, and before NumPy 2.4 abbreviations, with its DeprecationWarning.
    axis : int, optional
        `v` goes along this axis of `a`: ``numpy.apply_along_axis(lambda row: numpy.correlate(row, v, mode), axis, a)``.
    out : array, optional
        Receives the result: writable, of its exact shape and dtype, not overlapping an operand.
    algorithm : "auto" or "direct"
        How to compute; ``"auto"`` is what :func:`tapwise.set_algorithm` says, and leaves the choice to the call
        otherwise. Integers always use ``"direct"``, which is exact.
    threads : int, optional
        How many threads to use, if there is work for them. By default :func:`tapwise.get_num_threads`, and one for
        small problems. The bits of the result do not depend on it.

    Returns
    -------
    array, `out` if given
        Of the dtype ``numpy.promote_types(a.dtype, v.dtype)``; a new one has the memory order of `a`.

    Raises
    ------
    ValueError
        An operand is a number or empty, the shapes do not fit together, or mode, axis, or out are not as above.
    TypeError
        A masked array, an operand that is no array, or a mode, axis or dtype of out of the wrong kind.

    Notes
    -----
    Correlation is not commutative: where `v` is longer than `a`, ``"same"`` has the outputs that NumPy's has, which are
    those of ``correlate(v, a)`` conjugated and in reverse.

    What a sum is computed in is said in the notes of :func:`convolve`, and the same here.

    Examples
    --------
    >>> import tapwise
    >>> tapwise.correlate([1, 2, 3], [0, 1, 0.5])
    array([3.5])
    >>> tapwise.correlate([1, 2j], [1j], "full")
    array([0.-1.j, 2.+0.j])
    """
    a, v = as_array(a, "a"), as_array(v, "v")
    for name, operand in (("a", a), ("v", v)):
        if operand.ndim == 0:
            raise ValueError(f"{name} must have at least one axis, got a number; [{name}] makes an array of one")
    return _run(a, v, mode, axis, False, out, algorithm, threads)


def _run(
    a: Array,
    v: Array,
    mode: Any,
    axis: SupportsIndex | None,
    flip: bool,
    out: Array | None,
    algorithm: Algorithm,
    threads: SupportsIndex | None,
) -> Array:
    mode = _as_mode(mode)
    at = align(a.shape, v.shape, _as_axis(axis), mode, flip)
    _core.check_control(algorithm, threads)
    try:
        dtype = np.promote_types(a.dtype, v.dtype)
    except TypeError:
        raise TypeError(f"a and v must have dtypes with a common one, got {a.dtype} and {v.dtype}") from None
    if out is None:
        result = np.empty_like(a, dtype, shape=at.shape)
    else:
        result = as_result(out, at.shape, dtype, a=a, v=v)
    if axis is not None:
        v = v.reshape(at.v_shape)

    number = computed_in(dtype, a, v, at.terms) if at.terms else None
    if number is None:
        if a.ndim == 1:
            result[...] = (_numpy_convolve if flip else _numpy_correlate)(a, v, mode)
        elif at.terms:
            _shift_and_add(a.astype(dtype), v.astype(dtype), at.windows, flip, result)
        return result if out is None else out

    a, v = converted(a, v, number)
    if not flip:
        v = v.conj()
    if at.swap:
        a, v = (v, a) if flip else (_reversed(v), _reversed(a))
    y = result if number == dtype else np.empty_like(result, number)
    _one_channel.correlate(a, v, at.pads, flip, y, "direct" if dtype.kind in "biu" else algorithm, threads)
    if y is not result:
        store(y, result)
    return result if out is None else out


def _as_mode(mode: Any) -> str:
    """Its name. What NumPy takes beside names depends on its version, so it is asked: the size tells."""
    if isinstance(mode, str) and mode in ("full", "same", "valid"):
        return mode
    return ("valid", "same", "full")[_numpy_correlate([0, 0], [0, 0], mode).size - 1]


def _as_axis(axis: SupportsIndex | None) -> int | None:
    if axis is None:
        return None
    if isinstance(axis, bool) or not hasattr(axis, "__index__"):
        raise TypeError(f"axis must be an int or None, got {axis!r}")
    return index(axis)


def _reversed(array: Array) -> Array:
    return array[(slice(None, None, -1),) * array.ndim]


def _shift_and_add(a: Array, v: Array, windows: Sequence[tuple[int, int]], flip: bool, result: Array) -> None:
    """For what has no kernel: one product with all of `a` for each element of `v`."""
    if not flip:
        v = _reversed(v.conj())
    full = np.zeros([m + n - 1 for m, n in zip(a.shape, v.shape, strict=True)], result.dtype)
    for position in np.ndindex(v.shape):
        full[tuple(slice(k, k + m) for k, m in zip(position, a.shape, strict=True))] += a * v[position]
    result[...] = full[tuple(slice(first, first + count) for first, count in windows)]
