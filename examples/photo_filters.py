"""A few classic image filters on a photograph, each of them one call of a convolution.

    pip install ".[examples]" && python examples/photo_filters.py

A filter slides a small kernel of weights over the picture and writes, at each position, the sum
of the products of weights and pixels. Networks learn their weights; people chose these. Only
positions where the whole kernel fits are computed (padding=0), so results are a little smaller.
The photograph, a pavilion of the Summer Palace in Beijing, ships with scikit-learn (by
danielbuechele, CC BY 2.0).
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_sample_image

from tapwise import conv2d

# Sobel: the slope of the brightness from left to right, smoothed from top to bottom.
SOBEL_X = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
SOBEL_Y = SOBEL_X.T

# Blur: the average of a 9x9 window.
BLUR = np.full((9, 9), 1 / 81)

# Sharpen: the pixel, plus its difference from its four neighbours. The weights sum to one, so
# that flat regions stay as they are.
SHARPEN = np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]])

# Emboss: the pixel, plus the slope towards the lower right. Convolution turns a kernel by 180
# degrees before it correlates, and this one is not symmetric: the slope changes sign.
EMBOSS = np.array([[-1, -1, 0], [-1, 1, 1], [0, 1, 1]])


def filter_gray(image: np.ndarray, kernel: np.ndarray, *, flip: bool = False) -> np.ndarray:
    """Filter an image (H, W): one input channel, one filter, no batch."""
    weight = kernel.astype(image.dtype)[np.newaxis, np.newaxis]  # (1 output, 1 input, kh, kw)
    return conv2d(image[np.newaxis], weight, layout="CHW", flip=flip)[0]


def filter_colour(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Filter an image (H, W, 3), read as it lies in memory, each colour by itself.

    With as many groups as channels, each of the three filters sees one channel only.
    """
    weight = np.broadcast_to(kernel.astype(image.dtype), (3, 1, *kernel.shape))  # three times one
    return conv2d(image, weight, layout="HWC", groups=3)


def draw(photo: np.ndarray, path: Path) -> None:
    """Save one labelled picture of all filters at work on a photo (H, W, 3), from 0 to 1."""
    gray = photo @ np.array([0.299, 0.587, 0.114], photo.dtype)  # how bright the eye finds it
    across, down = filter_gray(gray, SOBEL_X), filter_gray(gray, SOBEL_Y)
    roof = gray[60:200, 70:280]  # a detail, to see what emboss does to it
    correlated, convolved = filter_gray(roof, EMBOSS), filter_gray(roof, EMBOSS, flip=True)

    gray_scale = {"cmap": "gray", "vmin": 0, "vmax": 1}
    bright = {"cmap": "gray", "vmin": 0, "vmax": 2}
    signed = {"cmap": "RdBu_r", "vmin": -2, "vmax": 2}
    panels: list[tuple[str, np.ndarray, dict[str, Any]]] = [
        ("The photograph", photo, {}),
        ("Blur: the mean of 9x9 pixels", filter_colour(photo, BLUR), {}),
        ("Sharpen: away from the neighbours", filter_colour(photo, SHARPEN), {}),
        ("Sobel x: red where it brightens to the right", across, signed),
        ("Sobel y: red where it brightens downwards", down, signed),
        ("Sobel magnitude: edges, whatever their direction", np.hypot(across, down), bright),
        ("A detail, before the emboss filter", roof, gray_scale),
        ("Emboss, correlation (flip=False): left edges dark", correlated, gray_scale),
        ("Emboss, true convolution (flip=True): left edges bright", convolved, gray_scale),
    ]
    figure = Figure(figsize=(15, 11.5), layout="constrained")
    figure.suptitle("Classic filters: one convolution each", fontsize=18)
    for axis, (title, image, style) in zip(figure.subplots(3, 3).flat, panels, strict=True):
        axis.imshow(image.clip(0, 1) if image.ndim == 3 else image, **style)
        axis.set(title=title, xticks=[], yticks=[])
    figure.savefig(path, dpi=100)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("photo_filters.png"), help="the picture")
    options = parser.parse_args()
    if options.out.suffix.lower() != ".png" or not options.out.parent.is_dir():
        parser.error(f"--out expects a .png file in a folder that exists, got {options.out}")
    return options


def main() -> None:
    """Filter, draw, report."""
    options = arguments()
    photo = load_sample_image("china.jpg").astype(np.float32) / 255
    draw(photo, options.out)
    print(f"picture saved to {options.out}")


if __name__ == "__main__":
    main()
