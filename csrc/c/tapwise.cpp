// The C functions, each a translation of its arguments.
#include "tapwise/tapwise.h"

#include <cstring>
#include <new>
#include <type_traits>
#include <variant>

#include "tapwise/tapwise.hpp"

using namespace tapwise;

struct tapwise_plan {
  std::variant<Plan<float>, Plan<double>> plan;
};

namespace {

thread_local char last_error[sizeof Status::text];

tapwise_status returned(const Status& status) noexcept {
  if (!status) std::memcpy(last_error, status.message(), sizeof last_error);
  return static_cast<tapwise_status>(status.code);
}

tapwise_status refused(const char* what) noexcept {
  return returned(Status::error(Code::invalid_argument, "%s", what));
}

/// Calls body(T{}) with the number type.
template <class Body>
tapwise_status with_type(tapwise_type type, Body&& body) noexcept {
  if (type == TAPWISE_FLOAT32) return body(float{});
  if (type == TAPWISE_FLOAT64) return body(double{});
  return refused("type: neither TAPWISE_FLOAT32 nor TAPWISE_FLOAT64");
}

/// What a caller of some version knows of a structure, and the defaults of the rest.
template <class Struct>
bool read(const Struct* from, Struct& to) noexcept {
  if (from == nullptr || from->struct_size < sizeof(std::size_t)) return false;
  std::memcpy(&to, from, from->struct_size < sizeof to ? from->struct_size : sizeof to);
  return true;
}

Spatial spatial(const int64_t (&from)[3]) noexcept { return {from[0], from[1], from[2]}; }

bool read(const tapwise_problem* from, ConvProblem& p) noexcept {
  tapwise_problem known = TAPWISE_PROBLEM_INIT;
  if (!read<tapwise_problem>(from, known)) return false;
  p = {known.batch,
       known.in_channels,
       known.out_channels,
       known.groups,
       spatial(known.src),
       spatial(known.kernel),
       spatial(known.stride),
       spatial(known.dilation),
       spatial(known.pad_low),
       spatial(known.pad_high),
       known.flip != 0};
  return true;
}

struct ReadOptions {
  ParallelFor parallel;
  Options options;

  bool from(const tapwise_options* given) noexcept {
    tapwise_options known = TAPWISE_OPTIONS_INIT;
    if (given != nullptr && !read<tapwise_options>(given, known)) return false;
    parallel = {known.parallel_for, known.parallel_context, known.workers};
    options = {.relu = known.relu != 0,
               .accumulate = known.accumulate != 0,
               .threads = known.threads,
               .workspace = {known.workspace, known.workspace_bytes},
               .parallel = known.parallel_for != nullptr ? &parallel : nullptr,
               .through_relu = known.through_relu != 0};
    return true;
  }
};

template <class T>
TensorView<T> view(const tapwise_tensor* t) noexcept {
  TensorView<T> v;
  if (t == nullptr) return v;
  v.data = static_cast<T*>(t->data);
  for (std::size_t a = 0; a < 5; ++a) {
    v.shape[a] = t->shape[a];
    v.stride[a] = t->stride[a];
  }
  return v;
}

template <class T>
VectorView<T> vector(const tapwise_vector* v) noexcept {
  if (v == nullptr) return {};
  return {static_cast<T*>(v->data), v->stride};
}

constexpr const char* kNull = "a pointer is null, or a structure has no size: see TAPWISE_PROBLEM_INIT";

/// body(T, problem, options) once the pointers are looked at.
template <class Body, class... Pointers>
tapwise_status call(tapwise_type type, const tapwise_problem* problem, const tapwise_options* options, Body&& body,
                    const Pointers*... pointers) noexcept {
  ConvProblem p;
  ReadOptions o;
  if (!read(problem, p) || !o.from(options) || (... || (pointers == nullptr))) return refused(kNull);
  return with_type(type, [&]<class T>(T number) { return returned(body(number, p, o.options)); });
}

}  // namespace

const char* tapwise_version(void) { return TAPWISE_VERSION; }
int tapwise_abi_version(void) { return TAPWISE_ABI; }
const char* tapwise_last_error(void) { return last_error; }

tapwise_tensor tapwise_dense(void* data, tapwise_type type, const int64_t shape[5], int channels_last) {
  tapwise_tensor t{};
  t.data = data;
  constexpr int kOrder[2][5] = {{0, 1, 2, 3, 4}, {0, 2, 3, 4, 1}};
  std::uint64_t step = type == TAPWISE_FLOAT64 ? 8 : 4;
  for (int i = 5; i-- > 0;) {
    const int axis = kOrder[channels_last != 0][i];
    t.shape[axis] = shape[axis];
    t.stride[axis] = static_cast<int64_t>(step);
    step *= static_cast<std::uint64_t>(shape[axis]);
  }
  return t;
}

tapwise_status tapwise_dst_size(const tapwise_problem* problem, int64_t size[3]) {
  ConvProblem p;
  if (!read(problem, p) || size == nullptr) return refused(kNull);
  const Status status = validate(p);
  if (!status) return returned(status);
  const Spatial out = dst_size(p);
  for (std::size_t a = 0; a < 3; ++a) size[a] = out[a];
  return TAPWISE_OK;
}

tapwise_status tapwise_workspace_size(tapwise_type type, const tapwise_problem* problem, tapwise_direction direction,
                                      const tapwise_tensor* src, const tapwise_tensor* dst,
                                      const tapwise_options* options, int64_t* bytes) {
  if (direction < TAPWISE_FORWARD || direction > TAPWISE_BACKWARD_BIAS)
    return refused("direction: there is no such one");
  return call(
      type, problem, options,
      [&]<class T>(T, const ConvProblem& p, const Options& o) {
        return workspace_size<T>(p, static_cast<Direction>(direction), view<const T>(src), view<const T>(dst), o,
                                 *bytes);
      },
      src, dst, bytes);
}

