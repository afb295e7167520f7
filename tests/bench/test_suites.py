"""The suites: every file, against published counts of layers, parameters and multiply-adds."""

from dataclasses import replace
from math import prod

import pytest
from bench import suites
from bench.descriptor import parse
from bench.suites import Layer, SuiteError

CONVOLUTIONS = {
    "convnext_tiny": 1 + 3 + 3 * (3 + 3 + 9 + 3),
    "efficientnet_b0": 1 + 4 + 15 * 5 + 1,
    "mobilenet_v2": 1 + 2 + 16 * 3 + 1,
    "resnet50": 1 + 3 * (3 + 4 + 6 + 3) + 4,
    "resnext101": 1 + 3 * (3 + 4 + 23 + 3) + 4,
    "unet": 23 - 4,  # the paper's 23 less the up-convolutions
    "unet3d": 18 - 3,
    "vgg16": 13,
    "wavenet": 1 + 3 * 30 + 2,
}

# Billions of multiply-adds an image, as torchvision and the papers state them; VGG's dense layers are not in it.
MULTIPLY_ADDS = {
    "convnext_tiny": 4.456,
    "efficientnet_b0": 0.39,
    "mobilenet_v2": 0.30,
    "resnet50": 4.09,
    "resnext101": 16.41,
    "vgg16": 15.35,
}

IMAGE_SUITES = [*MULTIPLY_ADDS, "unet", "unet3d"]


def macs(layer: Layer) -> int:
    """Multiply-adds of one layer on one image."""
    return prod(layer.problem.dst) * prod(layer.problem.weight_shape)


def weights(layers: list[Layer]) -> int:
    return sum(layer.count * prod(layer.problem.weight_shape) for layer in layers)


def outputs(layers: list[Layer]) -> int:
    """Output channels of all layers: as many biases, half as many parameters as batch normalisation has."""
    return sum(layer.count * layer.problem.out_channels for layer in layers)


def by_name(suite: str) -> dict[str, Layer]:
    return {layer.problem.name: layer for layer in suites.load(suite)}


def test_core_comes_first_and_the_others_by_name():
    first, *others = suites.names()
    assert first == "core"
    assert others == sorted(others)
    assert {*CONVOLUTIONS, "direct", "seed", "whisper", "long_filters", "float64", "tiny"} == set(others)


@pytest.mark.parametrize("suite", suites.names())
def test_layers_have_unique_names_and_shapes(suite):
    layers = suites.load(suite)
    problems = [layer.problem for layer in layers]
    assert problems
    assert all(layer.suite == suite and layer.count >= 1 for layer in layers)
    assert all(p.name.startswith(f"{suite}:") for p in problems)
    assert len({p.name for p in problems}) == len(problems)
    assert len({replace(p, name="") for p in problems}) == len(problems)
    assert all(parse(str(p)) == p for p in problems)


@pytest.mark.parametrize("suite", suites.names())
def test_the_head_names_source_input_and_batch(suite):
    text = suites.source(suite)
    assert "#" not in text
    assert "batch" in text.lower()
    if suite in CONVOLUTIONS:
        assert "arXiv:" in text
        assert f" {CONVOLUTIONS[suite]} " in f" {text} ".replace("\n", " ")


@pytest.mark.parametrize("suite, expected", CONVOLUTIONS.items())
def test_counts_sum_to_the_convolutions_of_the_network(suite, expected):
    assert sum(layer.count for layer in suites.load(suite)) == expected


@pytest.mark.parametrize("suite, expected", MULTIPLY_ADDS.items())
def test_multiply_adds_are_the_published_ones(suite, expected):
    assert sum(layer.count * macs(layer) for layer in suites.load(suite)) == pytest.approx(expected * 1e9, rel=0.02)


def classifier(features: int) -> int:
    return (features + 1) * 1000


@pytest.mark.parametrize(
    "suite, published",
    [("resnet50", 25557032), ("resnext101", 88791336), ("mobilenet_v2", 3504872)],
)
def test_parameters_of_networks_with_batch_normalisation(suite, published):
    # torchvision's figures. A scale and an offset for every output channel of every convolution, then the classifier.
    layers = suites.load(suite)
    features = 1280 if suite == "mobilenet_v2" else 2048
    assert weights(layers) + 2 * outputs(layers) + classifier(features) == published


