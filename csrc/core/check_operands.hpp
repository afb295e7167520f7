// What is wrong with the operands of a pass, before any memory is touched.
#pragma once

#include "check.hpp"
#include "checked.hpp"
#include "overlap.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

/// What is wrong first, of several checks.
template <class... Checks>
Status first_error(const Checks&... checks) noexcept {
  Status status;
  static_cast<void>(((status = checks(), static_cast<bool>(status)) && ...));
  return status;
}

template <class T>
VectorMemory memory_of(const VectorView<T>& v, int64_t count) noexcept {
  return {v.data, count, v.stride, sizeof(T)};
}

template <class T>
Status check_forward(const ConvProblem& p, const TensorView<const T>& src, const TensorView<const T>& weights,
                     const VectorView<const T>& bias, const TensorView<T>& dst) noexcept {
  return first_error([&] { return validate(p); }, [&] { return check_view("src", src, src_shape(p), Use::read); },
                     [&] { return check_view("weights", weights, weights_shape(p), Use::read); },
                     [&] { return check_vector("bias", bias, p.out_channels, Use::describe); },
                     [&] { return check_view("dst", dst, dst_shape(p), Use::write); },
                     [&] { return check_apart("dst", memory_of(dst), "src", memory_of(src)); },
                     [&] { return check_apart("dst", memory_of(dst), "weights", memory_of(weights)); },
                     [&] { return check_apart("dst", memory_of(dst), "bias", memory_of(bias, p.out_channels)); });
}

template <class T>
Status check_backward_data(const ConvProblem& p, const TensorView<const T>& diff_dst,
                           const TensorView<const T>& weights, const VectorView<const T>& bias,
                           const TensorView<T>& diff_src) noexcept {
  return first_error(
      [&] { return validate(p); },
      [&] { return check_view("diff_dst", diff_dst, diff_dst_shape(p, diff_dst.shape), Use::read); },
      [&] { return check_view("weights", weights, weights_shape(p), Use::read); },
      [&] { return check_vector("bias", bias, p.in_channels, Use::describe); },
      [&] { return check_view("diff_src", diff_src, src_shape(p), Use::write); },
      [&] { return check_apart("diff_src", memory_of(diff_src), "diff_dst", memory_of(diff_dst)); },
      [&] { return check_apart("diff_src", memory_of(diff_src), "weights", memory_of(weights)); },
      [&] { return check_apart("diff_src", memory_of(diff_src), "bias", memory_of(bias, p.in_channels)); });
}

template <class T>
Status check_backward_weights(const ConvProblem& p, const TensorView<const T>& diff_dst, const TensorView<const T>& src,
                              const TensorView<T>& diff_weights) noexcept {
  return first_error(
      [&] { return validate(p); }, [&] { return check_view("diff_dst", diff_dst, dst_shape(p), Use::read); },
      [&] { return check_view("src", src, src_shape(p), Use::read); },
      [&] { return check_view("diff_weights", diff_weights, weights_shape(p), Use::write); },
      [&] { return check_apart("diff_weights", memory_of(diff_weights), "diff_dst", memory_of(diff_dst)); },
      [&] { return check_apart("diff_weights", memory_of(diff_weights), "src", memory_of(src)); });
}

template <class T>
Status check_backward_bias(const TensorView<const T>& diff_dst, const VectorView<T>& diff_bias) noexcept {
  Checked bytes{int64_t{sizeof(T)}};
  for (const int64_t size : diff_dst.shape) {
    if (size < 0) return Status::error(Code::invalid_argument, "diff_dst: a size is negative");
    bytes = bytes * std::max<int64_t>(size, 1);
  }
  if (bytes.overflowed || bytes.value > kMostBytes)
    return Status::error(Code::overflow, "diff_dst is too large: its bytes are more than 2^52");
  const int64_t channels = diff_dst.shape[1];
  return first_error(
      [&] { return check_view("diff_dst", diff_dst, diff_dst.shape, Use::read); },
      [&] { return check_vector("diff_bias", diff_bias, channels, Use::write); },
      [&] { return check_apart("diff_bias", memory_of(diff_bias, channels), "diff_dst", memory_of(diff_dst)); });
}

}  // namespace tapwise::inline TAPWISE_NAMESPACE
