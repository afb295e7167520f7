#include "tapwise/operations.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstring>
#include <new>

#include "core/bias_gradient.hpp"
#include "core/dispatch.hpp"
#include "core/jobs.hpp"
#include "core/weight_gradient.hpp"
#include "core/workspace.hpp"
#include "tapwise/parallel.hpp"
#include "tapwise/plan.hpp"

namespace tapwise {
namespace {

template <class T>
Status check_view(const char* operand, const TensorView<const T>& view, const std::array<int64_t, 5>& expected,
                  bool needs_data) {
  for (std::size_t a = 0; a < 5; ++a)
    if (view.shape[a] != expected[a])
      return Status::error(Code::invalid_argument, "%s: size along axis %zu must be %" PRId64 ", got %" PRId64, operand,
                           a, expected[a], view.shape[a]);
  if (needs_data && view.data == nullptr) return Status::error(Code::invalid_argument, "%s: data is null", operand);
  return {};
}

template <class T>
Status check_operands(const ConvProblem& p, const TensorView<const T>& src, const TensorView<const T>& weights,
                      const TensorView<const T>& dst, bool needs_data = true) {
  if (Status s = validate(p); !s) return s;
  const Spatial out = dst_size(p);
  const bool any = needs_data && p.batch > 0;
  if (Status s = check_view("src", src, {p.batch, p.in_channels, p.src[0], p.src[1], p.src[2]}, any); !s) return s;
  if (Status s =
          check_view("weights", weights,
                     {p.out_channels, p.in_channels / p.groups, p.kernel[0], p.kernel[1], p.kernel[2]}, needs_data);
      !s)
    return s;
  return check_view("dst", dst, {p.batch, p.out_channels, out[0], out[1], out[2]}, any);
}

// A transposed convolution may add outputs (output_padding, fewer than its dilation) that only positions past the end
// of diff_dst would reach; those count as zeros. So diff_dst may lack them.
bool may_lack(const ConvProblem& p, std::size_t axis, int64_t missing) {
  return missing >= 0 && missing <= (p.dilation[axis] - 1) / p.stride[axis];
}

// What positions of a result that no product reaches become: the bias, or zero.
template <class T>
void fill(const TensorView<T>& view, const T* bias, int64_t bias_stride, const Options& options) {
  if (options.accumulate && bias == nullptr) return;
  const int64_t rows = view.shape[0] * view.shape[1];
  const double numbers = static_cast<double>(rows) * static_cast<double>(view.shape[2] * view.shape[3] * view.shape[4]);
  parallel_for(rows, threads_for(options, numbers, rows), [&](int64_t row, int) {
    const int64_t channel = row % view.shape[1];
    T value = 0;
    if (bias != nullptr) std::memcpy(&value, reinterpret_cast<const byte*>(bias) + channel * bias_stride, sizeof value);
    if (options.relu && value < T{0}) value = T{0};
    byte* const plane =
        reinterpret_cast<byte*>(view.data) + row / view.shape[1] * view.stride[0] + channel * view.stride[1];
    for (int64_t d = 0; d < view.shape[2]; ++d)
      for (int64_t h = 0; h < view.shape[3]; ++h)
        for (int64_t w = 0; w < view.shape[4]; ++w) {
          byte* to = plane + d * view.stride[2] + h * view.stride[3] + w * view.stride[4];
          T sum = value, old = 0;
          if (options.accumulate) std::memcpy(&old, to, sizeof old);
          sum += old;
          std::memcpy(to, &sum, sizeof sum);
        }
  });
}

}  // namespace

template <class T>
struct Plan<T>::State {
  ConvProblem problem;
  bool relu, has_bias;
  CorrelatePlan plan;
  std::vector<T> packed;
};

template <class T>
Status forward(const ConvProblem& p, TensorView<const T> src, TensorView<const T> weights, const T* bias,
               int64_t bias_stride, TensorView<T> dst, const Options& options) {
  if (Status s = check_operands<T>(p, src, weights, dst); !s) return s;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr || p.batch == 0) return status;
  return guarded([&] {
    const auto& k = kernels_of<T>(*table);
    return run_jobs(Jobs<T>({lower_forward<T>(p, src, weights, dst)}, k), k, bias, bias_stride, options);
  });
}

template <class T>
Status backward_data(const ConvProblem& p, TensorView<const T> diff_dst, TensorView<const T> weights, const T* bias,
                     int64_t bias_stride, TensorView<T> diff_src, const Options& options) {
  TensorView<const T> full = diff_dst;
  if (Status s = validate(p); !s) return s;
  for (std::size_t a = 0; a < 3; ++a)
    if (const int64_t size = dst_size(p)[a]; may_lack(p, a, size - full.shape[a + 2])) full.shape[a + 2] = size;
  if (Status s = check_operands<T>(p, diff_src, weights, full); !s) return s;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr || p.batch == 0) return status;
  return guarded([&] {
    const auto& k = kernels_of<T>(*table);
    const Phases phases = lower_backward_data<T>(p, diff_dst, weights, diff_src);
    if (!phases.covers_dst) fill(diff_src, bias, bias_stride, options);
    // Where positions were filled with accumulation, those that products reach got their bias too.
    const bool bias_done = !phases.covers_dst && options.accumulate;
    return run_jobs(Jobs<T>(phases.jobs, k), k, bias_done ? nullptr : bias, bias_stride, options);
  });
}

