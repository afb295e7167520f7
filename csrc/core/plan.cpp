#include "tapwise/plan.hpp"

#include "core/check.hpp"
#include "core/dispatch.hpp"
#include "core/jobs.hpp"

namespace tapwise {

template <class T>
struct Plan<T>::State {
  ConvProblem problem;
  bool relu, has_bias;
  CorrelatePlan plan;
  std::vector<T> packed;

  static TensorView<const T> imagined_weights(const ConvProblem& p) {
    return dense_view<const T>(nullptr, weights_shape(p));
  }

  /// The forward pass on these views, following the packed weights.
  Jobs<T> jobs(const kernels::Kernels<T>& k, TensorView<const T> src, TensorView<const T> weights,
               TensorView<const T> dst) const {
    Jobs<T> jobs;
    const Correlation c = lower_forward<T>(problem, src, weights, dst);
    jobs.add(c, plan_correlate(c, k, &plan));
    return jobs;
  }
};

namespace {

Status no_plan() { return Status::error(Code::invalid_argument, "the plan was not created"); }

}  // namespace

template <class T>
Status Plan<T>::create(const ConvProblem& p, TensorView<const T> src, TensorView<const T> dst, bool relu, Plan& plan) {
  if (Status s = validate(p); !s) return s;
  if (Status s = check_view("src", src, src_shape(p), Use::describe); !s) return s;
  if (Status s = check_view("dst", dst, dst_shape(p), Use::describe); !s) return s;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr) return status;
  return guarded([&]() -> Status {
    const Correlation c = lower_forward<T>(p, src, State::imagined_weights(p), dst);
    auto state = std::make_shared<State>(State{p, relu, false, plan_correlate(c, kernels_of<T>(*table)), {}});
    const int64_t bytes = capped_product(state->plan.packed_numbers(), int64_t{sizeof(T)});
    if (bytes >= kMostBytes) return out_of_memory(bytes);
    state->packed.resize(static_cast<std::size_t>(state->plan.packed_numbers()));
    plan.state_ = std::move(state);
    return {};
  });
}

template <class T>
Status Plan<T>::update(TensorView<const T> weights, const T* bias, std::int64_t bias_stride) {
  if (state_ == nullptr) return no_plan();
  const ConvProblem& p = state_->problem;
  if (Status s = check_view("weights", weights, weights_shape(p), Use::read); !s) return s;
  Status status;
  const auto& k = kernels_of<T>(*active_table(status));
  return guarded([&]() -> Status {
    const auto src = dense_view<const T>(nullptr, src_shape(p)), dst = dense_view<const T>(nullptr, dst_shape(p));
    const Jobs<T> jobs = state_->jobs(k, src, weights, dst);
    jobs.pack(k, {bias, bias_stride}, state_->packed.data(),
              threads_for({}, static_cast<double>(state_->packed.size()), jobs.panels));
    state_->has_bias = bias != nullptr;
    return {};
  });
}

template <class T>
Status Plan<T>::run(TensorView<const T> src, TensorView<T> dst, int threads) const {
  if (state_ == nullptr) return no_plan();
  const ConvProblem& p = state_->problem;
  if (Status s = check_view("src", src, src_shape(p), Use::read); !s) return s;
  if (Status s = check_view("dst", dst, dst_shape(p), Use::write); !s) return s;
  if (p.batch == 0) return {};
  Status status;
  const auto& k = kernels_of<T>(*active_table(status));
  return guarded([&]() -> Status {
    const Jobs<T> jobs = state_->jobs(k, src, State::imagined_weights(p), dst);
    const int team = threads_for({.threads = threads}, jobs.work, jobs.items);
    const Workspace workspace(team * jobs.scratch_bytes);
    if (workspace.data() == nullptr) return out_of_memory(team * jobs.scratch_bytes);
    jobs.run(k, state_->packed.data(), {}, {state_->has_bias, state_->relu, false}, workspace.data(), team,
             [](std::int64_t) {});
    return {};
  });
}

template <class T>
Plan<T> Plan<T>::fresh() const {
  Plan other;
  if (state_ != nullptr) other.state_ = std::make_shared<State>(*state_);
  return other;
}

template <class T>
std::int64_t Plan<T>::packed_bytes() const noexcept {
  return state_ == nullptr ? 0 : static_cast<std::int64_t>(state_->packed.size() * sizeof(T));
}

template class Plan<float>;
template class Plan<double>;

}  // namespace tapwise
