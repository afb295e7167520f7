"""The founding facts, one test a row, by their numbers; plain NumPy stands on the other side."""

import numpy as np
import pytest
from small_images import images_and_labels

import tapwise
from tapwise import nn


def f64(*values):
    return np.array(values, np.float64)


def row(values):
    """One channel of one signal, (N, C, W)."""
    return np.asarray(values, np.float64).reshape(1, 1, -1)


X, W = f64(1, 2, 3, 4), f64(5, 6, 7)


def activation(z):
    return np.maximum(z, 0)


def test_A1_parameters_of_32_filters_of_5x5_on_a_colour_image(rng):
    layer = nn.Conv2d(3, 32, 5)
    assert layer.params["weight"].shape == (32, 3, 5, 5)
    assert layer.params["bias"].shape == (32,)
    assert layer.params["weight"].size == 3 * 25 * 32 == 2400
    assert layer.num_params == (3 * (5 * 5) + 1) * 32 == 2432
    image = rng.random((1, 3, 32, 32)).astype(np.float32)
    assert layer.forward(image).shape == (1, 32, 28, 28)


def test_A2_one_bias_per_filter_not_per_colour(rng):
    x, w = rng.random((1, 3, 6, 6)), rng.random((4, 3, 3, 3))
    b1, b2 = rng.random(4), rng.random(4)
    with pytest.raises(ValueError, match="bias"):
        tapwise.conv(x, w, rng.random((4, 3)))
    summed = tapwise.conv(x, w, b1 + b2)
    np.testing.assert_allclose(summed, tapwise.conv(x, w, b1) + b2[:, None, None], rtol=1e-14)


def test_A3_each_map_has_its_bias_and_its_weights_from_all_previous_maps():
    for previous, maps, height, width in [(1, 6, 5, 5), (6, 16, 5, 3), (16, 120, 2, 7)]:
        layer = nn.Conv2d(previous, maps, (height, width))
        assert layer.num_params == maps * (previous * width * height + 1)


def test_A4_a_filter_mixes_the_colour_planes(rng):
    x, w, b = rng.random((1, 3, 8, 8)), rng.random((5, 3, 3, 3)), rng.random(5)
    planes = [tapwise.conv(x[:, c : c + 1], w[:, c : c + 1]) for c in range(3)]
    np.testing.assert_allclose(tapwise.conv(x, w, b), sum(planes) + b[:, None, None], rtol=1e-13)


def test_A5_tied_neurons_equal_one_neuron_reused(rng):
    x, w = rng.random((1, 2, 5, 6)), rng.random((3, 2, 2, 3))
    y = tapwise.conv(x, w)
    toeplitz = np.zeros((*y.shape[1:], *x.shape[1:]))
    local = np.zeros(y.shape)
    for i in range(4):
        for j in range(4):
            toeplitz[:, i, j, :, i : i + 2, j : j + 3] = w
            for o in range(3):
                local[0, o, i, j] = (x[0, :, i : i + 2, j : j + 3] * w[o]).sum()
    expanded = tapwise.dense(x.reshape(1, -1), toeplitz.reshape(y.size, x.size))
    np.testing.assert_allclose(expanded.reshape(y.shape), y, rtol=1e-13)
    np.testing.assert_allclose(local, y, rtol=1e-13)


def test_A6_the_same_weights_at_every_point_commute_with_translation(rng):
    x, w, b = rng.random((1, 3, 12, 12)), rng.random((4, 3, 3, 3)), rng.random(4)
    moved = np.roll(x, (2, 3), axis=(2, 3))
    y, y_moved = tapwise.conv(x, w, b), tapwise.conv(moved, w, b)
    np.testing.assert_allclose(y_moved[:, :, 2:, 3:], y[:, :, :-2, :-3], rtol=1e-13)


