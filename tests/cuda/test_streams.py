"""Streams that only we order: each runs its work no sooner than it must; the one that must be last is asked first."""

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from device_arrays import Interface, host_alias, to_device

import tapwise

X = np.arange(2 * 3 * 5 * 6, dtype=np.float32).reshape(2, 3, 5, 6) % 7 - 3
W = np.arange(4 * 3 * 3 * 3, dtype=np.float32).reshape(4, 3, 3, 3) % 5 - 2
SUM = np.ones((1, 4, 1, 1), np.float32)
Y = tapwise.conv(X, W)
Z = tapwise.conv(Y, SUM)


@pytest.fixture
def streams(emulation):
    emulation.set(streams="lazy")
    return emulation.stream(), emulation.stream()


class Made:
    """y on the first stream, and the weight for z. The operands stay: freeing them orders streams."""

    def __init__(self, streams):
        self.x, self.w, self.sum = to_device(X), to_device(W), to_device(SUM)
        self.y = tapwise.cuda.conv(self.x, self.w, stream=streams[0])


def finished(z, stream):
    tapwise.cuda.synchronize(stream)
    return host_alias(z)


def test_the_emulation_tells(streams):
    """Nothing is said of the stream here, so the second one reads what is not written yet."""
    made = Made(streams)
    z = tapwise.cuda.conv(Interface(made.y, stream=None), made.sum, stream=streams[1])
    assert np.isnan(finished(z, streams[1])).all()


def test_ours_are_waited_for(streams):
    made = Made(streams)
    z = tapwise.cuda.conv(made.y, made.sum, stream=streams[1])
    np.testing.assert_array_equal(finished(z, streams[1]), Z)


def test_the_stream_of_an_interface_is_waited_for(streams):
    made = Made(streams)
    z = tapwise.cuda.conv(Interface(made.y, stream=streams[0]), made.sum, stream=streams[1])
    np.testing.assert_array_equal(finished(z, streams[1]), Z)


def test_consumers_of_dlpack_wait(streams):
    made = Made(streams)
    capsule = made.y.__dlpack__(stream=streams[1])
    z = tapwise.cuda.conv(Interface(made.y, stream=None), made.sum, stream=streams[1])
    np.testing.assert_array_equal(finished(z, streams[1]), Z)
    del capsule


def test_memory_is_freed_after_its_reader(streams):
    made = Made(streams)
    z = tapwise.cuda.conv(made.y, made.sum, stream=streams[1])
    del made.y
    gc.collect()
    tapwise.cuda.synchronize(streams[0])  # would free it, if it could
    np.testing.assert_array_equal(finished(z, streams[1]), Z)


def test_out_is_written_after_its_reader(streams):
    made = Made(streams)
    other = to_device(2 * X)
    z = tapwise.cuda.conv(made.y, made.sum, stream=streams[1])
    tapwise.cuda.conv(other, made.w, out=made.y, stream=streams[0])
    np.testing.assert_array_equal(finished(made.y, streams[0]), 2 * Y)
    np.testing.assert_array_equal(finished(z, streams[1]), Z)


def test_the_default_stream_of_another_thread(streams):
    with ThreadPoolExecutor(1) as other:
        y = other.submit(lambda: tapwise.cuda.conv(to_device(X), to_device(W), stream=2)).result()
        z = tapwise.cuda.conv(y, to_device(SUM), stream=2)
        np.testing.assert_array_equal(finished(z, 2), Z)
        del y
        gc.collect()
