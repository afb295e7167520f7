"""Fast forward and backward convolution on NumPy arrays.

Functions read NumPy arrays where they lie, in any layout and with any strides, and return new ones; see :func:`conv`.
Layers and optimisers are in :mod:`tapwise.nn`.
"""

from . import _core, cuda, nn
from .control import (
    algorithm,
    available_isas,
    build_info,
    get_algorithm,
    get_num_threads,
    num_threads,
    set_algorithm,
    set_num_threads,
)
from .explanation import Explanation, explain
from .functions import conv, conv1d, conv2d, conv3d, conv_output_shape, conv_transpose
from .gradients import conv_backward, conv_bias_grad, conv_input_grad, conv_transpose_backward, conv_weight_grad
from .layers import dense, dense_grad, relu, relu_grad
from .losses import softmax_cross_entropy
from .numpy_like import convolve, correlate
from .plan import Plan
from .pooling import avg_pool, avg_pool_grad, global_avg_pool, global_avg_pool_grad, max_pool, max_pool_grad

__version__: str = _core.build_info()["version"]

__all__ = [
    "Explanation",
    "Plan",
    "algorithm",
    "available_isas",
    "avg_pool",
    "avg_pool_grad",
    "build_info",
    "conv",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_backward",
    "conv_bias_grad",
    "conv_input_grad",
    "conv_output_shape",
    "conv_transpose",
    "conv_transpose_backward",
    "conv_weight_grad",
    "convolve",
    "correlate",
    "cuda",
    "dense",
    "dense_grad",
    "explain",
    "get_algorithm",
    "get_num_threads",
    "global_avg_pool",
    "global_avg_pool_grad",
    "max_pool",
    "max_pool_grad",
    "nn",
    "num_threads",
    "relu",
    "relu_grad",
    "set_algorithm",
    "set_num_threads",
    "softmax_cross_entropy",
]