def test_A7_convolution_takes_the_place_of_the_matrix_product(rng):
    w, a = rng.standard_normal((4, 6)), rng.standard_normal((1, 6))
    np.testing.assert_allclose(tapwise.dense(a, w), a @ w.T, rtol=1e-12)
    np.testing.assert_array_equal(tapwise.relu(tapwise.dense(a, w)), activation(tapwise.dense(a, w)))
    z = tapwise.conv(a[None], w[:, None, :3])
    for o in range(4):
        np.testing.assert_allclose(z[0, o], np.correlate(a[0], w[o, :3]), rtol=1e-12)
    np.testing.assert_array_equal(tapwise.conv(a[None], w[:, None, :3], activation="relu"), activation(z))


def test_A8_full_convolution_by_hand():
    expected = f64(5, 16, 34, 52, 45, 28)
    y = tapwise.conv(row(X), row(W), flip=True, padding="full")
    np.testing.assert_array_equal(y[0, 0], expected)
    np.testing.assert_array_equal(tapwise.convolve(X, W), expected)
    shifted = tapwise.conv(row(X), row(W), f64(-40), flip=True, padding="full", activation="relu")
    np.testing.assert_array_equal(shifted[0, 0], activation(expected - 40))


def test_A9_the_zero_padded_edges_may_be_trimmed():
    y = tapwise.conv(row(X), row(W), flip=True, padding="valid")
    np.testing.assert_array_equal(y[0, 0], [34, 52])
    np.testing.assert_array_equal(tapwise.convolve(X, W, mode="valid"), [34, 52])


def test_A10_equal_lengths_give_a_dot_product():
    x, w = f64(1, -2, 3), f64(5, 6, 7)
    y = tapwise.conv(row(x), row(w), activation="relu")
    assert y[0, 0].shape == (1,)
    assert y[0, 0, 0] == activation(x @ w) == 14


def test_A11_valid_length_and_the_flipped_kernel(rng):
    x, w = rng.standard_normal(9), rng.standard_normal(4)
    a = tapwise.conv(row(x), row(w), activation="relu")[0, 0]
    assert len(a) == 9 - 4 + 1
    for i in range(len(a)):
        np.testing.assert_allclose(a[i], activation(x[i : i + 4] @ w), rtol=1e-12)
    flipped = tapwise.conv(row(x), row(w), flip=True)
    np.testing.assert_allclose(flipped, tapwise.conv(row(x), row(w[::-1])), rtol=1e-12)
    np.testing.assert_allclose(flipped[0, 0], np.convolve(x, w, "valid"), rtol=1e-12)


def test_A12_the_outputs_of_one_unit_are_its_feature_map(rng):
    x, w = rng.random((1, 10)), rng.random((3, 1, 4))
    maps = tapwise.conv(x, w, layout="CW")
    assert maps.shape == (3, 7)
    for o in range(3):
        np.testing.assert_allclose(maps[o], np.correlate(x[0], w[o, 0]), rtol=1e-13)


def test_A13_columns_of_W_and_columns_of_feature_maps(rng):
    x, w1, w2 = rng.random((8, 1)), rng.random(3), rng.random(3)
    dense_w = np.stack([rng.random(8), rng.random(8)], axis=1)
    np.testing.assert_allclose(tapwise.dense(x.T, np.ascontiguousarray(dense_w.T)), x.T @ dense_w, rtol=1e-13)
    a = tapwise.conv(x, np.stack([w1, w2])[:, None], layout="WC", activation="relu")
    assert a.shape == (8 - 3 + 1, 2)
    for column, w in enumerate((w1, w2)):
        np.testing.assert_allclose(a[:, column], activation(np.correlate(x[:, 0], w)), rtol=1e-13)


def test_A14_convolution_is_a_matrix_of_tied_and_zero_weights():
    matrix = np.stack([tapwise.conv(row(e), row(W))[0, 0] for e in np.eye(4)], axis=1)
    np.testing.assert_array_equal(matrix, [[5, 6, 7, 0], [0, 5, 6, 7]])
    assert matrix.shape == (2, 4)
    assert np.count_nonzero(matrix) == 6
    assert len(np.unique(matrix[matrix != 0])) == 3
    np.testing.assert_array_equal(tapwise.dense(X[None], matrix)[0], [38, 56])


