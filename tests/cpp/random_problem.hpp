// Random problems, tensors for them, and the plain loops that results are compared with, to the bit: integer-valued
// data small enough that each order of summation is exact. Every tensor is a heap block of exactly its size, in a
// random axis order, some of them backwards.
#pragma once

#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>

#include "tapwise/tapwise.hpp"

namespace tapwise::testing {

using std::int64_t;

struct Random {
  std::mt19937_64 engine;
  int64_t operator()(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine); }
};

using Shape = std::array<int64_t, 5>;

template <class T>
struct Tensor {
  std::unique_ptr<T[]> memory;
  std::size_t count = 1;
  TensorView<T> view;

  Tensor(const Shape& shape, Random& random, bool fill, double channels_last = 0.25) {
    for (const int64_t size : shape) count *= static_cast<std::size_t>(size);
    memory = std::make_unique_for_overwrite<T[]>(count);
    for (std::size_t i = 0; i < count; ++i) memory[i] = fill ? T(random(-3, 3)) : T(-77);
    std::array<int, 5> order{0, 1, 2, 3, 4};
    if (static_cast<double>(random(0, 99)) < 100 * channels_last) order = {0, 2, 3, 4, 1};
    if (random(0, 3) == 0) std::shuffle(order.begin(), order.end(), random.engine);
    view = dense_view(memory.get(), shape, order);
    for (std::size_t a = 0; a < 5; ++a) {
      if (random(0, 7) != 0 || shape[a] == 0) continue;
      view.data += (shape[a] - 1) * view.stride[a] / int64_t{sizeof(T)};
      view.stride[a] = -view.stride[a];
    }
  }
  Tensor() = default;

  /// An unwritten tensor of the same shape and strides.
  Tensor like() const {
    Tensor t;
    t.memory = std::make_unique_for_overwrite<T[]>(count);
    std::fill_n(t.memory.get(), count, T(-77));
    t.count = count;
    t.view = view;
    t.view.data = t.memory.get() + (view.data - memory.get());
    return t;
  }

  T& at(const Shape& i) const {
    int64_t offset = 0;
    for (std::size_t a = 0; a < 5; ++a) offset += i[a] * view.stride[a];
    return view.data[offset / int64_t{sizeof(T)}];
  }
};

/// body(src index, weight index, dst index) for every product of the convolution.
template <class Body>
void for_each_product(const ConvProblem& p, Body&& body) {
  const Spatial out = dst_size(p);
  const int64_t in_group = p.in_channels / p.groups, out_group = p.out_channels / p.groups;
  Shape src, weight, dst;
  for (dst[0] = 0; dst[0] < p.batch; ++dst[0])
    for (dst[1] = 0; dst[1] < p.out_channels; ++dst[1])
      for (dst[2] = 0; dst[2] < out[0]; ++dst[2])
        for (dst[3] = 0; dst[3] < out[1]; ++dst[3])
          for (dst[4] = 0; dst[4] < out[2]; ++dst[4])
            for (int64_t c = 0; c < in_group; ++c)
              for (int64_t tap = 0; tap < p.kernel[0] * p.kernel[1] * p.kernel[2]; ++tap) {
                const Spatial k{tap / (p.kernel[1] * p.kernel[2]), tap / p.kernel[2] % p.kernel[1], tap % p.kernel[2]};
                src[0] = dst[0];
                src[1] = dst[1] / out_group * in_group + c;
                weight[0] = dst[1];
                weight[1] = c;
                bool real = true;
                for (std::size_t a = 0; a < 3; ++a) {
                  src[a + 2] = dst[a + 2] * p.stride[a] + k[a] * p.dilation[a] - p.pad_low[a];
                  weight[a + 2] = p.flip ? p.kernel[a] - 1 - k[a] : k[a];
                  if (src[a + 2] < 0 || src[a + 2] >= p.src[a]) real = false;
                }
                if (real) body(src, weight, dst);
              }
}

// Few channels meet many at rows of pixels that fill vectors, padded by more than the kernel at times.
inline ConvProblem random_first_layer(Random& random) {
  ConvProblem p;
  p.batch = random(1, 2);
  p.groups = random(0, 4) == 0 ? 2 : 1;
  p.in_channels = p.groups * random(1, 4);
  p.out_channels = p.groups * random(16, 36);
  const int64_t rank = random(1, 2);
  for (std::size_t a = 3 - static_cast<std::size_t>(rank); a < 3; ++a) {
    p.kernel[a] = random(1, 7);
    p.stride[a] = random(1, 4);
    p.src[a] = std::max(p.kernel[a], a == 2 ? random(16, 90) : random(1, 20));
    p.pad_low[a] = random(0, 8);
    p.pad_high[a] = random(0, 8);
  }
  p.flip = random(0, 3) == 0;
  return p;
}

