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

Shape src_shape_of(const ConvProblem& p) { return {p.batch, p.in_channels, p.src[0], p.src[1], p.src[2]}; }
Shape weights_shape_of(const ConvProblem& p) {
  return {p.out_channels, p.in_channels / p.groups, p.kernel[0], p.kernel[1], p.kernel[2]};
}

// backward() through a ReLU, and transposed_backward() of a src that lacks positions that count as zeros.
template <class T>
void check_backward(const ConvProblem& p, Options options, bool own_workspace, Random& random, int64_t seed) {
  const T start = options.accumulate ? T(-77) : T(0);
  const Spatial out = dst_size(p);
  Shape dst_shape{p.batch, p.out_channels, out[0], out[1], out[2]}, bias_shape{p.out_channels, 1, 1, 1, 1};
  const Shape src_shape = src_shape_of(p), weights_shape = weights_shape_of(p);
  Tensor<T> src(src_shape, random, true), weights(weights_shape, random, true), gradient(dst_shape, random, true);
  OwnWorkspace workspace;
  const auto prepare = [&](std::initializer_list<Direction> directions, const TensorView<T>& s,
                           const TensorView<T>& d) {
    if (!own_workspace) return;
    int64_t most = 0, bytes = 0;
    for (const Direction direction : directions) {
      expect_ok(workspace_size<T>(p, direction, s, d, options, bytes), seed);
      most = std::max(most, bytes);
    }
    workspace.give(options, {}, most, seed);
  };

  const Tensor<T> y(dst_shape, random, true);
  for_each_index(dst_shape, [&](const Shape& i) { y.at(i) = T(random(-2, 2)); });
  Tensor<T> dx(src_shape, random, false), dw(weights_shape, random, false), db(bias_shape, random, false);
  Tensor<T> right_dx(src_shape, random, false), right_dw(weights_shape, random, false),
      right_db(bias_shape, random, false);
  const auto begin = [&](const Tensor<T>& t) {
    for_each_index(t.view.shape, [&](const Shape& i) { t.at(i) = start; });
  };
  begin(right_dx), begin(right_dw), begin(right_db);
  const auto through = [&](const Shape& i) { return y.at(i) > T(0) ? gradient.at(i) : T(0); };
  for_each_product(p, [&](const Shape& s, const Shape& w, const Shape& d) {
    right_dx.at(s) += through(d) * weights.at(w);
    right_dw.at(w) += through(d) * src.at(s);
  });
  for_each_index(dst_shape, [&](const Shape& i) { right_db.at({i[1], 0, 0, 0, 0}) += through(i); });
  options.through_relu = true;
  prepare({Direction::backward_data, Direction::backward_weights, Direction::backward_bias}, src.view, gradient.view);
  // Gradients by data may want another workspace where diff_src does not lie as src does.
  if (own_workspace) dx = src.like();
  expect_ok(backward<T>(p, gradient.view, src.view, weights.view, {dx.view, dw.view, {db.view.data, db.view.stride[0]}},
                        options, y.view),
            seed);
  compare("backward by data through ReLU", seed, dx, right_dx);
  compare("backward by weights through ReLU", seed, dw, right_dw);
  compare("backward by bias through ReLU", seed, db, right_db);

  options.through_relu = false;
  for (std::size_t a = 0; a < 3; ++a)
    dst_shape[a + 2] = std::max<int64_t>(1, out[a] - random(0, (p.dilation[a] - 1) / p.stride[a]));
  bias_shape[0] = p.in_channels;
  const auto inside = [&](const Shape& d) { return d[2] < dst_shape[2] && d[3] < dst_shape[3] && d[4] < dst_shape[4]; };
  Tensor<T> x(dst_shape, random, true), dt(dst_shape, random, false), right_dt(dst_shape, random, false);
  Tensor<T> dc(bias_shape, random, false), right_dc(bias_shape, random, false);
  if (own_workspace) dt = x.like();
  dw = Tensor<T>(weights_shape, random, false);
  begin(right_dt), begin(right_dw), begin(right_dc);
  for_each_product(p, [&](const Shape& s, const Shape& w, const Shape& d) {
    if (!inside(d)) return;
    right_dt.at(d) += src.at(s) * weights.at(w);
    right_dw.at(w) += x.at(d) * src.at(s);
  });
  for_each_index(src_shape, [&](const Shape& i) { right_dc.at({i[1], 0, 0, 0, 0}) += src.at(i); });
  prepare({Direction::forward, Direction::backward_weights}, src.view, x.view);
  expect_ok(transposed_backward<T>(p, src.view, x.view, weights.view,
                                   {dt.view, dw.view, {dc.view.data, dc.view.stride[0]}}, options),
            seed);
  compare("transposed backward by data", seed, dt, right_dt);
  compare("transposed backward by weights", seed, dw, right_dw);
  compare("transposed backward by bias", seed, dc, right_dc);
}

template <class T>
void check(int64_t seed) {
  Random random{std::mt19937_64(static_cast<std::uint64_t>(seed))};
  const ConvProblem p = random_problem(random);
  const Spatial out = dst_size(p);
  const Shape src_shape = src_shape_of(p), weight_shape = weights_shape_of(p);
  const Shape dst_shape{p.batch, p.out_channels, out[0], out[1], out[2]};
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

  check_backward<T>(p, options, own_workspace, random, seed);

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
