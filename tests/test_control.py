"""build_info, explain, the choice of algorithm, the CUDA stub and the command line."""

import dataclasses
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fresh import python

import tapwise

NAMES = """
    conv conv1d conv2d conv3d conv_transpose conv_input_grad conv_weight_grad conv_bias_grad
    conv_backward conv_output_shape convolve correlate Plan explain dense dense_grad relu relu_grad
    max_pool max_pool_grad softmax_cross_entropy set_num_threads get_num_threads num_threads
    set_algorithm algorithm build_info available_isas
"""
X, W = (8, 64, 56, 56), (128, 64, 3, 3)


@pytest.fixture(autouse=True)
def restore_algorithm():
    yield
    tapwise.set_algorithm("auto")


def test_version_is_in_one_place():
    from importlib.metadata import version

    assert tapwise.__version__ == tapwise.build_info()["version"] == version("tapwise")


def test_build_info():
    info = tapwise.build_info()
    assert {"version", "compiler", "flags", "openmp", "cuda"} <= set(info)
    assert {"isas_built", "isas_usable", "isa"} <= set(info)
    assert info["compiler"] and isinstance(info["compiler"], str)


def test_public_names_exist_and_have_docstrings():
    assert set(NAMES.split()) <= set(tapwise.__all__)
    for name in tapwise.__all__:
        thing = getattr(tapwise, name)
        if callable(thing):
            assert thing.__doc__ and len(thing.__doc__) > 20, name


def test_the_package_is_typed():
    assert (Path(tapwise.__file__).parent / "py.typed").exists()


