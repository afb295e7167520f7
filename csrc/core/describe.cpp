// What a pass would do: its plan, summed up.
#include "backward_data.hpp"
#include "bias_gradient.hpp"
#include "check.hpp"
#include "dispatch.hpp"
#include "few_channels.hpp"
#include "weight_gradient.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {
inline namespace TAPWISE_PRIVATE {
inline void choose(Description& d, const char* sentence) {
  for (const char*& choice : d.choices)
    if (choice == nullptr) return static_cast<void>(choice = sentence);
}

template <class Plan>
void describe_tile(const Plan& plan, Description& d) {
  d.lane_speed[0] = plan.lane_speed.channels;
  d.lane_speed[1] = plan.lane_speed.pixels;
  d.lane_speed[2] = plan.lane_speed.groups;
  d.lanes = name(plan.lanes);
  d.tile_rows = static_cast<int>(plan.rows);
  d.tile_vectors = plan.vectors;
}

constexpr const char* kPaddingRead =
    "activations go through a band, with padding as zeros: vectors of pixels take it along (weights that are not all "
    "finite go by channels, which leave it out)";

inline const char* reading_of(const CorrelatePlan& plan) {
  if (plan.in_place) return "activations are read where they lie, and taps that meet padding are left out";
  if (plan.through) return "the gradient goes through a band, where it is zero wherever the ReLU's result is";
  switch (plan.lanes) {
    case Lanes::pixels:
      return plan.padding_read ? kPaddingRead : "activations go through a band: vectors of pixels need them dense";
    case Lanes::groups:
      return "activations go through a band: groups do not lie side by side";
    case Lanes::channels:
      break;
  }
  return "activations go through a band: where they lie, lines of the cache would push each other out";
}

inline const char* order_of(const CorrelatePlan& plan) {
  if (plan.pack_in_item)
    return "each piece packs the one panel of weights that it uses: all weights passing by each image would cost "
           "more";
  if (plan.panels_inside) return "all weights pass by each tile: they fit into the second-level cache";
  return "all tiles of a block pass by each panel of weights: the weights are too large for the cache";
}

template <class T>
void describe_jobs(const Jobs<T>& jobs, const Options& options, Description& d) {
  d.threads = std::max(d.threads, threads_for(options, jobs.work, jobs.items));
  d.jobs += jobs.count;
  d.items += jobs.items;
  d.packed_bytes = std::max(d.packed_bytes, jobs.packed_bytes());
  d.scratch_bytes = std::max(d.scratch_bytes, jobs.scratch_bytes);
  d.workspace_bytes = std::max(d.workspace_bytes, jobs.workspace_bytes(threads_for(options, jobs.work, jobs.items)));
  describe_tile(jobs.first, d);
  const CorrelatePlan& plan = jobs.first;
  d.in_place = plan.in_place;
  d.finite_weights = plan.padding_read;
  if (d.choices[0] != nullptr) return;
  choose(d, reading_of(plan));
  choose(d, order_of(plan));
}

// Of many phases: what as many as run at a time need at most.
template <class T, class Finite>
void describe_largest(const BackwardData<T>& lowered, const kernels::Kernels<T>& k, Finite&& finite,
                      const Options& options, Description& d) {
  const Correlation largest = lowered.largest();
  const CorrelatePlan plan = plan_for(largest, k, finite, true);
  Jobs<T> jobs;
  for (int64_t i = 0; i < kPhasesAtATime; ++i) jobs.add(largest, plan);
  describe_jobs(jobs, options, d);
  d.jobs = lowered.phases();
  d.items = capped_product(jobs.items, ceil_div(lowered.phases(), kPhasesAtATime));
}

inline void describe_few_channels(const FewChannelsPlan& plan, const ConvProblem& p, const Options& options,
                                  int64_t element_bytes, Description& d) {
  d.lanes = name(Lanes::pixels);
  d.tile_rows = static_cast<int>(plan.panel_rows);
  d.tile_vectors = plan.vectors;
  d.jobs = 1;
  d.items = plan.items;
  d.threads = threads_for(options, flops(p), plan.items);
  d.packed_bytes = capped_product(plan.packed_numbers, element_bytes);
  d.scratch_bytes = plan.scratch_bytes;
  d.workspace_bytes = workspace_bytes(plan, d.threads, element_bytes);
  choose(d, "rows of a tile are channels times phases of the stride: channels alone would fill neither rows nor lanes");
  choose(d, kPaddingRead);
  d.finite_weights = plan.padding_read;
}

template <class T>
void describe_weight_gradient(const Correlation& c, const kernels::Kernels<T>& k, const Options& options,
                              Description& d) {
  const WeightGradientPlan plan = plan_weight_gradient(c, k);
  d.threads = threads_for(options, flops_of(c), plan.items());
  d.items = plan.items();
  d.packed_bytes = capped_product(plan.sum_numbers(), int64_t{sizeof(T)});
  d.scratch_bytes = plan.scratch_bytes(sizeof(T));
  d.workspace_bytes = plan.workspace_bytes(d.threads, sizeof(T));
  describe_tile(plan, d);
  d.in_place = plan.src_in_place && plan.dst_in_place;
  choose(d, plan.src_in_place
                ? "the input is read where it lies, and taps that meet padding are left out"
                : "the input goes through a band: its channels are few or its lines collide in the cache");
  choose(d, plan.through ? "the output's gradient goes through a band, where it is zero wherever the ReLU's result is"
            : plan.dst_in_place ? "the output's gradient is read where it lies"
                                : "the output's gradient goes through a band, transposed to have its lanes dense");
  choose(d, plan.chunks > 1
                ? "positions are divided into chunks with sums of their own: there are few channels to share out"
                : "channels are shared out, and each piece stores its sums at once");
}

// The pass with weights that are all finite, or not.
template <class T>
Status describe(const ConvProblem& p, Direction direction, TensorView<const T> src, TensorView<const T> dst,
                const Options& options, bool finite_weights, Description& d) noexcept {
  const auto finite = [finite_weights] { return finite_weights; };
  const TensorView<const T>* const y = options.through_relu ? &dst : nullptr;
  if (Status s = validate(p); !s) return s;
  if (Status s = check_view("src", src, src_shape(p), Use::describe); !s) return s;
  const auto shape = direction == Direction::backward_bias ? dst_shape(p) : diff_dst_shape(p, dst.shape);
  if (Status s = check_view("dst", dst, shape, Use::describe); !s) return s;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr) return status;
  const auto& k = kernels_of<T>(*table);
  const auto weights = dense_view<const T>(nullptr, weights_shape(p));
  d = {};
  if (p.batch == 0) return {};
  switch (direction) {
    case Direction::forward: {
      Jobs<T> jobs;
      const Correlation c = lower_forward<T>(p, src, weights, dst);
      jobs.add(c, plan_for(c, k, finite));
      describe_jobs(jobs, options, d);
      return {};
    }
    case Direction::backward_data: {
      const BackwardData<T> lowered(p, dst, weights, src, y);
      if (const auto plan = plan_few_channels(lowered, k); plan && (!plan->padding_read || finite())) {
        describe_few_channels(*plan, p, options, sizeof(T), d);
        return {};
      }
      if (lowered.phases() <= kMostDescribed)
        for_each_batch(lowered, k, {}, finite, [&](const Jobs<T>& jobs) { describe_jobs(jobs, options, d); });
      else
        describe_largest(lowered, k, finite, options, d);
      d.workspace_bytes = BatchMemory<T>(lowered, d.workspace_bytes).bytes;
      return {};
    }
    case Direction::backward_weights:
      describe_weight_gradient(lower_forward<T>(p, src, weights, dst, y), k, options, d);
      return {};
    case Direction::backward_bias:
      describe_bias_gradient<T>(normalised(dst), y, options, d);
      return {};
  }
  return {};
}

}  // namespace TAPWISE_PRIVATE