def test_A15_zero_weights_stay_zero_and_tied_weights_sum_their_gradients():
    grad = f64(2, -3)
    matrix = f64([5, 6, 7, 0], [0, 5, 6, 7])
    _, dense_gradient, _ = tapwise.dense_grad(grad[None], X[None], matrix)
    masked = np.where(matrix != 0, dense_gradient, 0)
    tied = [sum(masked[i, i + t] for i in range(2)) for t in range(3)]
    np.testing.assert_array_equal(tapwise.conv_weight_grad(row(grad), row(X), (3,))[0, 0], tied)


def test_A16_valid_correlation_shrinks_and_full_grows():
    assert 1 * 5 + 2 * 6 + 3 * 7 == 38
    np.testing.assert_array_equal(tapwise.conv(row(X), row(W))[0, 0], [38, 56])
    np.testing.assert_array_equal(tapwise.correlate(X, W), [38, 56])
    full = [7, 20, 38, 56, 39, 20]
    np.testing.assert_array_equal(tapwise.conv(row(X), row(W), padding="full")[0, 0], full)
    np.testing.assert_array_equal(tapwise.correlate(X, W, mode="full"), full)


def test_A17_untied_neurons_have_a_hundred_million_weights():
    layer = nn.Conv2d(3, 96, 11, stride=4)
    shape = tapwise.conv_output_shape((1, 3, 227, 227), (96, 3, 11, 11), stride=4)
    assert shape == (1, 96, 55, 55)
    assert 55 * 55 * 96 == 290400 and 11 * 11 * 3 == 363
    assert nn.untied_param_count(layer, (3, 227, 227)) == 290400 * 364 == 105705600


def test_A18_tied_neurons_have_thirty_five_thousand():
    layer = nn.Conv2d(3, 96, 11, stride=4)
    assert layer.params["weight"].size == 96 * 11 * 11 * 3 == 34848
    assert layer.num_params == 34848 + 96 == 34944
    assert nn.untied_param_count(layer, (3, 227, 227)) / layer.num_params == 3025 == 55**2


def test_A19_what_is_useful_at_one_place_is_found_at_another():
    pattern = f64([1, 2], [3, 4])
    image = np.zeros((1, 1, 9, 9))
    image[0, 0, 1:3, 2:4] = pattern
    image[0, 0, 6:8, 5:7] = pattern
    y = tapwise.conv(image, pattern[None, None])[0, 0]
    assert y[1, 2] == y[6, 5] == y.max() == (pattern**2).sum()


def test_A20_gradients_add_up_over_each_depth_slice(rng):
    x, grad = rng.integers(-3, 4, (2, 3, 5, 5)) * 1.0, rng.integers(-3, 4, (2, 4, 3, 3)) * 1.0
    dw, db = np.zeros((4, 3, 3, 3)), np.zeros(4)
    for n, i, j in np.ndindex(2, 3, 3):
        neurons = grad[n, :, i, j]
        dw += neurons[:, None, None, None] * x[n, :, i : i + 3, j : j + 3]
        db += neurons
    np.testing.assert_array_equal(tapwise.conv_weight_grad(grad, x, (3, 3)), dw)
    np.testing.assert_array_equal(tapwise.conv_bias_grad(grad), db)


def test_A21_a_shared_slice_makes_the_forward_pass_a_convolution(rng):
    x, kernel = rng.random((9, 8)), rng.random((3, 2))
    y = tapwise.conv(x[None], kernel[None, None], layout="CHW", flip=True)[0]
    np.testing.assert_allclose(y, tapwise.convolve(x, kernel, mode="valid"), rtol=1e-13)
    by_hand = sum(kernel[u, v] * x[2 - u : 9 - u, 1 - v : 8 - v] for u in range(3) for v in range(2))
    np.testing.assert_allclose(y, by_hand, rtol=1e-13)