def test_parameters_of_efficientnet_b0():
    layers = suites.load("efficientnet_b0")
    # Squeeze and excitation have biases, all others batch normalisation.
    squeezed = [layer for layer in layers if layer.problem.src == (1, 1)]
    parameters = weights(layers) + 2 * outputs(layers) - outputs(squeezed) + classifier(1280)
    assert parameters == 5288548
    assert sum(layer.count for layer in squeezed) == 2 * 16


def test_parameters_of_vgg16():
    layers = suites.load("vgg16")
    dense = (512 * 7 * 7 + 1) * 4096 + (4096 + 1) * 4096 + classifier(4096)
    assert weights(layers) + outputs(layers) + dense == 138357544


def test_parameters_of_convnext_tiny():
    layers = suites.load("convnext_tiny")
    depthwise = [layer for layer in layers if layer.problem.depthwise]
    # A layer norm and a layer scale in each block; layer norms after the stem, before each downsampling, at the end.
    norms = 3 * outputs(depthwise) + 2 * (96 + 96 + 192 + 384 + 768)
    assert weights(layers) + outputs(layers) + norms + classifier(768) == 28589128


def test_parameters_of_the_3d_unet():
    # The paper's figure, which has the biases of these layers and the weights of the up-convolutions.
    layers = suites.load("unet3d")
    up = 2**3 * (512**2 + 256**2 + 128**2)
    assert weights(layers) + outputs(layers) + up == 19069955


