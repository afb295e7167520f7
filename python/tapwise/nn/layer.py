"""What every layer has in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from reprlib import recursive_repr
from types import MappingProxyType
from typing import Any, ClassVar, Literal, TypeAlias, final, overload

import numpy as np

from ..types import Array
from . import storage
from .arrays import Arrays
from .checks import as_array
from .composite import with_keywords
from .modes import accumulating, predicting, switched_on
from .state import copy_into
from .tree import children, instances, walk

Shape: TypeAlias = tuple[int, ...]
Saved: TypeAlias = tuple[Any, ...]

_NONE: Mapping[str, Array] = MappingProxyType({})


class Layer:
    """One step of a network: a function of an array, and the gradient of that function.

    To write a layer of your own, derive from `Layer` and write two methods. There are two ways.

    The leaf way: ``_forward(x)`` returns the result and a tuple of whatever the gradient needs again;
    ``_backward(grad, saved, needs_input_grad)`` is handed that tuple and returns the gradient for the input, which it
    may skip where ``needs_input_grad`` is False. `Layer` remembers the tuple in between, keeps nothing in `predict`,
    and checks that inputs are arrays. What the layer learns it declares with `add_param`, and `_backward` hands the
    gradients to `set_grad`.

    The composite way, for a layer made of layers: ``forward(x)`` calls their `forward`, and ``backward(grad)`` their
    `backward` in reverse. It may take `accumulate` and `needs_input_grad` too, but need not: `predict` and
    accumulation reach the layers inside by themselves. A composite that must remember arrays of its own takes the leaf
    way, which may call the layers inside as well.

    Layers inside are found in attributes, and in lists, tuples and dicts there, each once, in the order of definition.
    Their arrays get PyTorch's names: "conv1.weight", "blocks.0.weight", "heads.a.bias". One layer has one place in a
    network: a second `forward` overwrites what `backward` needs of the first.

    `output_shape` is the shape of the input unless overridden; a layer that holds layers has to say it itself.

    Training is for one thread a model, because `forward` leaves on the layer what `backward` needs; `predict` is safe
    from any number of threads. Arrays are remembered, not copied: between `forward` and `backward`, don't change input
    or result in place. Pickles and deep copies hold parameters, buffers and gradients that are not zero, and nothing
    of what `backward` needs.

    Examples
    --------
    A layer with a parameter of its own:

    >>> import numpy as np
    >>> from tapwise import nn, softmax_cross_entropy
    >>> class Scale(nn.Layer):
    ...     def __init__(self, channels):
    ...         self.scale = self.add_param("scale", np.ones((channels, 1, 1), np.float32))
    ...
    ...     def _forward(self, x):
    ...         return x * self.scale, (x,)
    ...
    ...     def _backward(self, grad, saved, needs_input_grad):
    ...         self.set_grad("scale", (grad * saved[0]).sum(axis=(0, 2, 3)).reshape(self.scale.shape))
    ...         return grad * self.scale if needs_input_grad else None

    And a residual block, which passes its input on beside what its layers make of it:

    >>> class Residual(nn.Layer):
    ...     def __init__(self, channels, seed=None):
    ...         self.conv = nn.Conv2d(channels, channels, 3, padding="same", activation="relu", seed=seed)
    ...         self.scale = Scale(channels)
    ...
    ...     def forward(self, x):
    ...         return x + self.scale.forward(self.conv.forward(x))
    ...
    ...     def backward(self, grad):
    ...         return grad + self.conv.backward(self.scale.backward(grad))
    ...
    ...     def output_shape(self, input_shape):
    ...         return input_shape

    >>> list(Residual(4).params)
    ['conv.weight', 'conv.bias', 'scale.scale']
    >>> model = nn.Sequential(Residual(1, seed=0), nn.Flatten(), nn.Dense(16, 2, seed=1))
    >>> optimiser = nn.SGD(model, lr=0.1)
    >>> images, labels = np.eye(4, dtype=np.float32).reshape(1, 1, 4, 4), [1]
    >>> before, grad = softmax_cross_entropy(model.forward(images), labels)
    >>> model.backward(grad, needs_input_grad=False)
    >>> optimiser.step()
    >>> after, _ = softmax_cross_entropy(model.predict(images), labels)
    >>> after < before
    True
    """

    # Replaced on the instance, never changed here: a subclass need not call super().__init__().
    _params: Mapping[str, Array] = _NONE
    _buffers: Mapping[str, Array] = _NONE
    _grads: Mapping[str, Array] = _NONE
    _saved: Saved | None = None
    _released: bool = False  # by a backward after the last forward

    _transient: ClassVar[frozenset[str]] = frozenset({"_saved", "_released"})

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in ("params", "grads", "state"):
            if name in vars(cls):
                raise TypeError(
                    f"{cls.__name__} overrides {name}, which containers would not see; call "
                    "self.add_param(name, array) in __init__ and self.set_grad(name, array) in _backward"
                )
        if "backward" in vars(cls):
            cls.backward = with_keywords(cls.backward)  # type: ignore[method-assign]

    def forward(self, x: Array) -> Array:
        """Apply the layer to `x` and remember what `backward` needs.

        Parameters
        ----------
        x : array
            Of the shape and dtype that the layer takes: an array, or an object with ``__dlpack__`` (CPU) or
            ``__array_interface__``.

        Returns
        -------
        array

        Raises
        ------
        TypeError
            Not an array, or of another dtype than the layer.
        ValueError
            Of a shape that the layer does not take.

        Examples
        --------
        >>> import numpy as np
        >>> from tapwise import nn
        >>> nn.ReLU().forward(np.array([-1.0, 2.0]))
        array([0., 2.])
        """
        y, saved = self._forward(as_array(type(self).__name__, "x", x))
        if not predicting.get():
            self._saved, self._released = saved, False
        return y

    def __call__(self, x: Array) -> Array:
        """The same as `forward`."""
        return self.forward(x)

    def predict(self, x: Array) -> Array:
        """The result of `forward`, keeping nothing: `backward` still refers to the `forward` before.

        Any number of threads may call it at once, also while another one trains: then a result may see parameters from
        before and after a step.

        Parameters, results and errors are those of `forward`.

        Examples
        --------
        >>> import numpy as np
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> from tapwise import nn
        >>> model = nn.Sequential(nn.Dense(3, 4, activation="relu", seed=0), nn.Dense(4, 2, seed=1))
        >>> batches = [np.full((5, 3), i, np.float32) for i in range(8)]
        >>> with ThreadPoolExecutor() as pool:
        ...     results = list(pool.map(model.predict, batches))
        >>> results[7].shape
        (5, 2)
        """
        with switched_on(predicting):
            return self.forward(x)

    @overload
    def backward(self, grad: Array, accumulate: bool = ..., *, needs_input_grad: Literal[True] = ...) -> Array: ...
    @overload
    def backward(self, grad: Array, accumulate: bool = ..., *, needs_input_grad: bool) -> Array | None: ...

    def backward(self, grad: Array, accumulate: bool = False, *, needs_input_grad: bool = True) -> Array | None:
        """Carry the gradient of the loss from the result of the last `forward` to its input.

        Fills `grads`, and releases what `forward` remembered.

        Parameters
        ----------
        grad : array
            The gradient of the loss by the result, of its shape and dtype.
        accumulate : bool
            Add to `grads` instead of overwriting them: a batch in pieces, then one step.
        needs_input_grad : bool
            False skips the gradient for the input: training has no use for that of the images that enter a network.

        Returns
        -------
        array or None
            The gradient for the input, of its shape; None with ``needs_input_grad=False``.

        Raises
        ------
        RuntimeError
            There was no `forward` since the last `backward`, or none at all.
        ValueError, TypeError
            `grad` does not fit the result.

        Examples
        --------
        >>> import numpy as np
        >>> from tapwise import nn
        >>> layer = nn.Dense(2, 1, dtype=np.float64, seed=0)
        >>> for x in ([[1.0, 2.0]], [[10.0, 20.0]]):
        ...     y = layer.forward(np.array(x))
        ...     _ = layer.backward(np.ones_like(y), accumulate=True)
        >>> layer.grads["weight"]
        array([[11., 22.]])
        """
        if self._saved is None:
            raise RuntimeError(self._why_not_backward())
        with switched_on(accumulating, accumulate):
            grad_input = self._backward(as_array(type(self).__name__, "grad", grad), self._saved, needs_input_grad)
        self._saved, self._released = None, True
        return grad_input if needs_input_grad else None

    def _why_not_backward(self) -> str:
        name = type(self).__name__
        if self._released:
            return (
                f"{name}.backward was called twice after one forward, but the first call released what it needs; call "
                "forward(x) again, and make one layer for each place of a network"
            )
        return (
            f"{name}.backward was called before forward: there is no input to differentiate at; call forward(x) first "
            "(predict keeps nothing)"
        )

    @property
    @final
    def params(self) -> Arrays:
        """What the layer and those inside it learn: a read-only mapping from names to the arrays they work with.

        Write into the arrays, ``layer.params["weight"][...] = w``, or `load` them; assigning items is a TypeError.

        Examples
        --------
        >>> from tapwise import nn
        >>> model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Dense(32, 10))
        >>> {name: p.shape for name, p in model.params.items()}
        {'0.weight': (8, 1, 3, 3), '0.bias': (8,), '2.weight': (10, 32), '2.bias': (10,)}
        >>> model.params["0.bias"][...] = 1
        """
        return Arrays("params", ((at + k, v) for at, layer in walk(self) for k, v in layer._params.items()))

    @property
    @final
    def grads(self) -> Arrays:
        """The gradients of the last `backward`, under the names of `params`; zero before it. Read-only as those are.

        Examples
        --------
        >>> from tapwise import nn
        >>> nn.Dense(2, 2).grads["bias"]
        array([0., 0.], dtype=float32)
        """
        return Arrays("grads", ((at + k, layer._grad(k)) for at, layer in walk(self) for k in layer._params))

    @property
    @final
    def state(self) -> Arrays:
        """All that `save` saves and `load` takes: `params`, and buffers such as running statistics. Read-only, too.

        Examples
        --------
        >>> from tapwise import nn
        >>> list(nn.Dense(2, 2).state)
        ['weight', 'bias']
        """
        own = ((at, {**layer._params, **layer._buffers}) for at, layer in walk(self))
        return Arrays("state", ((at + k, v) for at, arrays in own for k, v in arrays.items()))

    @property
    def num_params(self) -> int:
        """How many numbers the layer learns, biases included.

        Examples
        --------
        >>> from tapwise import nn
        >>> nn.Conv2d(3, 32, 5).num_params  # 32 filters of 3 * 5 * 5 weights and a bias
        2432
        """
        return sum(p.size for p in self.params.values())

    def load(self, values: Mapping[str, Any], strict: bool = True) -> None:
        """Copy arrays into those of `state` that have their names. Nothing changes unless all of them fit.

        The arrays stay the same objects, so optimisers and views go on working. PyTorch's ``state_dict()`` of the same
        architecture is such a mapping.

        Parameters
        ----------
        values : mapping of str to array
            Arrays, or anything that `numpy.asarray` takes. :func:`tapwise.nn.load` reads such a mapping from a file.
        strict : bool
            True: exactly the names of `state`. False: those that match are copied, the others ignored.

        Raises
        ------
        ValueError
            Missing or unexpected names (``strict=True``), or another shape.
        TypeError
            Another dtype, or not a mapping.

        Examples
        --------
        >>> import numpy as np
        >>> from tapwise import nn
        >>> layer = nn.Dense(2, 1)
        >>> layer.load({"weight": np.array([[1, 2]], np.float32), "bias": np.array([3], np.float32)})
        >>> layer.predict(np.ones((1, 2), np.float32))
        array([[6.]], dtype=float32)
        """
        copy_into(self.state, values, strict=strict)

    def save(self, path: storage.PathLike) -> None:
        """Write `state` to a file, for ``layer.load(nn.load(path))``.

        A file that is there is replaced when the new one is complete, never left half written.

        Parameters
        ----------
        path : str or path-like
            The format goes by the suffix: ``.npz`` or ``.safetensors`` (with the package `safetensors`).

        Raises
        ------
        ValueError
            Another suffix.
        OSError
            The file cannot be written.
        ImportError
            The package `safetensors` is not installed.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> from tapwise import nn
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "dense.npz")
        ...     nn.Dense(2, 1).save(path)
        ...     sorted(nn.load(path))
        ['bias', 'weight']
        """
        storage.save(self.state, path)

    def output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the result for an input of `input_shape`, without computing anything.

        That is `input_shape` itself, unless a layer says otherwise.

        Parameters
        ----------
        input_shape : tuple of ints
            With the batch, where the layer has one.

        Raises
        ------
        ValueError
            The layer does not take such an input.
        NotImplementedError
            A layer holds layers and has no `output_shape` of its own.

        Examples
        --------
        >>> from tapwise import nn
        >>> nn.Conv2d(3, 8, 5, stride=2).output_shape((1, 3, 33, 33))
        (1, 8, 15, 15)
        """
        if children(self):
            raise NotImplementedError(f"{type(self).__name__} holds layers and needs an output_shape(input_shape)")
        return tuple(input_shape)

    # For subclasses to call.

    def add_param(self, name: str, array: Array) -> Array:
        """Declare `array` as learned under `name`, and return the array that the layer is to work with.

        Optimisers and `load` write into it. It is `array` itself: pass a copy of one that you go on using.

        Parameters
        ----------
        name : str
            Without dots, and not that of another param or buffer of the layer.
        array : float32 or float64 array
            Its initial value, and its shape and dtype for good.

        Raises
        ------
        ValueError
            The name is taken or has a dot.
        TypeError
            Not a NumPy array of float32 or float64.

        Examples
        --------
        >>> import numpy as np
        >>> from tapwise import nn
        >>> class Shift(nn.Layer):
        ...     def __init__(self, features):
        ...         self.shift = self.add_param("shift", np.zeros(features))
        ...
        ...     def _forward(self, x):
        ...         return x + self.shift, ()
        ...
        ...     def _backward(self, grad, saved, needs_input_grad):
        ...         self.set_grad("shift", grad.sum(axis=0))
        ...         return grad
        >>> layer = Shift(2)
        >>> layer.forward(np.ones((3, 2))).shape
        (3, 2)
        >>> _ = layer.backward(np.ones((3, 2)))
        >>> layer.grads["shift"]
        array([3., 3.])
        """
        if not isinstance(array, np.ndarray) or array.dtype not in (np.float32, np.float64):
            raise TypeError(f"param {name!r} expects a float32 or float64 array, got {array!r}")
        self._params = {**self._params, self._new_name(name): array}
        return array

    def add_buffer(self, name: str, array: Array) -> Array:
        """Declare `array` as part of `state` that is not learned, such as running statistics, and return it.

        The layer updates it in place. Name and errors are as in `add_param`; any numeric dtype will do.

        Examples
        --------
        >>> import numpy as np
        >>> from tapwise import nn
        >>> class Counter(nn.Layer):
        ...     def __init__(self):
        ...         self.calls = self.add_buffer("calls", np.zeros((), np.int64))
        ...
        ...     def _forward(self, x):
        ...         self.calls += 1
        ...         return x, ()
        >>> layer = Counter()
        >>> _ = layer.forward(np.ones(3))
        >>> dict(layer.state), len(layer.params)
        ({'calls': array(1)}, 0)
        """
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufc":
            raise TypeError(f"buffer {name!r} expects a numeric array, got {array!r}")
        self._buffers = {**self._buffers, self._new_name(name): array}
        return array

    def set_grad(self, name: str, grad: Array) -> None:
        """Hand in the gradient of a param, from `_backward`; it is added if `backward` was asked to accumulate.

        The array is kept, not copied, and never changed. See `add_param` for an example.

        Raises
        ------
        KeyError
            No param has that name.
        ValueError
            `grad` has another shape than the param.

        Examples
        --------
        >>> import numpy as np
        >>> from tapwise import nn
        >>> layer = nn.Dense(2, 1)
        >>> layer.set_grad("bias", np.array([5], np.float32))
        >>> layer.grads["bias"]
        array([5.], dtype=float32)
        """
        if np.shape(grad) != self._params[name].shape:
            raise ValueError(f"the gradient of {name} expects shape {self._params[name].shape}, got {np.shape(grad)}")
        if accumulating.get() and name in self._grads:
            grad = self._grads[name] + grad
        self._grads = {**self._grads, name: grad}

    def _grad(self, name: str) -> Array:
        if name not in self._grads:
            self._grads = {**self._grads, name: np.zeros_like(self._params[name])}
        return self._grads[name]

    def _new_name(self, name: str) -> str:
        if not name or "." in name or name in self._params or name in self._buffers:
            raise ValueError(
                f"name expects one without dots that {type(self).__name__} does not have yet, got {name!r}"
            )
        return name

    # For subclasses to fill in.

    def _forward(self, x: Array) -> tuple[Array, Saved]:
        raise NotImplementedError(f"{type(self).__name__} needs _forward(x), or a forward(x) of its own")

    def _backward(self, grad: Array, saved: Saved, needs_input_grad: bool) -> Array | None:
        raise NotImplementedError(
            f"{type(self).__name__} needs _backward(grad, saved, needs_input_grad), or a backward(grad) of its own"
        )

    def _describe(self) -> str:
        """The constructor's arguments, for `repr`."""
        return ""

    def _children(self) -> Iterator[tuple[str, Layer]]:
        """Yield the layers that this one holds itself, by name; some perhaps twice. See `tree`."""
        for name, value in list(vars(self).items()):
            if name not in self._transient:
                yield from instances(Layer, name, value)

    def _batched_ndim(self) -> int | None:
        """The number of axes of a batched input; None if it has no batch or any shape will do."""
        return None

    def _untied_count(self, input_shape: Shape) -> int:
        """See `untied_param_count`; `input_shape` has a batch axis of length 1 where it has one."""
        if children(self):
            raise NotImplementedError(
                f"{type(self).__name__} holds layers whose input shapes it alone knows; count them one by one"
            )
        self.output_shape(input_shape)  # refuses a shape that does not fit
        return self.num_params

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in vars(self).items() if name not in self._transient}
        if "_grads" in state:
            state["_grads"] = {name: g for name, g in self._grads.items() if g.any()}  # zeros come back by themselves
        return state

    @recursive_repr()
    def __repr__(self) -> str:
        lines = []
        for name, layer in children(self):
            count = f"  # {layer.num_params:,} parameters" if layer.num_params else ""
            text = f"({name}) {layer!r}".replace("\n", "\n    ")
            lines.append(f"    {text}{count}\n")
        inside = "\n" + "".join(lines) if lines else ""
        return f"{type(self).__name__}({self._describe()}{inside})"
