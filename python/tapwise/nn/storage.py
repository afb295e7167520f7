"""Arrays by name in files."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import IO, Any, TypeAlias
from uuid import uuid4
from zipfile import BadZipFile

import numpy as np

from ..types import Array

PathLike: TypeAlias = "str | os.PathLike[str]"


def save(arrays: Mapping[str, Array], path: PathLike) -> None:
    """Write `arrays` to `path`. A file that is there is replaced once the new one is complete."""
    path = Path(path).resolve()  # a link stays a link
    write, _ = _format(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "the folder of this file does not exist", str(path))
    unfinished = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        with open(unfinished, "xb") as file:
            write(file, dict(arrays))
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def load(path: PathLike) -> dict[str, Array]:
    """Read the arrays of a file by name: one that ``layer.save(path)`` wrote, or any of its format.

    Parameters
    ----------
    path : str or path-like
        The format goes by the suffix: ``.npz`` (NumPy's; nothing in it is executed) or ``.safetensors`` (the package
        `safetensors` reads it).

    Returns
    -------
    dict of str to array
        What ``layer.load`` takes.

    Raises
    ------
    ValueError
        Another suffix, or a file that does not hold what its suffix says.
    FileNotFoundError
        There is no such file.
    ImportError
        The package `safetensors` is not installed.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from tapwise import nn
    >>> trained, fresh = nn.Dense(3, 2, seed=0), nn.Dense(3, 2, seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "dense.npz")
    ...     trained.save(path)
    ...     fresh.load(nn.load(path))
    >>> bool((fresh.params["weight"] == trained.params["weight"]).all())
    True
    """
    path = Path(path)
    _, read = _format(path)
    return read(path)


def _write_npz(file: IO[bytes], arrays: dict[str, Any]) -> None:
    np.savez(file, **arrays)


def _read_npz(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return dict(archive)
    except (BadZipFile, EOFError, TypeError, ValueError) as error:
        raise ValueError(f"{path} expects a NumPy archive of plain arrays: {error}") from error


def _write_safetensors(file: IO[bytes], arrays: dict[str, Array]) -> None:
    # Its save_file makes files that nobody but their owner may read.
    file.write(_safetensors("safetensors.numpy").save(arrays))


def _read_safetensors(path: Path) -> dict[str, Array]:
    package = _safetensors("safetensors")
    try:
        return dict(_safetensors("safetensors.numpy").load(path.read_bytes()))
    except package.SafetensorError as error:
        raise ValueError(f"{path} expects a safetensors file: {error}") from error


def _safetensors(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            "files of suffix .safetensors need the package safetensors: pip install safetensors"
        ) from error


Writer: TypeAlias = Callable[[IO[bytes], dict[str, Array]], None]
Reader: TypeAlias = Callable[[Path], dict[str, Array]]
_FORMATS: dict[str, tuple[Writer, Reader]] = {
    ".npz": (_write_npz, _read_npz),
    ".safetensors": (_write_safetensors, _read_safetensors),
}


def _format(path: Path) -> tuple[Writer, Reader]:
    try:
        return _FORMATS[path.suffix.lower()]
    except KeyError:
        raise ValueError(f"path expects a suffix of {' or '.join(_FORMATS)}, got {str(path)!r}") from None
