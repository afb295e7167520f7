// Checks every pass on random problems against the plain loops, to the bit: integer-valued data small enough that each
// order of summation is exact. Every tensor is a heap block of exactly its size, and tensors lie in random axis orders,
// some of them backwards, so that a sanitizer sees each access that strays.
//
//   random_problems [count] [first seed]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>

#include "tapwise/tapwise.hpp"

namespace {

using std::int64_t;
using namespace tapwise;

struct Random {
  std::mt19937_64 engine;
  int64_t operator()(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine); }
};

using Shape = std::array<int64_t, 5>;

template <class T>
struct Tensor {
  std::unique_ptr<T[]> memory;
  TensorView<T> view;

  Tensor(const Shape& shape, Random& random, bool fill) {
    int64_t count = 1;
    for (const int64_t size : shape) count *= size;
    memory = std::make_unique_for_overwrite<T[]>(static_cast<std::size_t>(count));
    for (int64_t i = 0; i < count; ++i) memory[static_cast<std::size_t>(i)] = fill ? T(random(-3, 3)) : T(-77);
    std::array<int, 5> order{0, 1, 2, 3, 4};
    if (random(0, 3) == 0) order = {0, 2, 3, 4, 1};
    if (random(0, 3) == 0) std::shuffle(order.begin(), order.end(), random.engine);
    view = dense_view(memory.get(), shape, order);
    for (std::size_t a = 0; a < 5; ++a) {
      if (random(0, 7) != 0 || shape[a] == 0) continue;
      view.data += (shape[a] - 1) * view.stride[a] / int64_t{sizeof(T)};
      view.stride[a] = -view.stride[a];
    }
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
ConvProblem random_first_layer(Random& random) {
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
ConvProblem random_depthwise(Random& random) {
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

ConvProblem random_problem(Random& random) {
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

int failures = 0;

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

// Somebody's threads: items from the last to the first, dealt to workers in turn.
void run_backwards(void*, int64_t items, int workers, void (*body)(void*, int64_t, int), void* state) {
  for (int64_t item = items; item-- > 0;) body(state, item, static_cast<int>(item % workers));
}
const ParallelFor kBackwards{run_backwards, nullptr, 3};

// A workspace of exactly the size that is asked for, on the heap.
struct OwnWorkspace {
  std::unique_ptr<void, decltype(&std::free)> block{nullptr, &std::free};

  void give(Options& options, const Status& status, int64_t bytes, int64_t seed);
};

void expect_ok(const Status& status, int64_t seed) {
  if (status) return;
  std::printf("seed %lld: %s\n", static_cast<long long>(seed), status.message);
  ++failures;
}

void OwnWorkspace::give(Options& options, const Status& status, int64_t bytes, int64_t seed) {
  expect_ok(status, seed);
  // The allocator wants whole lines; what is left of the last one stays unused, and a sanitizer sees what follows.
  const int64_t lines = (bytes + kWorkspaceAlignment - 1) / kWorkspaceAlignment + (bytes == 0 ? 1 : 0);
  block.reset(std::aligned_alloc(kWorkspaceAlignment, static_cast<std::size_t>(lines * kWorkspaceAlignment)));
  options.workspace = {block.get(), bytes};
}

template <class T>
void check(int64_t seed) {
  Random random{std::mt19937_64(static_cast<std::uint64_t>(seed))};
  const ConvProblem p = random_problem(random);
  const Spatial out = dst_size(p);
  const Shape src_shape{p.batch, p.in_channels, p.src[0], p.src[1], p.src[2]};
  const Shape dst_shape{p.batch, p.out_channels, out[0], out[1], out[2]};
  const Shape weight_shape{p.out_channels, p.in_channels / p.groups, p.kernel[0], p.kernel[1], p.kernel[2]};
  Options options;
  options.threads = static_cast<int>(random(1, 3));
  options.accumulate = random(0, 3) == 0;
  options.relu = random(0, 3) == 0;
  if (random(0, 2) == 0) options.parallel = &kBackwards;
  OwnWorkspace workspace;
  const bool own_workspace = random(0, 1) == 0;
  const auto prepare = [&](Direction direction, const TensorView<T>& s, const TensorView<T>& d) {
    if (!own_workspace) return;
    int64_t bytes = 0;
    const Status status = workspace_size<T>(p, direction, s, d, options, bytes);
    workspace.give(options, status, bytes, seed);
  };

  Tensor<T> src(src_shape, random, true), weights(weight_shape, random, true), dst(dst_shape, random, false);
  Tensor<T> bias({p.out_channels, 1, 1, 1, 1}, random, true);
  const bool with_bias = random(0, 1) == 1;
  const T* bias_data = with_bias ? bias.view.data : nullptr;
  const T start = options.accumulate ? T(-77) : T(0);

  const auto relu = [&](Tensor<T>& t) {
    if (options.relu) for_each_index(t.view.shape, [&](const Shape& i) { t.at(i) = std::max(t.at(i), T(0)); });
  };

  Tensor<T> expected(dst_shape, random, false);
  for_each_index(dst_shape,
                 [&](const Shape& i) { expected.at(i) = start + (with_bias ? bias.at({i[1], 0, 0, 0, 0}) : T(0)); });
  for_each_product(
      p, [&](const Shape& s, const Shape& w, const Shape& d) { expected.at(d) += src.at(s) * weights.at(w); });
  relu(expected);
  prepare(Direction::forward, src.view, dst.view);
  expect_ok(forward<T>(p, src.view, weights.view, {bias_data, bias.view.stride[0]}, dst.view, options), seed);
  compare("forward", seed, dst, expected);

  Tensor<T> gradient(dst_shape, random, true);
  Tensor<T> diff_src(src_shape, random, false), expected_src(src_shape, random, false);
  Tensor<T> src_bias({p.in_channels, 1, 1, 1, 1}, random, true);
  for_each_index(src_shape, [&](const Shape& i) {
    expected_src.at(i) = start + (with_bias ? src_bias.at({i[1], 0, 0, 0, 0}) : T(0));
  });
  for_each_product(
      p, [&](const Shape& s, const Shape& w, const Shape& d) { expected_src.at(s) += gradient.at(d) * weights.at(w); });
  relu(expected_src);
  prepare(Direction::backward_data, diff_src.view, gradient.view);
  expect_ok(
      backward_data<T>(p, gradient.view, weights.view,
                       {with_bias ? src_bias.view.data : nullptr, src_bias.view.stride[0]}, diff_src.view, options),
      seed);
  compare("backward_data", seed, diff_src, expected_src);

  Tensor<T> diff_weights(weight_shape, random, false), expected_weights(weight_shape, random, false);
  for_each_index(weight_shape, [&](const Shape& i) { expected_weights.at(i) = start; });
  for_each_product(
      p, [&](const Shape& s, const Shape& w, const Shape& d) { expected_weights.at(w) += gradient.at(d) * src.at(s); });
  prepare(Direction::backward_weights, src.view, gradient.view);
  expect_ok(backward_weights<T>(p, gradient.view, src.view, diff_weights.view, options), seed);
  compare("backward_weights", seed, diff_weights, expected_weights);

  const Shape bias_shape{p.out_channels, 1, 1, 1, 1};
  Tensor<T> diff_bias(bias_shape, random, false), expected_bias(bias_shape, random, false);
  for_each_index(bias_shape, [&](const Shape& i) { expected_bias.at(i) = start; });
  for_each_index(dst_shape, [&](const Shape& i) { expected_bias.at({i[1], 0, 0, 0, 0}) += gradient.at(i); });
  prepare(Direction::backward_bias, src.view, gradient.view);
  expect_ok(backward_bias<T>(gradient.view, {diff_bias.view.data, diff_bias.view.stride[0]}, options), seed);
  compare("backward_bias", seed, diff_bias, expected_bias);

  Plan<T> plan;
  expect_ok(
      Plan<T>::create(p, dense_view<const T>(nullptr, src_shape), dense_view<const T>(nullptr, dst_shape), false, plan),
      seed);
  expect_ok(plan.update(weights.view, nullptr), seed);
  Tensor<T> planned(dst_shape, random, false), direct(dst_shape, random, false);
  if (own_workspace) {
    int64_t bytes = 0;
    const Status status = plan.workspace_size(src.view, planned.view, options, bytes);
    workspace.give(options, status, bytes, seed);
  }
  options.accumulate = false;
  expect_ok(plan.run(src.view, planned.view, options), seed);
  expect_ok(forward<T>(p, src.view, weights.view, nullptr, direct.view), seed);
  compare("Plan", seed, planned, direct);
}

}  // namespace

int main(int argc, char** argv) {
  const int64_t count = argc > 1 ? std::atoll(argv[1]) : 300;
  const int64_t first = argc > 2 ? std::atoll(argv[2]) : 0;
  const char* isa = "?";
  expect_ok(active_isa(&isa), -1);
  for (int64_t seed = first; seed < first + count; ++seed) {
    check<float>(seed);
    check<double>(seed);
  }
  std::printf("%lld problems on %s, %d failures\n", static_cast<long long>(count), isa, failures);
  return failures == 0 ? 0 : 1;
}
