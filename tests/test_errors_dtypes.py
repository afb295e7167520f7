"""Dtypes that are not taken, and the advice that suits each."""

import numpy as np
import pytest
from refusal import refused

import tapwise

SHAPE = (1, 3, 8, 9)
X, W, B = np.ones(SHAPE, np.float32), np.ones((4, 3, 3, 3), np.float32), np.ones(4, np.float32)
INTEGERS = r"x.astype\(numpy.float32\) holds integers exactly up to 2\*\*24, x.astype\(numpy.float64\) up to 2\*\*53"
EXACT = r"x.astype\(numpy.float32\) is exact"
SWAPPED = r'x.astype\(x.dtype.newbyteorder\("="\)\)'
APART = r"\(x.real, x.imag\), or call tapwise.convolve, which takes complex numbers"

ADVICE = [
    (">f4", SWAPPED),
    (">f8", SWAPPED),
    ("int64", INTEGERS),
    (">i4", INTEGERS),
    ("uint8", INTEGERS),
    ("bool", INTEGERS),
    ("complex64", APART),
    ("complex128", APART),
    ("float16", EXACT),
    (">f2", EXACT),
    ("object", "Python objects; if all are numbers, x.astype.*float64.* rounds"),
    ("<U3", "text"),
    ("|S2", "text"),
    (r"datetime64[s]", "times"),
    ("|V4", "bytes of unknown meaning"),
]


@pytest.mark.parametrize("dtype, advice", ADVICE, ids=[dtype for dtype, _ in ADVICE])
def test_advice_for_operands(dtype, advice):
    bad = np.zeros(SHAPE, dtype)
    message = refused(TypeError, lambda: tapwise.conv(bad, W), f"^x must be float32 or float64, got .*{advice}")
    assert f"got {dtype}" in message
    for name, call in {
        "weight": lambda: tapwise.conv(X, np.zeros(W.shape, dtype)),
        "bias": lambda: tapwise.conv(X, W, np.zeros(4, dtype)),
        "grad": lambda: tapwise.conv_bias_grad(bad),
    }.items():
        assert refused(TypeError, call) == message.replace("x must", f"{name} must").replace("x.", f"{name}.")
    refused(
        TypeError,
        lambda: tapwise.conv(X, W, out=np.zeros((1, 4, 6, 7), dtype)),
        "^out must have the dtype of x, float32, got",
    )


@pytest.mark.skipif(np.dtype("g").itemsize == 8, reason="long double is double here")
def test_long_doubles_lose_digits():
    refused(TypeError, lambda: tapwise.conv(X.astype("g"), W), r"x.astype\(numpy.float64\) loses the digits")


def test_fields_and_extensions():
    refused(TypeError, lambda: tapwise.conv(np.zeros(SHAPE, [("a", "f4")]), W), "pass one field")
    extensions = pytest.importorskip("ml_dtypes")
    refused(TypeError, lambda: tapwise.conv(X.astype(extensions.bfloat16), W), "got bfloat16", EXACT)
    refused(TypeError, lambda: tapwise.conv(X.astype(extensions.float8_e4m3fn), W), "got float8_e4m3fn", EXACT)
    refused(TypeError, lambda: tapwise.conv(X.astype(extensions.int4), W), "got int4", INTEGERS)


@pytest.mark.parametrize(
    "dtype, advice",
    [
        (">f4", r'native byte order, dtype.newbyteorder\("="\)'),
        ("int64", r"float32 holds integers exactly up to 2\*\*24, float64 up to 2\*\*53"),
        ("complex64", "real and the imaginary part are convolved separately"),
        ("float16", "float32 holds its numbers exactly"),
        (object, "got object"),
        (None, "got None"),
        ("nonsense", "got str 'nonsense'"),
        (3.5, "got float 3.5"),
    ],
)
def test_advice_for_dtype_arguments(dtype, advice):
    refused(
        TypeError, lambda: tapwise.explain(SHAPE, W.shape, dtype=dtype), f"^dtype must be float32 or float64.*{advice}"
    )


def test_mixed_dtypes_name_the_cast_that_is_exact():
    refused(
        TypeError,
        lambda: tapwise.conv(X.astype(float), W),
        r"weight must have the dtype of x, float64, got float32; .* weight.astype\(numpy.float64\) is exact$",
    )
    refused(
        TypeError,
        lambda: tapwise.conv(X, W, B.astype(float)),
        r"bias .* x.astype\(numpy.float64\) is exact, bias.astype\(numpy.float32\) rounds$",
    )


@pytest.mark.parametrize(
    "dtype, advice",
    [
        ("bfloat16", r"torch.bfloat16; nothing is cast silently, x.float\(\) is exact"),
        ("float16", r"x.float\(\) is exact"),
        ("float8_e5m2", r"x.float\(\) is exact"),
        ("int64", r"x.float\(\) holds integers exactly up to 2\*\*24, x.double\(\) up to 2\*\*53"),
        ("bool", r"x.float\(\) holds integers"),
        ("complex64", r"x.real, x.imag"),
    ],
)
def test_advice_for_tensors(dtype, advice):
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(X).to(getattr(torch, dtype))
    refused(TypeError, lambda: tapwise.conv(tensor, W), "^x must be float32 or float64, got", advice)


def test_exporters_that_cannot_cast_are_named_with_what_can():
    class Exporter:
        def __dlpack__(self, **options):
            return X.astype(np.float16).__dlpack__(**options)

        def __dlpack_device__(self):
            return (1, 0)

    refused(TypeError, lambda: tapwise.conv(Exporter(), W), r"numpy.from_dlpack\(x\).astype\(numpy.float32\) is exact")
