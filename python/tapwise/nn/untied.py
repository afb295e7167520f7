"""What parameter sharing saves."""

from __future__ import annotations

from collections.abc import Sequence

from .layer import Layer


def untied_param_count(layer: Layer, input_shape: Sequence[int]) -> int:
    """How many parameters `layer` would have if its neurons shared none, biases included.

    A convolution uses one filter, and one bias, at all positions of a feature map. Without that
    sharing (a "locally connected" layer), every output neuron has its own copy. Dense layers share
    nothing and count as they are; pooling and ReLU count zero; a `Sequential` counts the sum.

    Parameters
    ----------
    layer : Layer
    input_shape : tuple of ints
        That of one input, or of a batch; its batch size is ignored.

    Raises
    ------
    TypeError
        Not a layer.
    ValueError
        `layer` cannot take such an input.
    NotImplementedError
        A layer of the user's that holds layers: only it knows the shapes of their inputs.

    Examples
    --------
    >>> from tapwise import nn
    >>> layer = nn.Conv2d(3, 96, 11, stride=4)
    >>> layer.num_params  # 96 filters of 11*11*3 weights, 96 biases
    34944
    >>> nn.untied_param_count(layer, (3, 227, 227))  # 55*55*96 neurons of 11*11*3 weights + 1
    105705600
    """
    if not isinstance(layer, Layer):
        raise TypeError(f"layer expects a tapwise.nn layer, got {layer!r}")
    shape = tuple(input_shape)
    batched_ndim = layer._batched_ndim()
    if batched_ndim is not None:
        if len(shape) == batched_ndim - 1:
            shape = (1, *shape)
        elif len(shape) == batched_ndim:
            shape = (1, *shape[1:])
    return layer._untied_count(shape)