template <class T>
Status backward_weights(const ConvProblem& p, TensorView<const T> diff_dst, TensorView<const T> src,
                        TensorView<T> diff_weights, const Options& options) {
  if (Status s = check_operands<T>(p, src, diff_weights, diff_dst); !s) return s;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr) return status;
  if (p.batch == 0) {
    fill<T>(diff_weights, nullptr, 0, options);
    return {};
  }
  return guarded([&]() -> Status {
    const auto& k = kernels_of<T>(*table);
    const Correlation c = lower_forward<T>(p, src, diff_weights, diff_dst);
    const WeightGradientPlan plan = plan_weight_gradient(c, k);
    const int threads = threads_for(options, flops_of(c), plan.items());
    const int64_t sums_bytes = round_up(plan.sum_numbers() * int64_t{sizeof(T)}, kCacheLine);
    const int64_t bytes = sums_bytes + threads * plan.scratch_bytes();
    const Workspace workspace(bytes);
    if (workspace.data() == nullptr) return out_of_memory(bytes);
    T* const sums = reinterpret_cast<T*>(workspace.data());
    parallel_for(plan.items(), threads, [&](int64_t item, int thread) {
      run_weight_gradient_item(c, plan, k, item, sums, workspace.data() + sums_bytes + thread * plan.scratch_bytes());
    });
    parallel_for(plan.buffers(), threads,
                 [&](int64_t buffer, int) { store_weight_gradient(c, plan, buffer, options.accumulate, sums); });
    return {};
  });
}

template <class T>
Status describe(const ConvProblem& p, Direction direction, TensorView<const T> src, TensorView<const T> dst,
                const Options& options, Description& d) {
  if (Status s = validate(p); !s) return s;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr) return status;
  return guarded([&]() -> Status {
    const auto& k = kernels_of<T>(*table);
    const TensorView<const T> weights =
        dense_view<const T>(nullptr, {p.out_channels, p.in_channels / p.groups, p.kernel[0], p.kernel[1], p.kernel[2]});
    d = {};
    if (p.batch == 0) return {};
    if (direction == Direction::forward || direction == Direction::backward_data) {
      const Jobs<T> jobs(direction == Direction::forward ? std::vector{lower_forward<T>(p, src, weights, dst)}
                                                         : lower_backward_data<T>(p, dst, weights, src).jobs,
                         k);
      d.threads = threads_for(options, jobs.work, jobs.items);
      d.jobs = static_cast<int64_t>(jobs.jobs.size());
      d.items = jobs.items;
      d.packed_bytes = jobs.packed_bytes();
      d.scratch_bytes = jobs.scratch_bytes;
      d.workspace_bytes = jobs.workspace_bytes(d.threads);
      if (jobs.jobs.empty()) return {};
      const CorrelatePlan& plan = jobs.jobs.front().plan;
      d.lanes = name(plan.lanes);
      d.tile_rows = static_cast<int>(plan.rows);
      d.tile_vectors = plan.vectors;
      d.in_place = plan.in_place;
    } else if (direction == Direction::backward_weights) {
      const Correlation c = lower_forward<T>(p, src, weights, dst);
      const WeightGradientPlan plan = plan_weight_gradient(c, k);
      d.threads = threads_for(options, flops_of(c), plan.items());
      d.items = plan.items();
      d.packed_bytes = plan.sum_numbers() * int64_t{sizeof(T)};
      d.scratch_bytes = plan.scratch_bytes();
      d.workspace_bytes = round_up(d.packed_bytes, kCacheLine) + d.threads * d.scratch_bytes;
      d.lanes = name(plan.lanes);
      d.tile_rows = static_cast<int>(plan.rows);
      d.tile_vectors = plan.vectors;
      d.in_place = plan.src_in_place && plan.dst_in_place;
    } else {
      describe_bias_gradient<T>(dst, options, d);
    }
    return {};
  });
}

template <class T>
Status backward_bias(TensorView<const T> diff_dst, T* diff_bias, std::int64_t stride, const Options& options) {
  Checked numbers = 1;
  for (const int64_t size : diff_dst.shape) {
    if (size < 0) return Status::error(Code::invalid_argument, "diff_dst: a size is negative");
    numbers = numbers * size;
  }
  if ((numbers * 8).overflowed) return Status::error(Code::overflow, "the size of diff_dst does not fit into 64 bits");
  if (diff_bias == nullptr || (diff_dst.data == nullptr && numbers.value > 0))
    return Status::error(Code::invalid_argument, "%s: data is null", diff_bias == nullptr ? "diff_bias" : "diff_dst");
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr) return status;
  return guarded([&] { return run_bias_gradient(diff_dst, diff_bias, stride, options, kernels_of<T>(*table)); });
}

