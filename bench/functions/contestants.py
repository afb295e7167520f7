"""Who computes a function: tapwise, NumPy, PyTorch, each on the row's arrays and on as many threads."""

from __future__ import annotations

from functools import cache
from inspect import signature
from operator import attrgetter
from typing import Any

import numpy as np

import tapwise

from ..case import Array, Contestant, Unsupported
from ..results import OWN
from .work import Compute, Result, Work


def contestants(work: Work, who: str) -> list[Contestant]:
    """The ways of tapwise or of a peer; Unsupported where there is none."""
    if who == OWN:
        return _own(work)
    if who == "numpy":
        return _numpy(work)
    if who == "pytorch":
        return _pytorch(work)
    raise Unsupported("takes no part in this suite")


def lacking(work: type[Work]) -> str:
    """What this build of tapwise lacks for a function; empty if nothing."""
    for name, keywords in work.needs.items():
        try:
            found = attrgetter(name)(tapwise)
        except AttributeError:
            return f"this build has no tapwise.{name}"
        for keyword in keywords:
            if keyword not in signature(found).parameters:
                return f"tapwise.{name} of this build has no {keyword}="
    return ""


def _own(work: Work) -> list[Contestant]:
    reason = lacking(type(work))
    if reason:
        raise Unsupported(reason)
    tapwise.set_num_threads(work.setting.threads)
    return [_contestant(work, OWN, "", work.own(), view=work.first)]


def _numpy(work: Work) -> list[Contestant]:
    compute, threads = work.numpy(), work.setting.threads
    if work.uses_blas:
        _blas_threads(threads)
    # OpenBLAS's threads spin for a tenth of a second after a product.
    return [_contestant(work, "numpy", "", compute, view=work.first, lingers=work.uses_blas and threads > 1)]


def _blas_threads(threads: int) -> None:
    try:
        _blas().limit(limits=threads)
    except ModuleNotFoundError:
        raise Unsupported("needs threadpoolctl to be told its threads") from None


@cache
def _blas() -> Any:
    import threadpoolctl

    return threadpoolctl.ThreadpoolController().select(user_api="blas")


def _pytorch(work: Work) -> list[Contestant]:
    import torch

    torch.set_num_threads(work.setting.threads)
    found = []
    for channels_last in (False, True) if work.has_layout else (False,):
        form = ("channels_last" if channels_last else "plain") if work.has_layout else ""
        charged = channels_last == work.setting.channels_last
        for variant, compute in work.pytorch(Tensors(work, channels_last)).items():
            name = " ".join(filter(None, (form, variant)))
            found.append(_contestant(work, "pytorch", name, compute, charged=charged))
    return found


def _contestant(work: Work, who: str, variant: str, compute: Compute, *, view: Any = None, **more: Any) -> Contestant:
    """`view` brings an array in the row's layout to (N, C, *space); tensors have that shape already."""
    last: list[Any] = []

    def call() -> None:
        last[:] = [compute()]

    def fetch() -> tuple[Array, ...]:
        results = last[0] if isinstance(last[0], tuple) else (last[0],)
        arrays = [np.asarray(r.detach() if hasattr(r, "detach") else r) for r in results]
        return tuple(view(a) if view and i < work.activations_first else a for i, a in enumerate(arrays))

    return Contestant(who, variant, call, fetch, **more)


class Tensors:
    """PyTorch, and tensors in one memory format: on the row's own memory where that is the row's layout, else copies.

    No mode is switched around a call, which alone would cost as much as a small one: nothing is recorded without a
    tensor that asks for gradients.
    """

    def __init__(self, work: Work, channels_last: bool) -> None:
        import torch

        self.torch, self.aten, self.F, self.nn = torch, torch.ops.aten, torch.nn.functional, torch.nn
        self._work = work
        self.format = torch.channels_last if channels_last else torch.contiguous_format

    def __call__(self, array: Result) -> Any:
        return self.torch.from_numpy(array)

    def activations(self, array: Result) -> Any:
        """From the row's layout."""
        return self(self._work.first(array)).contiguous(memory_format=self.format)

    def weight(self, array: Result) -> Any:
        return self(array).contiguous(memory_format=self.format)

    def empty_like(self, tensor: Any) -> Any:
        return self.torch.empty_like(tensor, memory_format=self.torch.preserve_format)
