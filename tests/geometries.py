"""The convolution problems that the tests walk: every tail, edge and special case by name."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    name: str
    x: tuple  # (N, C, *spatial)
    w: tuple  # (O, C / groups, *kernel)
    options: dict = field(default_factory=dict, hash=False)

    @property
    def rank(self):
        return len(self.x) - 2

    def __str__(self):
        return self.name


def case(name, batch, channels, filters, spatial, kernel, groups=1, **options):
    options = options | ({"groups": groups} if groups != 1 else {})
    return Case(name, (batch, channels, *spatial), (filters, channels // groups, *kernel), options)


CHANNELS = (1, 3, 5, 15, 16, 17, 31, 33, 64, 70)
WIDTHS = (1, 2, 7, 13, 14, 15, 16, 17, 29, 56)

CHANNEL_TAILS = [
    case(f"channels-{c}-to-{o}", 1, c, o, (5, 7), (3, 3), padding=1)
    for c, o in zip(CHANNELS, CHANNELS[3:] + CHANNELS[:3], strict=True)
] + [case(f"filters-{o}", 2, 4, o, (4, 9), (2, 3)) for o in CHANNELS]

WIDTH_TAILS = [case(f"width-{n}", 1, 3, 17, (3, n), (3, 3), padding=1) for n in WIDTHS] + [
    case(f"width-{n}-stride-2", 2, 5, 6, (2, n), (1, 3), stride=(1, 2), padding=(0, 1)) for n in WIDTHS
]

PLAIN = [
    case("textbook", 2, 3, 32, (32, 32), (5, 5)),
    case("middle-layer", 1, 64, 64, (56, 56), (3, 3), padding=1),
    case("batch-of-8", 8, 16, 24, (12, 12), (3, 3), padding=1),
    case("late-layer", 2, 70, 130, (7, 7), (3, 3), padding=1),
    case("stem-7x7-stride-2", 1, 3, 64, (37, 41), (7, 7), stride=2, padding=3),
    case("stem-11x11-stride-4", 1, 3, 19, (59, 51), (11, 11), stride=4),
    case("one-output", 2, 5, 7, (4, 3), (4, 3)),
    case("one-point", 1, 1, 1, (1, 1), (1, 1)),
    case("1x1", 2, 33, 40, (9, 11), (1, 1)),
    case("1x1-wide", 1, 64, 128, (28, 28), (1, 1)),
    case("1x1-stride-2", 2, 20, 33, (9, 14), (1, 1), stride=2),
    case("1x1-padded", 1, 6, 7, (5, 4), (1, 1), padding=2),
    case("column-kernel", 1, 4, 9, (12, 5), (7, 1), padding=(3, 0)),
    case("row-kernel", 1, 4, 9, (5, 12), (1, 7), padding=(0, 3)),
    case("one-row", 2, 3, 8, (1, 23), (1, 4)),
    case("one-column", 2, 3, 8, (23, 1), (4, 1)),
]

EDGES = [
    case("kernel-larger-than-input", 2, 3, 5, (2, 3), (5, 6), padding=(2, 3)),
    case("one-pixel-3x3", 2, 16, 17, (1, 1), (3, 3), padding=1),
    case("padding-asymmetric", 1, 5, 6, (6, 7), (3, 4), padding=((2, 0), (1, 3))),
    case("padding-low-only", 1, 2, 3, (5, 6), (3, 3), padding=((2, 0), (2, 0))),
    case("padding-large", 1, 3, 4, (3, 4), (2, 3), padding=9),
    case("padding-large-stride", 1, 3, 4, (3, 4), (2, 3), padding=9, stride=(4, 5)),
    case("padding-beyond-kernel", 1, 2, 18, (2, 20), (1, 1), padding=(3, 17)),
    case("stride-over-kernel", 2, 6, 9, (17, 19), (2, 3), stride=(5, 4)),
    case("stride-mixed", 1, 6, 9, (12, 13), (3, 3), stride=(1, 3), padding=1),
    case("stride-2-even", 1, 9, 18, (14, 14), (3, 3), stride=2, padding=1),
    case("stride-2-rows-unseen", 1, 4, 5, (8, 8), (3, 3), stride=2),
    case("stride-3-unseen-tail", 1, 4, 5, (12, 11), (2, 2), stride=3),
    case("dilation-2", 1, 8, 16, (15, 17), (3, 3), dilation=2, padding=2),
    case("dilation-mixed", 2, 5, 6, (16, 14), (3, 2), dilation=(4, 3), padding=(1, 2)),
    case("dilation-and-stride", 1, 5, 6, (21, 20), (3, 3), dilation=2, stride=3, padding=2),
    case("dilation-equals-stride", 1, 5, 6, (16, 15), (3, 3), dilation=2, stride=2, padding=1),
    case("dilation-over-input", 1, 3, 4, (5, 6), (3, 2), dilation=5, padding=5),
    case("same", 1, 3, 5, (7, 8), (4, 3), padding="same"),
    case("same-stride", 1, 3, 5, (7, 8), (4, 3), padding="same", stride=(3, 2)),
    case("same-lower", 1, 3, 5, (7, 8), (4, 6), padding="same_lower", stride=2),
    case("same-stride-over-kernel", 1, 3, 5, (11, 12), (1, 2), padding="same", stride=5),
    case("full", 1, 3, 5, (4, 3), (3, 5), padding="full", dilation=(1, 2)),
    case("flip", 1, 6, 7, (8, 9), (3, 4), padding=1, flip=True),
    case("flip-strided", 1, 6, 8, (8, 9), (3, 2), padding=1, stride=2, groups=2, flip=True),
]

GROUPS = [
    case("groups-2", 1, 34, 66, (8, 9), (3, 3), groups=2, padding=1),
    case("groups-of-4", 1, 32, 32, (14, 15), (3, 3), groups=8, padding=1),
    case("groups-odd", 2, 9, 15, (7, 6), (2, 3), groups=3, stride=2),
    case("groups-1x1", 1, 24, 36, (6, 7), (1, 1), groups=4),
    case("groups-dilated", 1, 6, 4, (9, 9), (3, 3), groups=2, dilation=2, padding=2),
    case("depthwise", 1, 37, 37, (9, 18), (3, 3), groups=37, padding=1),
    case("depthwise-stride-2", 2, 16, 16, (14, 15), (3, 3), groups=16, padding=1, stride=2),
    case("depthwise-7x7", 1, 19, 19, (14, 14), (7, 7), groups=19, padding=3),
    case("depthwise-dilated", 1, 8, 8, (12, 11), (3, 3), groups=8, dilation=3, padding=3),
    case("depthwise-multiplier", 1, 7, 21, (8, 9), (3, 3), groups=7, padding=1),
    case("depthwise-multiplier-17", 1, 3, 51, (6, 5), (2, 2), groups=3),
]

OTHER_RANKS = [
    case("1d", 3, 5, 7, (29,), (4,)),
    case("1d-401-taps", 1, 1, 1, (1500,), (401,)),
    case("1d-401-taps-same", 2, 1, 1, (300,), (401,), padding="same"),
    case("1d-causal", 2, 6, 8, (30,), (3,), padding="causal", dilation=4),
    case("1d-stride", 2, 17, 18, (50,), (5,), stride=3, padding=((1, 2),)),
    case("1d-depthwise", 1, 40, 40, (33,), (4,), groups=40, padding=((3, 0),)),
    case("1d-wide", 1, 20, 30, (700,), (9,), padding=4),
    case("3d", 1, 3, 5, (6, 7, 8), (3, 3, 3), padding=1),
    case("3d-channels", 1, 17, 33, (4, 5, 6), (2, 3, 3)),
    case("3d-stride", 2, 4, 5, (5, 8, 7), (3, 2, 3), stride=(1, 2, 3), padding=(1, 0, 2)),
    case("3d-dilated-groups", 1, 4, 6, (7, 6, 8), (2, 2, 3), dilation=(3, 1, 2), groups=2),
    case("3d-depthwise", 1, 9, 9, (4, 5, 16), (3, 3, 3), groups=9, padding=1),
    case("3d-asymmetric", 1, 2, 3, (2, 3, 4), (3, 3, 3), padding=((2, 1), (0, 2), (3, 0))),
    case("3d-1x1", 1, 8, 16, (3, 4, 5), (1, 1, 1)),
]

# What makes the planner take each of its ways; explain() names them.
WAYS = [
    case("weights-outweigh-images", 2, 40, 520, (7, 7), (3, 3), padding=1),
    case("pixels-4-kib-apart", 1, 1024, 40, (2, 15), (1, 1)),
    case("pixels-4-kib-apart-padded", 1, 1024, 18, (3, 16), (3, 3), padding=1),
    case("planes-4-kib-apart", 1, 80, 20, (32, 32), (3, 3), padding=1),
    case("pixels-in-lanes-1x1", 1, 17, 250, (14, 29), (1, 1)),
    case("small-images", 9, 33, 34, (7, 7), (3, 3), padding=1),
    case("small-images-strided", 9, 20, 40, (7, 6), (3, 3), stride=2, padding=1),
    case("phases-some-unseen", 2, 20, 40, (11, 21), (2, 2), stride=3, padding=(1, 0)),
    case("phases-short-rows", 1, 20, 40, (30, 5), (3, 3), stride=2, padding=1),
    case("first-5x5", 2, 3, 20, (19, 37), (5, 5), padding=2),
    case("first-1-channel", 1, 1, 17, (13, 50), (3, 3), padding=1),
    case("first-3x3-stride-2", 2, 3, 32, (17, 34), (3, 3), stride=2, padding=1),
    case("first-stride-3-asymmetric", 1, 2, 18, (16, 70), (4, 5), stride=3, padding=((3, 1), (0, 6))),
    case("first-stride-over-kernel", 1, 3, 16, (9, 80), (2, 1), stride=(2, 4)),
    case("first-padded-beyond-kernel", 1, 4, 16, (6, 33), (3, 2), stride=(1, 2), padding=(5, 7)),
    case("first-of-groups", 1, 6, 34, (12, 33), (3, 3), stride=2, groups=2, flip=True),
    case("first-3d", 1, 2, 16, (4, 6, 40), (2, 3, 3), stride=(1, 2, 2), padding=1),
    case("stride-4-of-planes", 1, 3, 5, (9, 150), (3, 5), stride=(1, 4)),
]

CASES = CHANNEL_TAILS + WIDTH_TAILS + PLAIN + EDGES + GROUPS + OTHER_RANKS + WAYS

# A handful that meets each kind of kernel once, for tests that repeat the whole set many times.
COMPACT = [
    c
    for c in CASES
    if c.name
    in {
        "channels-17-to-64",
        "filters-33",
        "width-29",
        "stem-7x7-stride-2",
        "1x1",
        "1x1-stride-2",
        "kernel-larger-than-input",
        "padding-asymmetric",
        "stride-over-kernel",
        "stride-2-even",
        "dilation-and-stride",
        "flip-strided",
        "groups-of-4",
        "depthwise",
        "depthwise-multiplier",
        "1d-401-taps",
        "1d-stride",
        "3d",
        "3d-stride",
        "weights-outweigh-images",
        "small-images",
        "phases-some-unseen",
        "first-3x3-stride-2",
    }
]
