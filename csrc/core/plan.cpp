#include "tapwise/plan.hpp"

#include <cstring>

#include "check.hpp"
#include "dispatch.hpp"
#include "finite.hpp"
#include "jobs.hpp"
#include "overlap.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

template <class T>
struct Plan<T>::State {
  ConvProblem problem;
  bool relu = false, has_bias = false;
  CorrelatePlan finite, any;  // for weights that are all finite, and for any
  Memory packed;
  bool all_finite = true;  // the packed ones

  const CorrelatePlan& plan() const { return all_finite ? finite : any; }

  static TensorView<const T> imagined_weights(const ConvProblem& p) {
    return dense_view<const T>(nullptr, weights_shape(p));
  }

  T* numbers() const { return reinterpret_cast<T*>(packed.data()); }

  /// The forward pass on these views, following the packed weights: a single job, kept in `job`.
  Jobs<T> jobs(const kernels::Kernels<T>& k, TensorView<const T> src, TensorView<const T> weights,
               TensorView<const T> dst, typename Jobs<T>::Job& job) const {
    Jobs<T> jobs{.room = {&job, 1}};
    const Correlation c = lower_forward<T>(problem, src, weights, dst);
    jobs.add(c, plan_correlate(c, k, &plan()));
    return jobs;
  }
};

inline namespace TAPWISE_PRIVATE {
inline Status no_plan() noexcept { return Status::error(Code::invalid_argument, "the plan was not created"); }

// Room for packed weights.
template <class T>
Status zeros(const CorrelatePlan& plan, Memory& packed) noexcept {
  const int64_t bytes = capped_product(plan.packed_numbers(), int64_t{sizeof(T)});
  packed = Memory(bytes);
  if (packed.data() == nullptr) return out_of_memory(bytes);
  std::memset(packed.data(), 0, static_cast<std::size_t>(bytes));
  return {};
}

}  // namespace TAPWISE_PRIVATE

template <class T>
Status Plan<T>::create(const ConvProblem& p, TensorView<const T> src, TensorView<const T> dst, bool relu,
                       Plan& plan) noexcept {
  if (Status s = validate(p); !s) return s;
  if (Status s = check_view("src", src, src_shape(p), Use::describe); !s) return s;
  if (Status s = check_view("dst", dst, dst_shape(p), Use::describe); !s) return s;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr) return status;
  // Nobody looked at the strides of an empty batch.
  if (p.batch == 0) src = dense_view<const T>(nullptr, src_shape(p)), dst = dense_view<const T>(nullptr, dst_shape(p));
  const Correlation c = lower_forward<T>(p, src, State::imagined_weights(p), dst);
  const auto& k = kernels_of<T>(*table);
  const CorrelatePlan finite = plan_correlate(c, k);
  const CorrelatePlan any = finite.padding_read ? plan_correlate(c, k, nullptr, false, false) : finite;
  Memory packed;
  if (Status s = zeros<T>(finite, packed); !s) return s;
  return guarded([&]() -> Status {
    plan.state_ = std::make_shared<State>(State{p, relu, false, finite, any, std::move(packed)});
    return {};
  });
}

template <class T>
Status Plan<T>::update(TensorView<const T> weights, VectorView<const T> bias, const Options& options) noexcept {
  if (state_ == nullptr) return no_plan();
  const ConvProblem& p = state_->problem;
  if (Status s = check_view("weights", weights, weights_shape(p), Use::read); !s) return s;
  if (Status s = check_vector("bias", bias, p.out_channels, Use::describe); !s) return s;
  Status status;
  const auto& k = kernels_of<T>(*active_table(status));
  const bool finite = !state_->finite.padding_read || all_finite(weights);
  if (finite != state_->all_finite) {
    Memory packed;
    if (Status s = zeros<T>(finite ? state_->finite : state_->any, packed); !s) return s;
    state_->packed = std::move(packed);
    state_->all_finite = finite;
  }
  const auto src = dense_view<const T>(nullptr, src_shape(p)), dst = dense_view<const T>(nullptr, dst_shape(p));
  typename Jobs<T>::Job job;
  const Jobs<T> jobs = state_->jobs(k, src, weights, dst, job);
  jobs.pack(k, bias, state_->numbers(), options.parallel,
            threads_for(options, static_cast<double>(state_->packed.bytes()), jobs.panels));
  state_->has_bias = bias.data != nullptr;
  return {};
}

template <class T>
Status Plan<T>::run(TensorView<const T> src, TensorView<T> dst, const Options& options) const noexcept {
  if (state_ == nullptr) return no_plan();
  const ConvProblem& p = state_->problem;
  if (Status s = check_view("src", src, src_shape(p), Use::read); !s) return s;
  if (Status s = check_view("dst", dst, dst_shape(p), Use::write); !s) return s;
  if (Status s = check_apart("dst", memory_of(dst), "src", memory_of(src)); !s) return s;
  if (p.batch == 0) return {};
  Status status;
  const auto& k = kernels_of<T>(*active_table(status));
  typename Jobs<T>::Job job;
  const Jobs<T> jobs = state_->jobs(k, src, State::imagined_weights(p), dst, job);
  const int team = threads_for(options, jobs.work, jobs.items);
  const Scratch scratch(options.workspace, workspace_of(0, team, jobs.scratch_bytes));
  if (!scratch.status()) return scratch.status();
  jobs.run(k, state_->numbers(), {}, {state_->has_bias, state_->relu, options.accumulate}, scratch.data(),
           options.parallel, team, [](std::int64_t) {});
  return {};
}

template <class T>
Status Plan<T>::workspace_size(TensorView<const T> src, TensorView<const T> dst, const Options& options,
                               std::int64_t& bytes) const noexcept {
  if (state_ == nullptr) return no_plan();
  const ConvProblem& p = state_->problem;
  if (Status s = check_view("src", src, src_shape(p), Use::describe); !s) return s;
  if (Status s = check_view("dst", dst, dst_shape(p), Use::describe); !s) return s;
  Status status;
  typename Jobs<T>::Job job;
  const Jobs<T> jobs = state_->jobs(kernels_of<T>(*active_table(status)), src, State::imagined_weights(p), dst, job);
  bytes = workspace_of(0, threads_for(options, jobs.work, jobs.items), jobs.scratch_bytes);
  return bytes < kMostBytes ? Status{} : Status::error(Code::overflow, "the workspace is too large");
}

template <class T>
Plan<T> Plan<T>::fresh() const noexcept {
  Plan other;
  if (state_ == nullptr) return other;
  Memory packed;
  if (!zeros<T>(state_->plan(), packed)) return other;
  static_cast<void>(guarded([&]() -> Status {
    other.state_ = std::make_shared<State>(State{state_->problem, state_->relu, state_->has_bias, state_->finite,
                                                 state_->any, std::move(packed), state_->all_finite});
    return {};
  }));
  return other;
}

template <class T>
std::int64_t Plan<T>::packed_bytes() const noexcept {
  return state_ == nullptr ? 0 : state_->packed.bytes();
}

#if !defined(TAPWISE_HEADER_ONLY)
template class Plan<float>;
template class Plan<double>;
#endif

}  // namespace tapwise::inline TAPWISE_NAMESPACE
