// What a pass would do: its plan, summed up.
#include "core/backward_data.hpp"
#include "core/bias_gradient.hpp"
#include "core/check.hpp"
#include "core/dispatch.hpp"
#include "core/weight_gradient.hpp"

namespace tapwise {
namespace {

template <class Plan>
void describe_tile(const Plan& plan, Description& d) {
  d.lanes = name(plan.lanes);
  d.tile_rows = static_cast<int>(plan.rows);
  d.tile_vectors = plan.vectors;
}

template <class T>
void describe_jobs(const Jobs<T>& jobs, const Options& options, Description& d) {
  d.threads = std::max(d.threads, threads_for(options, jobs.work, jobs.items));
  d.jobs += std::ssize(jobs.jobs);
  d.items += jobs.items;
  d.packed_bytes = std::max(d.packed_bytes, jobs.packed_bytes());
  d.scratch_bytes = std::max(d.scratch_bytes, jobs.scratch_bytes);
  d.workspace_bytes = std::max(d.workspace_bytes, jobs.workspace_bytes(d.threads));
  if (jobs.jobs.empty()) return;
  describe_tile(jobs.jobs.front().plan, d);
  d.in_place = jobs.jobs.front().plan.in_place;
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
}

}  // namespace

template <class T>
Status describe(const ConvProblem& p, Direction direction, TensorView<const T> src, TensorView<const T> dst,
                const Options& options, Description& d) {
  if (Status s = validate(p); !s) return s;
  if (Status s = check_view("src", src, src_shape(p), Use::describe); !s) return s;
  if (Status s = check_view("dst", dst, dst_shape(p), Use::describe); !s) return s;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr) return status;
  return guarded([&]() -> Status {
    const auto& k = kernels_of<T>(*table);
    const auto weights = dense_view<const T>(nullptr, weights_shape(p));
    d = {};
    if (p.batch == 0) return {};
    switch (direction) {
      case Direction::forward: {
        Jobs<T> jobs;
        const Correlation c = lower_forward<T>(p, src, weights, dst);
    jobs.add(c, plan_correlate(c, k));
        describe_jobs(jobs, options, d);
        return {};
      }
      case Direction::backward_data:
        for_each_batch(BackwardData<T>(p, dst, weights, src), k,
                       [&](const Jobs<T>& jobs) { describe_jobs(jobs, options, d); });
        return {};
      case Direction::backward_weights:
        describe_weight_gradient(lower_forward<T>(p, src, weights, dst), k, options, d);
        return {};
      case Direction::backward_bias:
        describe_bias_gradient<T>(normalised(dst), options, d);
        return {};
    }
    return {};
  });
}

template Status describe<float>(const ConvProblem&, Direction, TensorView<const float>, TensorView<const float>,
                                const Options&, Description&);
template Status describe<double>(const ConvProblem&, Direction, TensorView<const double>, TensorView<const double>,
                                 const Options&, Description&);

}  // namespace tapwise