class TestExplain:
    def test_forward(self):
        e = tapwise.explain(X, W)
        assert dataclasses.is_dataclass(e)
        assert e.algorithm == "direct"
        assert e.output_shape == (8, 128, 54, 54)
        assert e.pads == ((0, 0), (0, 0))
        assert e.flops == 2 * 8 * 128 * 54 * 54 * 64 * 9
        assert e.bytes_moved >= 4 * (8 * 64 * 56 * 56 + 128 * 64 * 9 + 8 * 128 * 54 * 54)
        assert isinstance(e.workspace_bytes, int) and e.workspace_bytes >= 0
        assert isinstance(e.copies, tuple) and all(isinstance(c, str) for c in e.copies)
        assert e.isa == tapwise.build_info()["isa"]
        assert 1 <= e.threads <= tapwise.get_num_threads()

    def test_it_is_frozen(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            tapwise.explain(X, W).algorithm = "magic"

    def test_it_reads_well(self):
        text = str(tapwise.explain(X, W, padding=1))
        assert "direct" in text and "56" in text and len(text.splitlines()) > 3

    @pytest.mark.parametrize(
        "x, w, options, words",
        [
            (X, W, {}, "read where they lie"),
            ((1, 512, 7, 7), (512, 512, 3, 3), {"padding": 1}, "packs the one panel"),
            (X, W, {}, "tile"),
            ((8, 192, 28, 28), (192, 1, 7, 7), {"groups": 192}, "groups do not lie side by side"),
            ((1, 64, 28, 29), (256, 64, 1, 1), {}, "pixels in the lanes"),
            ((1, 3, 64, 64), (32, 3, 3, 3), {"direction": "input_grad", "stride": 2}, "channels times phases"),
            (X, W, {"direction": "weight_grad"}, "chunks"),
            ((1, 512, 7, 7), (512, 512, 3, 3), {"direction": "weight_grad"}, "channels are shared out"),
        ],
    )
    def test_what_was_chosen_and_why(self, x, w, options, words):
        e = tapwise.explain(x, w, **options)
        assert e.choices and words in " ".join(e.choices)
        assert all(choice in str(e) for choice in e.choices)

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("direction", ["forward", "input_grad", "weight_grad"])
    @pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
    def test_scratch_stays_under_two_megabytes_a_thread(self, direction, layout, dtype):
        """Beside the packed weights, which are as large as the weights and at most a vector more for each."""
        late = (512, 512, 7, 3), (512, 2048, 7, 1), (1024, 256, 14, 1)
        for channels, filters, size, kernel in ((64, 64, 224, 3), (3, 64, 224, 7), (2048, 33, 30, 3), *late):
            x = (8, channels, size, size) if layout == "NCHW" else (8, size, size, channels)
            for threads in (1, 2, 8):
                w = (filters, channels, kernel, kernel)
                e = tapwise.explain(
                    x, w, padding=kernel // 2, layout=layout, direction=direction, dtype=dtype, threads=threads
                )
                packed = 0 if direction == "weight_grad" else 2 * np.prod(w) * np.dtype(dtype).itemsize
                assert e.workspace_bytes < packed + e.threads * 2 * 2**20, (e, x, w)

    @pytest.mark.parametrize("direction", ["forward", "input_grad", "weight_grad", "bias_grad"])
    def test_directions(self, direction):
        e = tapwise.explain(X, W, direction=direction)
        shape = {
            "forward": (8, 128, 54, 54),
            "input_grad": X,
            "weight_grad": W,
            "bias_grad": (128,),
        }[direction]
        assert e.output_shape == shape
        if direction != "bias_grad":
            assert e.flops == 2 * 8 * 128 * 54 * 54 * 64 * 9
        assert e.workspace_bytes < 4 * 8 * 64 * 56 * 56

    @pytest.mark.parametrize(
        "padding, pads",
        [
            ("valid", ((0, 0), (0, 0))),
            ("same", ((1, 2), (2, 2))),
            ("same_lower", ((2, 1), (2, 2))),
            ("full", ((3, 3), (4, 4))),
            (2, ((2, 2), (2, 2))),
            ((0, 3), ((0, 0), (3, 3))),
            (((1, 2), (3, 4)), ((1, 2), (3, 4))),
        ],
    )
    def test_pads_are_resolved(self, padding, pads):
        e = tapwise.explain((1, 3, 9, 10), (4, 3, 4, 5), padding=padding)
        assert e.pads == pads

    def test_double_precision_moves_twice_the_bytes(self):
        single, double = (tapwise.explain(X, W, dtype=d) for d in ("float32", "float64"))
        assert double.bytes_moved == 2 * single.bytes_moved
        assert tapwise.explain(X, W, dtype=np.float64).bytes_moved == double.bytes_moved

    def test_layouts_and_threads(self):
        e = tapwise.explain((8, 56, 56, 64), (3, 3, 64, 128), layout="NHWC", weight_layout="HWIO", threads=1)
        assert e.output_shape == (8, 54, 54, 128) and e.threads == 1

    def test_more_threads_may_need_more_scratch_but_never_a_copy_of_x(self):
        for threads in (1, 2, 8):
            for last in (False, True):
                shape, layout = ((8, 56, 56, 64), "NHWC") if last else (X, "NCHW")
                e = tapwise.explain(shape, W, layout=layout, threads=threads)
                assert e.workspace_bytes < 4 * np.prod(X) / 2

    def test_an_empty_batch_needs_nothing(self):
        e = tapwise.explain((0, 64, 56, 56), W)
        assert e.output_shape == (0, 128, 54, 54) and e.flops == 0 and e.workspace_bytes == 0
        assert " of ," not in str(e) and "copied     0" not in str(e)

    def test_errors(self):
        with pytest.raises(ValueError, match=r"direction.*forward.*input_grad.*weight_grad"):
            tapwise.explain(X, W, direction="sideways")
        with pytest.raises(ValueError, match="weight"):
            tapwise.explain(X, (128, 63, 3, 3))
        with pytest.raises(TypeError, match="float16"):
            tapwise.explain(X, W, dtype="float16")


class TestAlgorithm:
    x, w = np.ones((1, 2, 5), np.float32), np.ones((3, 2, 2), np.float32)

    @pytest.mark.parametrize("name", ["winograd", "fft", "fastest", ""])
    def test_other_names_are_refused_with_the_list(self, name):
        for call in (
            lambda: tapwise.conv(self.x, self.w, algorithm=name),
            lambda: tapwise.set_algorithm(name),
            lambda: tapwise.Plan(self.x.shape, self.w, algorithm=name),
            lambda: tapwise.algorithm(name).__enter__(),
        ):
            with pytest.raises(ValueError, match=r"algorithm.*auto.*direct") as error:
                call()
            error.match(repr(name)[1:-1])

    def test_a_name_is_a_string(self):
        with pytest.raises(TypeError, match="algorithm"):
            tapwise.conv(self.x, self.w, algorithm=1)
        with pytest.raises(TypeError):
            tapwise.set_algorithm(None)

    def test_auto_and_direct_agree(self):
        auto = tapwise.conv(self.x, self.w, algorithm="auto")
        np.testing.assert_array_equal(tapwise.conv(self.x, self.w, algorithm="direct"), auto)
        with tapwise.algorithm("direct"):
            np.testing.assert_array_equal(tapwise.conv(self.x, self.w), auto)
        tapwise.set_algorithm("direct")
        np.testing.assert_array_equal(tapwise.conv(self.x, self.w), auto)

    def test_the_block_is_for_its_own_thread_and_ends(self):
        with ThreadPoolExecutor(1) as pool, tapwise.algorithm("direct"):
            assert tapwise.get_algorithm() == "direct"
            assert pool.submit(tapwise.get_algorithm).result() == "auto"
        assert tapwise.get_algorithm() == "auto"

    def test_the_environment_sets_the_default(self):
        code = (
            "import numpy as np, tapwise\n"
            "y = tapwise.conv(np.ones((1, 1, 4), np.float32), np.ones((1, 1, 2), np.float32))\n"
            "print(y.tolist())"
        )
        expected = python(code).stdout
        assert python(code, env={"TAPWISE_ALGORITHM": "direct"}).stdout == expected
        done = python(code, env={"TAPWISE_ALGORITHM": "magic"}, check=False)
        assert done.returncode == 1
        message = done.stderr.strip().splitlines()[-1]
        assert "TAPWISE_ALGORITHM" in message and "magic" in message and "direct" in message


class TestCuda:
    def test_what_it_says_where_it_was_not_built(self):
        if tapwise.build_info()["cuda"]:
            pytest.skip("built with CUDA")
        assert tapwise.cuda.is_available() is False
        assert tapwise.cuda.device_count() == 0
        status = tapwise.cuda.status()
        assert isinstance(status, str) and "built" in status

    @pytest.mark.parametrize("name", ["conv", "conv_input_grad", "conv_weight_grad", "conv_transpose"])
    def test_every_call_says_why_it_cannot_run(self, name):
        if tapwise.cuda.is_available():
            pytest.skip("there is a device")
        x, w = np.ones((1, 2, 5), np.float32), np.ones((3, 2, 2), np.float32)
        with pytest.raises(RuntimeError, match=r"(?i)cuda"):
            getattr(tapwise.cuda, name)(x, w)


def command(*arguments):
    done = subprocess.run([sys.executable, "-m", "tapwise", *arguments], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout.strip(), done.stderr


class TestCommandLine:
    def test_version(self):
        assert command("--version") == (0, tapwise.__version__, "")

    def test_includes(self):
        code, folder, _ = command("--includes")
        assert code == 0
        assert (Path(folder.removeprefix("-I")) / "tapwise" / "tapwise.hpp").is_file()

    def test_cmakedir(self):
        code, folder, _ = command("--cmakedir")
        assert code == 0
        assert list(Path(folder).glob("tapwise*onfig.cmake"))

    def test_anything_else_is_explained(self):
        code, _, errors = command("--nonsense")
        assert code != 0 and "usage" in errors