template <class T>
Status describe(const ConvProblem& p, Direction direction, TensorView<const T> src, TensorView<const T> dst,
                const Options& options, Description& d) noexcept {
  return describe<T>(p, direction, src, dst, options, true, d);
}

template <class T>
Status workspace_size(const ConvProblem& p, Direction direction, TensorView<const T> src, TensorView<const T> dst,
                      const Options& options, int64_t& bytes) noexcept {
  Description finite, any;
  if (Status s = describe<T>(p, direction, src, dst, options, true, finite); !s) return s;
  if (finite.finite_weights)
    if (Status s = describe<T>(p, direction, src, dst, options, false, any); !s) return s;
  const int64_t needed = std::max(finite.workspace_bytes, any.workspace_bytes);
  if (needed >= kMostBytes)
    return Status::error(Code::overflow, "the workspace is too large: its bytes are more than 2^52");
  bytes = needed;
  return {};
}

#if !defined(TAPWISE_HEADER_ONLY)
#define TAPWISE_INSTANTIATE(T)                                                                                         \
  template Status describe<T>(const ConvProblem&, Direction, TensorView<const T>, TensorView<const T>, const Options&, \
                              Description&) noexcept;                                                                  \
  template Status workspace_size<T>(const ConvProblem&, Direction, TensorView<const T>, TensorView<const T>,           \
                                    const Options&, int64_t&) noexcept;
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE
#endif

}  // namespace tapwise::inline TAPWISE_NAMESPACE
