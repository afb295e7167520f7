"""The CUDA backend. It is not part of this build; every call says so."""

from typing import Any, NoReturn

_STATUS = "tapwise was built without CUDA: there are no device kernels to run"


def is_available() -> bool:
    """Whether the functions of this module can run here."""
    return False


def device_count() -> int:
    """How many CUDA devices they could run on."""
    return 0


def status() -> str:
    """What was built, and what the driver says."""
    return _STATUS


def _unavailable(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises RuntimeError: see :func:`status`."""
    raise RuntimeError(_STATUS)


conv = conv1d = conv2d = conv3d = conv_transpose = _unavailable
conv_input_grad = conv_weight_grad = conv_bias_grad = conv_backward = _unavailable
conv_output_shape = convolve = correlate = explain = Plan = _unavailable
dense = dense_grad = relu = relu_grad = max_pool = max_pool_grad = softmax_cross_entropy = _unavailable