tapwise_status tapwise_forward(tapwise_type type, const tapwise_problem* problem, const tapwise_tensor* src,
                               const tapwise_tensor* weights, const tapwise_vector* bias, const tapwise_tensor* dst,
                               const tapwise_options* options) {
  return call(
      type, problem, options,
      [&]<class T>(T, const ConvProblem& p, const Options& o) {
        return forward<T>(p, view<const T>(src), view<const T>(weights), vector<const T>(bias), view<T>(dst), o);
      },
      src, weights, dst);
}

tapwise_status tapwise_backward_data(tapwise_type type, const tapwise_problem* problem, const tapwise_tensor* diff_dst,
                                     const tapwise_tensor* weights, const tapwise_vector* bias,
                                     const tapwise_tensor* diff_src, const tapwise_options* options) {
  return call(
      type, problem, options,
      [&]<class T>(T, const ConvProblem& p, const Options& o) {
        return backward_data<T>(p, view<const T>(diff_dst), view<const T>(weights), vector<const T>(bias),
                                view<T>(diff_src), o);
      },
      diff_dst, weights, diff_src);
}

tapwise_status tapwise_backward_weights(tapwise_type type, const tapwise_problem* problem,
                                        const tapwise_tensor* diff_dst, const tapwise_tensor* src,
                                        const tapwise_tensor* diff_weights, const tapwise_options* options) {
  return call(
      type, problem, options,
      [&]<class T>(T, const ConvProblem& p, const Options& o) {
        return backward_weights<T>(p, view<const T>(diff_dst), view<const T>(src), view<T>(diff_weights), o);
      },
      diff_dst, src, diff_weights);
}

tapwise_status tapwise_backward_bias(tapwise_type type, const tapwise_tensor* diff_dst, const tapwise_vector* diff_bias,
                                     const tapwise_options* options) {
  constexpr tapwise_problem kNone = TAPWISE_PROBLEM_INIT;
  return call(
      type, &kNone, options,
      [&]<class T>(T, const ConvProblem&, const Options& o) {
        return backward_bias<T>(view<const T>(diff_dst), vector<T>(diff_bias), o);
      },
      diff_dst, diff_bias);
}

tapwise_status tapwise_backward(tapwise_type type, const tapwise_problem* problem, const tapwise_tensor* diff_dst,
                                const tapwise_tensor* src, const tapwise_tensor* weights,
                                const tapwise_tensor* relu_dst, const tapwise_tensor* diff_src,
                                const tapwise_tensor* diff_weights, const tapwise_vector* diff_bias,
                                const tapwise_options* options) {
  return call(
      type, problem, options,
      [&]<class T>(T, const ConvProblem& p, const Options& o) {
        const Gradients<T> gradients{view<T>(diff_src), view<T>(diff_weights), vector<T>(diff_bias)};
        return backward<T>(p, view<const T>(diff_dst), view<const T>(src), view<const T>(weights), gradients, o,
                           view<const T>(relu_dst));
      },
      diff_dst, src, weights);
}

tapwise_status tapwise_transposed_backward(tapwise_type type, const tapwise_problem* problem,
                                           const tapwise_tensor* diff_dst, const tapwise_tensor* src,
                                           const tapwise_tensor* weights, const tapwise_tensor* diff_src,
                                           const tapwise_tensor* diff_weights, const tapwise_vector* diff_bias,
                                           const tapwise_options* options) {
  return call(
      type, problem, options,
      [&]<class T>(T, const ConvProblem& p, const Options& o) {
        const Gradients<T> gradients{view<T>(diff_src), view<T>(diff_weights), vector<T>(diff_bias)};
        return transposed_backward<T>(p, view<const T>(diff_dst), view<const T>(src), view<const T>(weights), gradients,
                                      o);
      },
      diff_dst, src, weights);
}

tapwise_status tapwise_plan_create(tapwise_type type, const tapwise_problem* problem, const tapwise_tensor* src,
                                   const tapwise_tensor* dst, int relu, tapwise_plan** plan) {
  return call(
      type, problem, nullptr,
      [&]<class T>(T, const ConvProblem& p, const Options&) {
        Plan<T> made;
        Status status = Plan<T>::create(p, view<const T>(src), view<const T>(dst), relu != 0, made);
        if (!status) return status;
        *plan = new (std::nothrow) tapwise_plan{std::move(made)};
        return *plan != nullptr ? status : Status::error(Code::out_of_memory, "out of memory");
      },
      src, dst, plan);
}

tapwise_status tapwise_plan_update(tapwise_plan* plan, const tapwise_tensor* weights, const tapwise_vector* bias) {
  if (plan == nullptr || weights == nullptr) return refused(kNull);
  return std::visit(
      [&]<class T>(Plan<T>& p) { return returned(p.update(view<const T>(weights), vector<const T>(bias))); },
      plan->plan);
}

tapwise_status tapwise_plan_run(const tapwise_plan* plan, const tapwise_tensor* src, const tapwise_tensor* dst,
                                const tapwise_options* options) {
  ReadOptions o;
  if (plan == nullptr || src == nullptr || dst == nullptr || !o.from(options)) return refused(kNull);
  return std::visit(
      [&]<class T>(const Plan<T>& p) { return returned(p.run(view<const T>(src), view<T>(dst), o.options)); },
      plan->plan);
}

void tapwise_plan_destroy(tapwise_plan* plan) { delete plan; }

void tapwise_set_num_threads(int threads) { set_num_threads(threads); }
int tapwise_get_num_threads(void) { return get_num_threads(); }
