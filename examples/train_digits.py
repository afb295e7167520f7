"""Train a small convolutional network on handwritten digits, and look at what it learned.

    pip install ".[examples]" && python examples/train_digits.py

The 1797 images of 8x8 pixels ship with scikit-learn. A quarter is held out: the network never
trains on them, and its accuracy there is the one that counts. The picture it saves shows the
filters of the first layer, and what the network makes of one held-out digit.
"""

import argparse
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from matplotlib.figure import Figure, SubFigure
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from sklearn.datasets import load_digits

from tapwise import nn, softmax_cross_entropy

console = Console(highlight=False, markup=False, soft_wrap=True)
BATCH = 32
LEARNING_RATE = 5e-3
Labelled: TypeAlias = tuple[np.ndarray, np.ndarray]  # images (N, 1, 8, 8), digits (N,)


def load(rng: np.random.Generator) -> tuple[Labelled, Labelled]:
    """Return the images to train on, and those held out."""
    digits = load_digits()
    images = (digits.images[:, np.newaxis] / 16).astype(np.float32)  # 0 to 1
    held_out, train = np.split(rng.permutation(len(images)), [len(images) // 4])
    return (images[train], digits.target[train]), (images[held_out], digits.target[held_out])


def build(rng: np.random.Generator) -> nn.Sequential:
    """A LeNet: twice convolution, ReLU and pooling, then two dense layers."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, padding="same", activation="relu", seed=rng),  # (N, 8, 8, 8)
        nn.MaxPool2d(2),  # (N, 8, 4, 4)
        nn.Conv2d(8, 32, 3, padding="same", activation="relu", seed=rng),  # (N, 32, 4, 4)
        nn.MaxPool2d(2),  # (N, 32, 2, 2)
        nn.Flatten(),  # (N, 128)
        nn.Dense(32 * 2 * 2, 64, activation="relu", seed=rng),
        nn.Dense(64, 10, seed=rng),  # one score per digit
    )


def train(model: nn.Sequential, data: Labelled, held_out: Labelled, epochs: int, rng: np.random.Generator) -> float:
    """Fit `model` to `data`, batch by batch. Return the accuracy on `held_out`."""
    images, labels = data
    optimiser = nn.Adam(model, lr=LEARNING_RATE, weight_decay=3e-4)
    console.print("epoch   training loss   held-out loss   held-out accuracy")
    columns = TextColumn("training"), BarColumn(), TextColumn("{task.percentage:3.0f}%, left:")
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        starts = range(0, len(images), BATCH)
        task = progress.add_task("", total=epochs * len(starts))
        for epoch in range(epochs):
            optimiser.lr = LEARNING_RATE * (1 - epoch / epochs)  # settle down towards the end
            order, total = rng.permutation(len(images)), 0.0
            for start in starts:
                batch = order[start : start + BATCH]
                loss, grad = softmax_cross_entropy(model(images[batch]), labels[batch])
                model.backward(grad, needs_input_grad=False)  # fills model.grads
                optimiser.step()  # changes model.params
                total += loss * len(batch)
                progress.advance(task)
            scores = model.predict(held_out[0])
            loss, _ = softmax_cross_entropy(scores, held_out[1])
            accuracy = float(np.mean(scores.argmax(axis=1) == held_out[1]))
            console.print(f"{epoch + 1:5}{total / len(images):16.4f}{loss:16.4f}{accuracy:20.2%}")
    return accuracy


def draw(model: nn.Sequential, image: np.ndarray, label: int, path: Path) -> None:
    """Save a picture: the filters of the first layer, and the feature maps of one digit."""
    filters = model[0].params["weight"][:, 0]  # (8, 5, 5)
    maps = model[0](image[np.newaxis])  # (1, 8, 8, 8), after ReLU
    deeper = model[2](model[1](maps))[0]  # (32, 4, 4)
    strongest = deeper[np.argsort(-deeper.max(axis=(1, 2)))[:16]]
    shares = np.exp(model.predict(image[np.newaxis])[0].astype(float))
    shares /= shares.sum()

    figure = Figure(figsize=(14, 8), layout="constrained")
    answer = f"{shares.argmax()}, {shares.max():.1%} sure"
    figure.suptitle(f"A LeNet reads a digit it never trained on, and says {answer}", fontsize=16)
    left, right = figure.subfigures(1, 2, width_ratios=[1, 3])
    digit, bars = left.subplots(2, 1)
    digit.imshow(image[0], cmap="gray")
    digit.set(title="The digit, 8x8 pixels", xticks=[], yticks=[])
    bars.barh(range(10), shares, color=["C1" if d == label else "C0" for d in range(10)])
    bars.set(title="The answer (orange: the truth)", xlabel="probability", ylabel="digit")
    bars.set(xlim=(0, 1), yticks=range(10), ylim=(9.5, -0.5))  # 0 on top

    limit = np.abs(filters).max()
    filters_part, maps_part, deeper_part = right.subfigures(3, 1, height_ratios=[1, 1, 1.8])
    filters_part.suptitle(f"Layer 1: 8 learned filters (weights: red +{limit:.1f}, blue -{limit:.1f})")
    maps_part.suptitle("The feature map of each filter above: where it responds (black: nowhere)")
    deeper_part.suptitle("Layer 2: the strongest of its 32 feature maps, coarser after pooling")
    grid(filters_part, filters, cmap="RdBu_r", vmin=-limit, vmax=limit)
    grid(maps_part, maps[0], cmap="magma", vmin=0, vmax=maps.max())
    grid(deeper_part, strongest, cmap="magma", vmin=0, vmax=deeper.max())
    figure.savefig(path, dpi=100)


def grid(part: SubFigure, panels: np.ndarray, **style: Any) -> None:
    """Show `panels` in rows of eight."""
    axes = part.subplots(len(panels) // 8, 8, squeeze=False)
    for axis, panel in zip(axes.flat, panels, strict=True):
        axis.imshow(panel, **style)
        axis.set(xticks=[], yticks=[])


def arguments() -> argparse.Namespace:
    """Read the command line; what would fail at the very end is refused before training."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20, help="passes over the images (20)")
    parser.add_argument("--seed", type=int, default=0, help="fixes every random choice (0)")
    parser.add_argument("--out", type=Path, default=Path("train_digits.png"), help="the picture")
    options = parser.parse_args()
    if options.epochs < 1:
        parser.error(f"--epochs expects at least 1, got {options.epochs}")
    if options.seed < 0:
        parser.error(f"--seed expects at least 0, got {options.seed}")
    if options.out.suffix.lower() != ".png" or not options.out.parent.is_dir():
        parser.error(f"--out expects a .png file in a folder that exists, got {options.out}")
    return options


def main() -> None:
    """Train, draw, report."""
    options = arguments()
    rng = np.random.default_rng(options.seed)
    data, held_out = load(rng)
    model = build(rng)
    console.print(f"{model}\n{len(data[0])} images to train on, {len(held_out[0])} held out\n")
    accuracy = train(model, data, held_out, options.epochs, rng)
    draw(model, held_out[0][0], held_out[1][0], options.out)
    untied = nn.untied_param_count(model, data[0].shape)
    console.print(f"\nheld-out accuracy: {accuracy:.2%}")
    console.print(f"parameters: {model.num_params:,} (without parameter sharing: {untied:,})")
    console.print(f"picture saved to {options.out}")


if __name__ == "__main__":
    main()