@pytest.mark.parametrize("suite", IMAGE_SUITES)
def test_every_layer_reads_what_another_writes(suite):
    problems = [layer.problem for layer in suites.load(suite)]
    written = {(p.out_channels, p.dst) for p in problems}
    image = (problems[0].in_channels, problems[0].src)
    for p in problems:
        candidates = {(p.in_channels, p.src)}
        # Pooled by 2, or over the whole image.
        candidates |= {(p.in_channels, tuple(2 * n + odd for n in p.src)) for odd in (0, 1)}
        whole = p.src == (1, 1) and any(channels == p.in_channels for channels, _ in written)
        # A U-Net's concatenation: an up-convolution doubles the size; in 2-D it halves the channels, in 3-D not.
        below = {2: p.in_channels, 3: p.in_channels * 2 // 3}[p.rank]
        joined = "unet" in suite and (below, tuple(n // 2 for n in p.src)) in written
        assert (p.in_channels, p.src) == image or candidates & written or whole or joined, p


@pytest.mark.parametrize("suite", MULTIPLY_ADDS)
def test_classifiers_start_at_224x224_and_run_at_batch_8(suite):
    problems = [layer.problem for layer in suites.load(suite)]
    assert problems[0].src_shape == (8, 3, 224, 224)
    assert all(p.batch == 8 for p in problems)
    assert problems[-1].dst == ((14, 14) if suite == "vgg16" else (7, 7))


def test_unets_end_in_the_sizes_of_their_papers():
    assert by_name("unet")["unet:last"].problem.dst_shape == (1, 2, 388, 388)
    assert by_name("unet3d")["unet3d:last"].problem.dst_shape == (1, 3, 28, 44, 44)
    assert all(pad == (0, 0) for suite in ("unet", "unet3d") for x in suites.load(suite) for pad in x.problem.pad)


def test_wavenet_is_causal():
    dilated = []
    for layer in suites.load("wavenet"):
        p = layer.problem
        assert p.pad == ((p.dilation[0] * (p.kernel[0] - 1), 0),)
        assert p.dst == p.src
        if p.out_channels == 128:
            dilated += p.dilation * layer.count
    assert sorted(dilated) == sorted([2**e for e in range(10)] * 3)


def test_whisper_has_two_convolutions_per_encoder():
    rows = by_name("whisper")
    for model, mels, width in (("tiny", 80, 384), ("large", 80, 1280)):
        first, second = (rows[f"whisper:{model}.conv{i}"].problem for i in (1, 2))
        assert first.src_shape == (1, mels, 3000)
        assert first.dst_shape == second.src_shape == (1, width, 3000)
        assert second.dst_shape == (1, width, 1500)
    assert rows["whisper:large-v3.conv1"].problem.src_shape == (1, 128, 3000)
    assert rows["whisper:large-v3.conv1"].problem.dst_shape == rows["whisper:large.conv2"].problem.src_shape


def test_long_filters_are_one_channel_of_401_to_65536_taps():
    problems = [layer.problem for layer in suites.load("long_filters")]
    assert all(p.rank == p.batch == p.in_channels == p.out_channels == 1 for p in problems)
    taps = {p.kernel[0] for p in problems}
    assert min(taps) == 401 and max(taps) == 65536
    assert {p.src for p in problems} == {(480000,), (2**20,)}


def test_seed_states_the_shapes_of_the_texts():
    rows = {name.removeprefix("seed:"): layer.problem for name, layer in by_name("seed").items()}
    assert rows["lenet_5x5"].src_shape[1:] == (3, 32, 32)
    assert prod(rows["lenet_5x5"].weight_shape) == 2400
    assert rows["alexnet_11x11"].dst_shape[1:] == (96, 55, 55)
    assert prod(rows["alexnet_11x11"].weight_shape) == 34848
    assert rows["cs231n_5x5"].src_shape[1:] == (4, 11, 11)
    assert rows["cs231n_5x5"].dst_shape[1:] == (2, 4, 4)
    assert prod(rows["two_3x3x3"].weight_shape) == 54
    assert [rows[name].dst_shape[1:] for name in ("full", "valid", "dot_product", "two_filters")] == [
        (1, 6),
        (1, 2),
        (1, 1),
        (2, 2),
    ]


def test_tiny_problems_are_tiny():
    for layer in suites.load("tiny"):
        assert layer.problem.batch == 1
        assert macs(layer) <= 250_000
        assert all(n <= 32 for n in layer.problem.src) or layer.problem.rank == 1


def test_core_is_small_and_shows_what_it_should():
    layers = suites.load("core")
    problems = [layer.problem for layer in layers]
    for layer in layers:
        p = layer.problem
        assert 2 * p.batch * macs(layer) <= 4e9, p
        assert 4 * sum(map(prod, (p.src_shape, p.weight_shape, p.dst_shape))) <= 40e6, p
    kinds = {(p.kernel, p.stride, p.dilation) for p in problems if p.rank == 2 and p.groups == 1}
    for kernel, stride, dilation in ((3, 2, 1), (1, 2, 1), (3, 1, 2), (3, 1, 4)):
        assert ((kernel,) * 2, (stride,) * 2, (dilation,) * 2) in kinds
    dense = [p for p in problems if p.stride == p.dilation == (1, 1) and p.groups == 1 and p.in_channels > 3]
    threes = {p.in_channels: p.src[0] for p in dense if p.kernel == (3, 3) and p.batch == 8}
    assert threes == {64: 56, 128: 28, 256: 14, 512: 7}
    assert any(p.kernel == (3, 3) and p.src == (224, 224) for p in dense)
    ones = [p for p in dense if p.kernel == (1, 1)]
    assert {(p.src[0], p.out_channels > p.in_channels) for p in ones} == {(56, 1), (56, 0), (14, 0), (7, 1)}
    assert {p.in_channels for p in ones} | {p.out_channels for p in ones} >= {64, 256, 512, 1024, 2048}
    firsts = {(p.kernel[0], p.stride[0]) for p in problems if p.in_channels == 3}
    assert firsts == {(7, 2), (11, 4), (5, 1), (3, 2)}
    assert {(p.kernel[0], p.stride[0]) for p in problems if p.depthwise} == {(3, 1), (3, 2), (7, 1)}
    assert {p.groups for p in problems if not p.depthwise} == {1, 32}
    assert {p.rank for p in problems} == {1, 2, 3}


@pytest.mark.parametrize(
    "core, suite",
    [
        ("3x3_64_at_56", "resnet50:conv2_x.3x3"),
        ("3x3_512_at_7", "resnet50:conv5_x.3x3"),
        ("3x3_64_at_224", "vgg16:conv1_2"),
        ("1x1_1024_to_256_at_14", "resnet50:conv4_x.reduce"),
        ("1x1_512_to_2048_at_7", "resnet50:conv5_x.expand"),
        ("3x3s2_128_at_56", "resnet50:conv3_x.first_3x3"),
        ("1x1s2_256_to_512_at_56", "resnet50:conv3_x.shortcut"),
        ("first_7x7s2", "resnet50:conv1"),
        ("first_11x11s4", "seed:alexnet_11x11"),
        ("first_5x5", "seed:lenet_5x5"),
        ("first_3x3s2", "mobilenet_v2:stem"),
        ("depthwise_3x3_144_at_56", "mobilenet_v2:block2.depthwise"),
        ("depthwise_3x3s2_144_at_56", "mobilenet_v2:block3.first_depthwise"),
        ("depthwise_7x7_192_at_28", "convnext_tiny:stage2.depthwise"),
        ("3x3_32_groups_512_at_28", "resnext101:conv3_x.3x3"),
        ("3x3x3_256_unet3d", "unet3d:down4a"),
        ("1d_dilation64_wavenet", "wavenet:dilation64"),
        ("1d_80_to_1280_whisper", "whisper:large.conv1"),
        ("1d_401_taps", "long_filters:401_taps_480000"),
        ("tiny_3x3_16_at_7", "tiny:3x3_16_at_7"),
    ],
)
def test_core_rows_are_rows_of_the_other_suites(core, suite):
    row = by_name("core")[f"core:{core}"].problem
    other = by_name(suite.partition(":")[0])[suite].problem
    assert str(other.with_batch(row.batch)).partition('n"')[0] == str(row).partition('n"')[0]


@pytest.fixture
def shapes(tmp_path, monkeypatch):
    monkeypatch.setattr(suites, "_SHAPES", tmp_path)
    return tmp_path


def test_an_unknown_suite_lists_all_and_proposes_the_closest():
    with pytest.raises(SuiteError, match="did you mean 'resnet50'") as caught:
        suites.load("resnet5O")
    assert all(name in str(caught.value) for name in suites.names())
    with pytest.raises(SuiteError, match="did you mean 'vgg16'"):
        suites.source("VGG16")
    with pytest.raises(SuiteError, match=r"no suite 'qqqq'\. There are: core, "):
        suites.load("qqqq")
    with pytest.raises(SuiteError):
        suites.load("../shapes/core")


def test_comments_counts_and_blank_lines(shapes):
    text = '# Ours.\n#   At 8.\n\n# no\nmb1_ic1iw8oc1kw3n"a"  # one\n \nic1iw9oc1kw3n"b" * 12\n'
    (shapes / "mine.txt").write_text(text)
    a, b = suites.load("mine")
    assert (a.count, a.problem.name, a.suite) == (1, "a", "mine")
    assert (b.count, b.problem.name, b.problem.src) == (12, "b", (9,))
    assert suites.source("mine") == "Ours.\nAt 8."
    assert suites.names() == ["mine"]


def test_a_malformed_descriptor_is_shown_with_its_place(shapes):
    (shapes / "mine.txt").write_text('# Ours.\nic1iw8oc1kw3n"a"\nic1iw8xx1kw3n"b"*2  # wrong\n')
    with pytest.raises(SuiteError) as caught:
        suites.load("mine")
    where, text, caret = str(caught.value).splitlines()
    assert where.startswith(str(shapes / "mine.txt") + ":3:")
    assert text == 'ic1iw8xx1kw3n"b"'
    assert caret.index("^") == text.index("xx")


@pytest.mark.parametrize("count", ["*0", "*", "*-1", "*x", "*2*3", "*1.5", "*²", "*٣"])
def test_a_malformed_count_is_shown_with_its_place(shapes, count):
    (shapes / "mine.txt").write_text(f'ic1iw8oc1kw3n"a"{count}\n', encoding="utf-8")
    with pytest.raises(SuiteError, match=r"mine\.txt:1: .*is no count"):
        suites.load("mine")