@pytest.fixture
def volume(rng):
    """The worked example: X (11, 11, 4), two filters of 5 x 5 x 4, stride 2, no padding."""
    example = {name: rng.random((5, 5, 4)) for name in ("W0", "W1")}
    example |= {"X": rng.random((11, 11, 4)), "b0": rng.random(), "b1": rng.random()}
    weight = np.stack([example["W0"], example["W1"]])
    example["V"] = tapwise.conv(
        example["X"],
        weight,
        f64(example["b0"], example["b1"]),
        stride=2,
        layout="HWC",
        weight_layout="OHWI",
    )
    return example


def test_A22_depth_columns_and_depth_slices_of_an_unbatched_volume(rng):
    x = rng.random((11, 11, 4))
    column = np.eye(4)[2].reshape(1, 4, 1, 1)
    y = tapwise.conv(x, column, layout="HWC")
    np.testing.assert_array_equal(y[:, :, 0], x[:, :, 2])
    w = rng.random((1, 4, 1, 1))
    y = tapwise.conv(x, w, layout="HWC")
    np.testing.assert_allclose(y[3, 7, 0], x[3, 7, :] @ w.ravel(), rtol=1e-13)


def test_A23_the_output_volume_is_4_by_4_by_2(volume):
    assert (11 - 5) / 2 + 1 == 4
    assert volume["W0"].shape == (5, 5, 4)
    assert volume["V"].shape == (4, 4, 2)


def test_A24_the_first_map_by_hand(volume):
    X, V, W0, b0 = (volume[name] for name in ("X", "V", "W0", "b0"))
    np.testing.assert_allclose(V[0, 0, 0], np.sum(X[:5, :5, :] * W0) + b0, rtol=1e-13)
    np.testing.assert_allclose(V[1, 0, 0], np.sum(X[2:7, :5, :] * W0) + b0, rtol=1e-13)
    np.testing.assert_allclose(V[2, 0, 0], np.sum(X[4:9, :5, :] * W0) + b0, rtol=1e-13)
    np.testing.assert_allclose(V[3, 0, 0], np.sum(X[6:11, :5, :] * W0) + b0, rtol=1e-13)


def test_A25_the_second_map_by_hand(volume):
    X, V, W1, b1 = (volume[name] for name in ("X", "V", "W1", "b1"))
    np.testing.assert_allclose(V[0, 0, 1], np.sum(X[:5, :5, :] * W1) + b1, rtol=1e-13)
    np.testing.assert_allclose(V[1, 0, 1], np.sum(X[2:7, :5, :] * W1) + b1, rtol=1e-13)
    np.testing.assert_allclose(V[2, 0, 1], np.sum(X[4:9, :5, :] * W1) + b1, rtol=1e-13)
    np.testing.assert_allclose(V[3, 0, 1], np.sum(X[6:11, :5, :] * W1) + b1, rtol=1e-13)
    np.testing.assert_allclose(V[0, 1, 1], np.sum(X[:5, 2:7, :] * W1) + b1, rtol=1e-13)
    np.testing.assert_allclose(V[2, 3, 1], np.sum(X[4:9, 6:11, :] * W1) + b1, rtol=1e-13)


def test_A26_each_point_is_a_dot_product_and_relu_follows(rng):
    x, w = rng.standard_normal((1, 3, 6, 6)), rng.standard_normal((4, 3, 3, 3))
    z = tapwise.conv(x, w)
    np.testing.assert_allclose(z[0, 1, 2, 3], x[0, :, 2:5, 3:6].ravel() @ w[1].ravel(), rtol=1e-12)
    fused = tapwise.conv(x, w, activation="relu")
    np.testing.assert_array_equal(fused, tapwise.relu(z))
    assert (fused == 0).any() and (fused > 0).any()


