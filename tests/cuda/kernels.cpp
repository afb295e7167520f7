// Every CUDA kernel on an emulated device against the plain loops, to the bit, on random problems. Each pass is
// computed as the planner would, and by the one of its possibilities that ran least often: every kernel has its turn.
// So have the orders in which an emulated block runs its threads, and the moments at which asynchronous copies land.
//
//   cuda_kernels [count] [first seed] [stop after so many failures]
#include <cuda_runtime.h>

#include <cstdlib>
#include <map>
#include <string>

#include "../cpp/random_problem.hpp"
#include "cuda/plan.hpp"

namespace {

using namespace tapwise;
using namespace tapwise::testing;
using tapwise::emulation::settings;
namespace cuda = tapwise::cuda;

std::map<std::string, int> ran;  // how often, by kernel

template <class T>
std::string name_of(const cuda::Choice<T>& c) {
  const std::string type = sizeof(T) == 8 ? "float64" : "float32";
  const auto name = [](cuda::Along along) { return along == cuda::Along::depth ? "depth" : "rows"; };
  std::string kernel;
  if (c.method == cuda::Method::implicit_gemm)
    kernel = std::string(c.kernel->tensor_cores ? "tf32" : type) + " " + std::to_string(c.kernel->rows) + "x" +
             std::to_string(c.kernel->cols) + " " + name(c.kernel->a) + " " + name(c.kernel->b) + " by " +
             std::to_string(c.kernel->copy);
  else if (c.method == cuda::Method::direct)
    kernel = type + " direct " + std::to_string(c.cols);
  else
    kernel = type + " sum_pixels " + std::to_string(c.lanes);
  return kernel;
}

template <class T>
void count(const cuda::Choice<T>& c) {
  ++ran[name_of(c)];
  if (c.splits > 1) ++ran[sizeof(T) == 8 ? "float64 add_splits" : "float32 add_splits"];
}

// One of those whose kernel ran least often.
template <class T>
cuda::Choice<T> rarest(const std::vector<cuda::Choice<T>>& all, Random& random) {
  const auto times = [](const cuda::Choice<T>& c) { return ran.count(name_of(c)) == 0 ? 0 : ran[name_of(c)]; };
  const auto rarer = [&](const auto& a, const auto& b) { return times(a) < times(b); };
  const int least = times(*std::min_element(all.begin(), all.end(), rarer));
  std::vector<cuda::Choice<T>> rare;
  std::copy_if(all.begin(), all.end(), std::back_inserter(rare), [&](const auto& c) { return times(c) == least; });
  return rare[static_cast<std::size_t>(random(0, static_cast<std::int64_t>(rare.size()) - 1))];
}

void shuffle_settings(Random& random) {
  using namespace tapwise::emulation;
  constexpr Order orders[] = {Order::kForward, Order::kReverse, Order::kShuffled};
  settings().order = orders[random(0, 2)];
  settings().seed = static_cast<std::uint32_t>(random(1, 1000));
  settings().land = random(0, 1) ? Landing::kIssue : Landing::kWait;
}

template <class T>
void run(const cuda::Plan<T>& plan, std::int64_t seed) {
  count(plan.choice);
  const std::unique_ptr<T[]> workspace(new T[static_cast<std::size_t>(plan.workspace_bytes) / sizeof(T)]);
  cudaError_t error = cuda::run(plan, workspace.get(), nullptr);
  if (error == cudaSuccess) error = cudaDeviceSynchronize();
  if (error == cudaSuccess) return;
  std::printf("seed %lld: %s %s\n", static_cast<long long>(seed), cudaGetErrorString(error),
              tapwise::emulation::last_fault().c_str());
  tapwise::emulation::reset();
  ++failures;
}

// lower(pass, result): the pass into that tensor. Runs it twice, into fresh tensors.
template <class T, class Lower>
void check_pass(const char* name, std::int64_t seed, Random& random, const Tensor<T>& expected, Options options,
                Lower lower) {
  const cuda::Device device{80, 4, settings().shared_optin};
  for (const bool planned : {true, false}) {
    shuffle_settings(random);
    Tensor<T> result = expected.like();
    cuda::Pass<T> pass;
    expect_ok(lower(pass, result), seed);
    for (cuda::Product<T>& p : pass.products) {
      p.relu = options.relu;
      p.accumulate = options.accumulate;
    }
    const bool tf32 = !planned || random(0, 1) == 1;
    const auto all = possibilities(pass, device, tf32);
    if (all.empty()) continue;
    run(planned ? cuda::plan(pass, device, tf32) : cuda::plan(pass, rarest(all, random)), seed);
    compare(name, seed, result, expected);
  }
}

// Channels that copies of 16 bytes take, half of the time.
ConvProblem random_cuda_problem(Random& random) {
  ConvProblem p = random_problem(random);
  if (random(0, 1) == 0) return p;
  const auto whole = [&](std::int64_t channels) { return (channels / p.groups + 3) / 4 * 4 * p.groups; };
  p.in_channels = whole(p.in_channels);
  p.out_channels = whole(p.out_channels);
  return p;
}

template <class T>
void check(std::int64_t seed) {
  Random random{std::mt19937_64(static_cast<std::uint64_t>(seed))};
  const ConvProblem p = random_cuda_problem(random);
  const Spatial out = dst_size(p);
  const Shape src_shape{p.batch, p.in_channels, p.src[0], p.src[1], p.src[2]};
  const Shape dst_shape{p.batch, p.out_channels, out[0], out[1], out[2]};
  const Shape weight_shape{p.out_channels, p.in_channels / p.groups, p.kernel[0], p.kernel[1], p.kernel[2]};
  Options options;
  options.accumulate = random(0, 3) == 0;
  options.relu = random(0, 3) == 0;
  const double channels_last = random(0, 1) ? 0.9 : 0.1;
  const Tensor<T> src(src_shape, random, true, channels_last), weights(weight_shape, random, true, channels_last);
  const Tensor<T> gradient(dst_shape, random, true, channels_last);
  const Tensor<T> bias({p.out_channels, 1, 1, 1, 1}, random, true), src_bias({p.in_channels, 1, 1, 1, 1}, random, true);
  const bool with_bias = random(0, 1) == 1;
  const T start = options.accumulate ? T(-77) : T(0);
  const auto relu = [&](const Tensor<T>& t) {
    if (options.relu) for_each_index(t.view.shape, [&](const Shape& i) { t.at(i) = std::max(t.at(i), T(0)); });
  };
  const auto bias_at = [&](const Tensor<T>& b, const Shape& i) { return with_bias ? b.at({i[1], 0, 0, 0, 0}) : T(0); };
  const auto bias_view = [&](const Tensor<T>& b) {
    return VectorView<const T>{with_bias ? b.view.data : nullptr, b.view.stride[0]};
  };

  const Tensor<T> dst(dst_shape, random, false, channels_last);
  for_each_index(dst_shape, [&](const Shape& i) { dst.at(i) = start + bias_at(bias, i); });
  for_each_product(p, [&](const Shape& s, const Shape& w, const Shape& d) { dst.at(d) += src.at(s) * weights.at(w); });
  relu(dst);
  check_pass<T>("forward", seed, random, dst, options, [&](cuda::Pass<T>& pass, const Tensor<T>& to) {
    return cuda::lower_forward<T>(p, src.view, weights.view, bias_view(bias), to.view, pass);
  });

  const Tensor<T> diff_src(src_shape, random, false, channels_last);
  for_each_index(src_shape, [&](const Shape& i) { diff_src.at(i) = start + bias_at(src_bias, i); });
  for_each_product(
      p, [&](const Shape& s, const Shape& w, const Shape& d) { diff_src.at(s) += gradient.at(d) * weights.at(w); });
  relu(diff_src);
  check_pass<T>("backward_data", seed, random, diff_src, options, [&](cuda::Pass<T>& pass, const Tensor<T>& to) {
    return cuda::lower_backward_data<T>(p, gradient.view, weights.view, bias_view(src_bias), to.view, pass);
  });

  options.relu = false;
  const Tensor<T> diff_weights(weight_shape, random, false, channels_last);
  for_each_index(weight_shape, [&](const Shape& i) { diff_weights.at(i) = start; });
  for_each_product(
      p, [&](const Shape& s, const Shape& w, const Shape& d) { diff_weights.at(w) += gradient.at(d) * src.at(s); });
  check_pass<T>("backward_weights", seed, random, diff_weights, options, [&](cuda::Pass<T>& pass, const Tensor<T>& to) {
    return cuda::lower_backward_weights<T>(p, gradient.view, src.view, to.view, pass);
  });

  const Tensor<T> diff_bias({p.out_channels, 1, 1, 1, 1}, random, false);
  for_each_index(diff_bias.view.shape, [&](const Shape& i) { diff_bias.at(i) = start; });
  for_each_index(dst_shape, [&](const Shape& i) { diff_bias.at({i[1], 0, 0, 0, 0}) += gradient.at(i); });
  check_pass<T>("backward_bias", seed, random, diff_bias, options, [&](cuda::Pass<T>& pass, const Tensor<T>& to) {
    return cuda::lower_backward_bias<T>(gradient.view, {to.view.data, to.view.stride[0]}, pass);
  });
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t count = argc > 1 ? std::atoll(argv[1]) : 200;
  const std::int64_t first = argc > 2 ? std::atoll(argv[2]) : 0;
  const int most = argc > 3 ? std::atoi(argv[3]) : 100;
  for (std::int64_t seed = first; seed < first + count && failures < most; ++seed) {
    check<float>(seed);
    check<double>(seed);
  }
  for (const auto& [kernel, times] : ran) std::printf("%6d  %s\n", times, kernel.c_str());
  std::printf("%lld problems, %zu kernels, %d failures\n", static_cast<long long>(count), ran.size(), failures);
  return failures == 0 ? 0 : 1;
}
