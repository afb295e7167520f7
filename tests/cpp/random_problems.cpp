// Checks every pass on random problems against the plain loops, to the bit: integer-valued data small enough that each
// order of summation is exact. Every tensor is a heap block of exactly its size, and tensors lie in random axis orders,
// some of them backwards, so that a sanitizer sees each access that strays.
//
//   random_problems [count] [first seed]
#include <cstdlib>

#include "random_problem.hpp"

namespace {

using namespace tapwise;
using namespace tapwise::testing;

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