def test_A27_a_dense_layer_has_a_weight_per_connection():
    for n0, n1 in [(784, 100), (100, 10)]:
        layer = nn.Dense(n0, n1)
        assert layer.params["weight"].size == n0 * n1
        assert layer.params["bias"].size == n1
        assert layer.num_params == n0 * n1 + n1


def test_A28_neither_the_input_size_nor_the_stride_changes_the_weights(rng):
    layers = [nn.Conv2d(3, 8, 5, stride=stride) for stride in (1, 2, 3)]
    counts = {layer.num_params for layer in layers}
    for size in (5, 32, 61):
        image = rng.random((1, 3, size, size)).astype(np.float32)
        for layer in layers:
            layer.forward(image)
            counts.add(layer.num_params)
    assert counts == {8 * (3 * 5 * 5 + 1)}


def test_A29_two_filters_of_3x3x3_have_54_weights():
    assert nn.Conv2d(3, 2, 3).params["weight"].size == 54
    assert nn.Conv2d(3, 2, 3, bias=False).num_params == 54


def test_A30_backpropagation_updates_filters_and_dense_layers_only(rng):
    conv, pool, dense = nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), nn.Dense(2 * 3 * 3, 4)
    model = nn.Sequential(conv, nn.ReLU(), pool, nn.Flatten(), dense)
    before = {name: value.copy() for name, value in model.params.items()}
    x = rng.standard_normal((5, 1, 8, 8)).astype(np.float32)
    _, grad = tapwise.softmax_cross_entropy(model.forward(x), np.array([0, 1, 2, 3, 0]))
    model.backward(grad)
    nn.SGD(model, lr=0.1).step()
    assert len(before) == 4
    for name, value in model.params.items():
        assert (value != before[name]).any(), name
    assert not pool.params and pool.num_params == 0

    x = f64([1, 9, 2, 3], [4, 5, 8, 7]).reshape(1, 1, 2, 4)
    grad = tapwise.max_pool_grad(f64(10, 20).reshape(1, 1, 1, 2), x, 2)
    np.testing.assert_array_equal(grad[0, 0], [[0, 10, 0, 0], [0, 0, 20, 0]])


def test_A31_convolution_relu_pooling_dense_learns(rng):
    images, labels = images_and_labels(rng)
    held_out = len(images) // 5
    conv = nn.Conv2d(1, 12, 3, padding=1, seed=1)
    model = nn.Sequential(conv, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dense(12 * 4 * 4, 10, seed=2))
    first = conv.params["weight"].copy()
    optimiser = nn.Adam(model, lr=3e-3)
    for _ in range(6):
        order = held_out + rng.permutation(len(images) - held_out)
        for batch in np.array_split(order, len(order) // 32):
            logits = model.forward(images[batch])
            _, grad = tapwise.softmax_cross_entropy(logits, labels[batch])
            model.backward(grad)
            optimiser.step()
    guesses = model.forward(images[:held_out]).argmax(axis=1)
    assert (guesses == labels[:held_out]).mean() > 0.9

    filters, maps = conv.params["weight"], conv.forward(images[:1])
    assert filters.shape == (12, 1, 3, 3) and np.abs(filters - first).max() > 0.01
    assert maps.shape == (1, 12, 8, 8) and np.isfinite(maps).all()


def test_gradients_of_the_small_example_by_hand():
    grad = row([1, 1])
    np.testing.assert_array_equal(tapwise.conv_weight_grad(grad, row(X), (3,))[0, 0], [3, 5, 7])
    np.testing.assert_array_equal(tapwise.conv_input_grad(grad, row(W), (1, 1, 4))[0, 0], [5, 11, 13, 7])
    np.testing.assert_array_equal(tapwise.conv_bias_grad(grad), [2])
    gi, gw, gb = tapwise.conv_backward(grad, row(X), row(W))
    np.testing.assert_array_equal(gi[0, 0], [5, 11, 13, 7])
    np.testing.assert_array_equal(gw[0, 0], [3, 5, 7])
    np.testing.assert_array_equal(gb, [2])
