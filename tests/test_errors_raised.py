"""What an argument's own methods raise: interrupts pass, errors become the cause of one that names the argument."""

import numpy as np
import pytest
from refusal import refused

import tapwise

X, W = np.ones((1, 3, 8, 9), np.float32), np.ones((4, 3, 3, 3), np.float32)


class Raising:
    """Every hook that is asked of it raises; those before it answer."""

    def __init__(self, error, *names):
        self.error, self.names = error, names

    def answer(self, name, value):
        if name in self.names:
            raise self.error
        return value


class Index(Raising):
    def __index__(self):
        return self.answer("index", 1)

    def __repr__(self):
        return self.answer("repr", "it")


class Shown(Raising):
    def __repr__(self):
        return self.answer("repr", "it")


class Sequence(Raising):
    def __len__(self):
        return self.answer("len", 2)

    def __getitem__(self, i):
        return self.answer("getitem", 1)


class Exporter(Raising):
    def __dlpack_device__(self):
        return self.answer("device", X.__dlpack_device__())

    def __dlpack__(self, **options):
        return self.answer("dlpack", X.__dlpack__(**options))


class Interface(Raising):
    @property
    def __array_interface__(self):
        return self.answer("interface", X.__array_interface__)


class Lazy(Exporter):
    def is_neg(self):
        return self.answer("is_neg", False)


# name -> the argument that raises, the call, and the argument's name
HOOKS = {
    "index": (lambda e: Index(e, "index"), lambda a: tapwise.conv(X, W, stride=a), "stride"),
    "index-of-a-size": (
        lambda e: Index(e, "index"),
        lambda a: tapwise.conv_output_shape((1, 3, 8, a), W.shape),
        "x_shape",
    ),
    "len": (lambda e: Sequence(e, "len"), lambda a: tapwise.conv(X, W, dilation=a), "dilation"),
    "getitem": (lambda e: Sequence(e, "getitem"), lambda a: tapwise.conv(X, W, padding=a), "padding"),
    "getitem-of-a-pair": (lambda e: Sequence(e, "getitem"), lambda a: tapwise.conv(X, W, padding=(1, a)), "padding"),
    "getitem-of-a-shape": (
        lambda e: Sequence(e, "getitem"),
        lambda a: tapwise.conv_output_shape(a, W.shape),
        "x_shape",
    ),
    "dlpack": (lambda e: Exporter(e, "dlpack"), lambda a: tapwise.conv(a, W), "x"),
    "dlpack-device": (lambda e: Exporter(e, "device"), lambda a: tapwise.conv(a, W), "x"),
    "interface": (lambda e: Interface(e, "interface"), lambda a: tapwise.conv(X, a), "weight"),
    "interface-of-out": (lambda e: Interface(e, "interface"), lambda a: tapwise.conv(X, W, out=a), "out"),
    "lazy-bit": (lambda e: Lazy(e, "is_neg"), lambda a: tapwise.conv(a, W), "x"),
}
REPR = {
    "alone": (Shown, lambda a: tapwise.conv(X, W, stride=a)),
    "of-a-name": (Shown, lambda a: tapwise.conv(X, W, layout=a)),
    "of-an-operand": (Shown, lambda a: tapwise.conv(a, W)),
    "of-a-bool": (Shown, lambda a: tapwise.conv(X, W, flip=a)),
}


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError])
@pytest.mark.parametrize("hook", HOOKS)
def test_what_is_no_error_of_an_argument_passes(hook, kind):
    raising, call, _ = HOOKS[hook]
    error = kind("stop")
    with pytest.raises(kind) as caught:
        call(raising(error))
    assert caught.value is error


@pytest.mark.parametrize("kind", [ZeroDivisionError, TypeError, IndexError, BufferError])
@pytest.mark.parametrize("hook", HOOKS)
def test_errors_become_the_cause(hook, kind):
    raising, call, name = HOOKS[hook]
    error = kind("first\nsecond")
    with pytest.raises(TypeError, match=rf"\b{name}\b") as caught:
        call(raising(error))
    assert caught.value.__cause__ is error or caught.value.__cause__.__cause__ is error
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("hook", REPR)
def test_a_repr_that_raises_is_left_out(hook):
    make, call = REPR[hook]
    with pytest.raises(KeyboardInterrupt):
        call(make(KeyboardInterrupt(), "repr"))
    message = refused(TypeError, lambda: call(make(ZeroDivisionError(), "repr")), "got Shown")
    assert "it" not in message.split("got Shown")[1]


def test_an_attribute_that_is_missing_is_no_error():
    """Objects may answer any attribute, or none, by raising AttributeError."""
    refused(TypeError, lambda: tapwise.conv(Interface(AttributeError(), "interface"), W), "x must be a NumPy array")


@pytest.mark.parametrize("shown", ["\ud800", "a\nb", "a\0b"], ids=["surrogate", "newline", "null"])
def test_any_text_can_be_shown(shown):
    class Text:
        def __repr__(self):
            return shown

    escaped = {"\ud800": r"\\ud800", "a\nb": r"a\\x0ab", "a\0b": r"a\\x00b"}[shown]
    refused(TypeError, lambda: tapwise.conv(X, W, stride=Text()), rf"stride must be an int, got Text {escaped}")
    refused(ValueError, lambda: tapwise.conv(X, W, layout=shown), rf'"NHWC", .*got "{escaped}"')
    refused(ValueError, lambda: tapwise.conv(X, W, padding=shown), rf'"same", .*got "{escaped}"')
    refused(ValueError, lambda: tapwise.conv(X, W, activation=shown), rf'"relu", got "{escaped}"')
    refused(ValueError, lambda: tapwise.conv(X, W, algorithm=shown), rf'"direct", got "{escaped}"')
    refused(ValueError, lambda: tapwise.explain(X.shape, W.shape, direction=shown), rf'"forward", .*got "{escaped}"')
    if "\0" not in shown:
        records = np.zeros(X.shape, [(shown, "f4")])
        refused(TypeError, lambda: tapwise.conv(records, W), "one field")
    refused(TypeError, lambda: tapwise.conv(Exporter(BufferError(shown), "dlpack"), W), "x: __dlpack__ of Exporter")


def test_numbers_too_long_to_print():
    refused(ValueError, lambda: tapwise.conv(X, W, stride=10**5000), "stride must fit into 64 bits, got int$")