template <class T>
Status Plan<T>::create(const ConvProblem& p, TensorView<const T> src, TensorView<const T> dst, bool relu, Plan& plan) {
  const TensorView<const T> weights = dense_view<const T>(
      nullptr, {p.out_channels, p.in_channels / std::max<int64_t>(p.groups, 1), p.kernel[0], p.kernel[1], p.kernel[2]});
  if (Status s = check_operands<T>(p, src, weights, dst, false); !s) return s;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr) return status;
  return guarded([&]() -> Status {
    const auto& k = kernels_of<T>(*table);
    auto state =
        std::make_shared<State>(State{p, relu, false, plan_correlate(lower_forward<T>(p, src, weights, dst), k), {}});
    state->packed.resize(static_cast<std::size_t>(state->plan.packed_numbers()));
    plan.state_ = std::move(state);
    return {};
  });
}

template <class T>
Status Plan<T>::update(TensorView<const T> weights, const T* bias, std::int64_t bias_stride) {
  const ConvProblem& p = state_->problem;
  if (Status s = check_view("weights", weights,
                            {p.out_channels, p.in_channels / p.groups, p.kernel[0], p.kernel[1], p.kernel[2]}, true);
      !s)
    return s;
  Status status;
  const auto& k = kernels_of<T>(*active_table(status));
  return guarded([&]() -> Status {
    const Spatial out = dst_size(p);
    const auto src = dense_view<const T>(nullptr, {p.batch, p.in_channels, p.src[0], p.src[1], p.src[2]});
    const auto dst = dense_view<const T>(nullptr, {p.batch, p.out_channels, out[0], out[1], out[2]});
    const Jobs<T> jobs({lower_forward<T>(p, src, weights, dst)}, k, &state_->plan);
    jobs.pack(k, bias, bias_stride, state_->packed.data(),
              threads_for({}, static_cast<double>(state_->packed.size()), jobs.panels));
    state_->has_bias = bias != nullptr;
    return {};
  });
}

template <class T>
Status Plan<T>::run(TensorView<const T> src, TensorView<T> dst, int threads) const {
  const ConvProblem& p = state_->problem;
  const Spatial out = dst_size(p);
  if (Status s = check_view("src", src, {p.batch, p.in_channels, p.src[0], p.src[1], p.src[2]}, p.batch > 0); !s)
    return s;
  if (Status s = check_view<T>("dst", dst, {p.batch, p.out_channels, out[0], out[1], out[2]}, p.batch > 0); !s)
    return s;
  if (p.batch == 0) return {};
  Status status;
  const auto& k = kernels_of<T>(*active_table(status));
  return guarded([&]() -> Status {
    const auto weights =
        dense_view<const T>(nullptr, {p.out_channels, p.in_channels / p.groups, p.kernel[0], p.kernel[1], p.kernel[2]});
    const Jobs<T> jobs({lower_forward<T>(p, src, weights, dst)}, k, &state_->plan);
    const Options options{.relu = state_->relu, .threads = threads};
    const int team = threads_for(options, jobs.work, jobs.items);
    const Workspace workspace(team * jobs.scratch_bytes);
    if (workspace.data() == nullptr) return out_of_memory(team * jobs.scratch_bytes);
    jobs.run(k, state_->packed.data(), {state_->has_bias, state_->relu, false}, workspace.data(), team);
    return {};
  });
}

template <class T>
Plan<T> Plan<T>::fresh() const {
  Plan other;
  other.state_ = std::make_shared<State>(*state_);
  return other;
}

template <class T>
std::int64_t Plan<T>::packed_bytes() const noexcept {
  return static_cast<std::int64_t>(state_->packed.size() * sizeof(T));
}

#define TAPWISE_INSTANTIATE(T)                                                                                         \
  template Status forward<T>(const ConvProblem&, TensorView<const T>, TensorView<const T>, const T*, std::int64_t,     \
                             TensorView<T>, const Options&);                                                           \
  template Status backward_data<T>(const ConvProblem&, TensorView<const T>, TensorView<const T>, const T*,             \
                                   std::int64_t, TensorView<T>, const Options&);                                       \
  template Status backward_weights<T>(const ConvProblem&, TensorView<const T>, TensorView<const T>, TensorView<T>,     \
                                      const Options&);                                                                 \
  template Status backward_bias<T>(TensorView<const T>, T*, std::int64_t, const Options&);                             \
  template Status describe<T>(const ConvProblem&, Direction, TensorView<const T>, TensorView<const T>, const Options&, \
                              Description&);                                                                           \
  template class Plan<T>;
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE

}  // namespace tapwise
