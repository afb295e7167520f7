"""What tapwise is measured beside. To add one: a module here with `contestants(case)`, and its line in `PEERS`."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass

from ..case import Case, Contestant
from ..results import PeerInfo


@dataclass(frozen=True)
class Peer:
    """An implementation that may be installed or not."""

    name: str
    package: str
    """What must be importable."""
    distribution: str
    """Its name for pip, which knows the version."""
    module: str

    def info(self) -> PeerInfo:
        if importlib.util.find_spec(self.package) is None:
            return PeerInfo(self.name, note=f"not installed (pip install {self.distribution})")
        try:
            importlib.import_module(self.module, __name__)
        except Exception as error:  # whatever a foreign package raises while it loads
            return PeerInfo(self.name, note=f"does not load: {str(error).splitlines()[0]}")
        return PeerInfo(self.name, version=importlib.metadata.version(self.distribution))

    def contestants(self, case: Case) -> list[Contestant]:
        """This peer's ways to compute the case; Unsupported where there is none."""
        found: list[Contestant] = importlib.import_module(self.module, __name__).contestants(case)
        return found


PEERS = (
    Peer("pytorch", "torch", "torch", ".pytorch"),
    Peer("onnxruntime", "onnxruntime", "onnxruntime", ".onnx_runtime"),
    Peer("openvino", "openvino", "openvino", ".open_vino"),
    Peer("jax", "jax", "jax", ".jax_xla"),
    Peer("ncnn", "ncnn", "ncnn", ".ncnn_net"),
    Peer("scipy", "scipy", "scipy", ".scipy_signal"),
    Peer("numpy", "numpy", "numpy", ".numpy_filter"),
)


class UnknownPeer(ValueError):
    """No such peer; the message lists what exists."""


def select(names: Sequence[str] | None) -> tuple[Peer, ...]:
    """The peers of these names, or all. `none` stands for no peer at all."""
    if names is None:
        return PEERS
    known = {peer.name: peer for peer in PEERS}
    for name in names:
        if name not in known and name != "none":
            raise UnknownPeer(f"unknown peer {name!r}; there are {', '.join(known)}, and none")
    return tuple(known[name] for name in names if name != "none")