// A filter for each channel, channels that fill vectors or nearly do, and rows of several tiles.
inline ConvProblem random_depthwise(Random& random) {
  ConvProblem p;
  p.batch = random(1, 2);
  p.groups = 8 * random(0, 6) + (random(0, 3) == 0 ? random(1, 7) : 8);
  p.in_channels = p.groups;
  p.out_channels = p.groups * (random(0, 3) == 0 ? random(2, 3) : 1);
  const int64_t rank = random(1, 2);
  for (std::size_t a = 3 - static_cast<std::size_t>(rank); a < 3; ++a) {
    p.src[a] = random(1, 40);
    p.kernel[a] = random(1, 7);
    p.stride[a] = random(0, 1) ? 1 : random(1, 3);
    p.dilation[a] = random(0, 3) ? 1 : 2;
    p.pad_low[a] = random(0, 8);
    p.pad_high[a] = random(0, 8) + (p.kernel[a] - 1) * p.dilation[a];
  }
  p.flip = random(0, 3) == 0;
  return p;
}

inline ConvProblem random_problem(Random& random) {
  if (const int64_t kind = random(0, 9); kind < 4)
    return kind < 2 ? random_first_layer(random) : random_depthwise(random);
  ConvProblem p;
  p.batch = random(1, 3);
  p.groups = random(0, 2) == 0 ? random(1, 40) : 1;
  const int64_t most = p.groups > 1 ? 4 : 70;
  p.in_channels = p.groups * (random(0, 1) ? random(1, 4) : random(1, most));
  p.out_channels = p.groups * (random(0, 1) ? random(1, 4) : random(1, most));
  const int64_t rank = random(1, 3);
  for (std::size_t a = 3 - static_cast<std::size_t>(rank); a < 3; ++a) {
    p.src[a] = random(1, rank == 1 ? 60 : rank == 2 ? 20 : 7);
    p.kernel[a] = random(1, rank == 1 ? 9 : 4);
    p.stride[a] = random(0, 1) ? 1 : random(1, 4);
    p.dilation[a] = random(0, 1) ? 1 : random(1, 4);
    p.pad_low[a] = random(0, 3);
    p.pad_high[a] = random(0, 3);
    const int64_t extent = (p.kernel[a] - 1) * p.dilation[a] + 1;
    p.pad_high[a] += std::max<int64_t>(0, extent - p.src[a] - p.pad_low[a] - p.pad_high[a]);
  }
  p.flip = random(0, 3) == 0;
  return p;
}

inline int failures = 0;

template <class Body>
void for_each_index(const Shape& shape, Body&& body) {
  Shape i;
  for (i[0] = 0; i[0] < shape[0]; ++i[0])
    for (i[1] = 0; i[1] < shape[1]; ++i[1])
      for (i[2] = 0; i[2] < shape[2]; ++i[2])
        for (i[3] = 0; i[3] < shape[3]; ++i[3])
          for (i[4] = 0; i[4] < shape[4]; ++i[4]) body(i);
}

template <class T>
void compare(const char* pass, int64_t seed, const Tensor<T>& result, const Tensor<T>& expected) {
  bool told = false;
  for_each_index(result.view.shape, [&](const Shape& i) {
    if (told || result.at(i) == expected.at(i)) return;
    std::printf("seed %lld %s of %zu-byte numbers at [%lld %lld %lld %lld %lld]: %g, expected %g\n",
                static_cast<long long>(seed), pass, sizeof(T), static_cast<long long>(i[0]),
                static_cast<long long>(i[1]), static_cast<long long>(i[2]), static_cast<long long>(i[3]),
                static_cast<long long>(i[4]), double(result.at(i)), double(expected.at(i)));
    told = true;
    ++failures;
  });
}

inline void expect_ok(const Status& status, int64_t seed) {
  if (status) return;
  std::printf("seed %lld: %s\n", static_cast<long long>(seed), status.message());
  ++failures;
}

}  // namespace tapwise::testing
