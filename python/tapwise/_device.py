"""The `device` of the ordinary functions."""


def on_cuda(device: str) -> bool:
    """False for ``"cpu"``, True for ``"cuda"``; anything else is a ValueError."""
    if device not in ("cpu", "cuda"):
        raise ValueError(f'device must be "cpu" or "cuda", got {device!r}')
    return device == "cuda"
