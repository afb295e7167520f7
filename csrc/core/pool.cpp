// Max pooling.
#include <cstdlib>
#include <limits>

#include "call.hpp"
#include "check.hpp"
#include "checked.hpp"
#include "correlation.hpp"
#include "dispatch.hpp"
#include "overlap.hpp"
#include "tapwise/layers.hpp"
#include "unaligned.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {
inline namespace TAPWISE_PRIVATE {
// The geometry of a pooling, and its larger tensor's and its smaller tensor's views.
inline Status check_pooling(const ConvProblem& p) noexcept {
  if (Status s = validate(p); !s) return s;
  if (p.out_channels != p.in_channels || p.groups != p.in_channels)
    return Status::error(Code::invalid_argument,
                         "pooling is depthwise: groups, in_channels and out_channels are equal");
  for (std::size_t a = 0; a < 3; ++a) {
    const int64_t extent = (p.kernel[a] - 1) * p.dilation[a];
    if (std::max(p.pad_low[a], p.pad_high[a]) > extent)
      return Status::error(Code::invalid_argument, "a window of padding alone has no maximum");
  }
  return {};
}

// The taps of an axis that meet real input at output q: [low, high).
struct Taps {
  int64_t low, high;
};
inline Taps taps_at(const Axis& a, int64_t q) {
  const int64_t start = q * a.stride + a.offset;
  const int64_t low = start >= 0 ? 0 : ceil_div(-start, a.dilation);
  return {low, std::min(a.taps, start >= a.in ? 0 : ceil_div(a.in - start, a.dilation))};
}
// The outputs of an axis that meet real input at tap k: [low, high).
inline Taps outputs_at(const Axis& a, int64_t k) {
  const int64_t shift = k * a.dilation + a.offset;
  const int64_t low = shift >= 0 ? 0 : ceil_div(-shift, a.stride);
  return {low, std::min(a.out, shift >= a.in ? 0 : ceil_div(a.in - shift, a.stride))};
}

inline std::array<Axis, 3> axes_of(const ConvProblem& p) {
  std::array<Axis, 3> axis;
  const Spatial out = dst_size(p);
  for (std::size_t a = 0; a < 3; ++a)
    axis[a] = {out[a], p.src[a], p.kernel[a], p.stride[a], p.dilation[a], -p.pad_low[a]};
  return axis;
}

// One row of outputs, all channels: maxima of whole rows (or of all channels of a pixel), tap by tap.
template <class T>
void pool_row(const std::array<Axis, 3>& axis, const kernels::Kernels<T>& k, const TensorView<const T>& src,
              const TensorView<T>& dst, int64_t n, int64_t d, int64_t h, bool by_channels) {
  const byte* from = reinterpret_cast<const byte*>(src.data) + n * src.stride[0];
  byte* to = reinterpret_cast<byte*>(dst.data) + n * dst.stride[0] + d * dst.stride[2] + h * dst.stride[3];
  const int64_t channels = dst.shape[1];
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t w = 0; w < axis[2].out; ++w)
      store(to + c * dst.stride[1] + w * dst.stride[4], -std::numeric_limits<T>::infinity());
  const Taps kd = taps_at(axis[0], d), kh = taps_at(axis[1], h);
  // Of a row's taps only those that meet real input for some output: from the last output's first to the first's
  // last.
  const Taps row_taps{taps_at(axis[2], axis[2].out - 1).low, taps_at(axis[2], 0).high};
  for (int64_t i = kd.low; i < kd.high; ++i) {
    for (int64_t j = kh.low; j < kh.high; ++j) {
      const byte* row = from + axis[0].index(d, i) * src.stride[2] + axis[1].index(h, j) * src.stride[3];
      for (int64_t kw = row_taps.low; kw < row_taps.high; ++kw) {
        const Taps q = outputs_at(axis[2], kw);
        const auto pixel = [&](int64_t w) { return row + axis[2].index(w, kw) * src.stride[4]; };
        if (by_channels) {
          for (int64_t w = q.low; w < q.high; ++w)
            k.maximum({to + w * dst.stride[4], pixel(w), nullptr, dst.stride[1], src.stride[1], 0, channels});
        } else if (q.low < q.high) {
          for (int64_t c = 0; c < channels; ++c)
            k.maximum({to + c * dst.stride[1] + q.low * dst.stride[4], pixel(q.low) + c * src.stride[1], nullptr,
                       dst.stride[4], axis[2].stride * src.stride[4], 0, q.high - q.low});
        }
      }
    }
  }
}

// One channel of one image: find each window's first maximum, add the gradient there.
template <class T>
void pool_plane_backward(const std::array<Axis, 3>& axis, const byte* diff_dst, const Spatial& diff_dst_stride,
                         const byte* src, const Spatial& src_stride, byte* diff_src, const Spatial& diff_src_stride) {
  for (int64_t d = 0; d < axis[0].in; ++d)
    for (int64_t h = 0; h < axis[1].in; ++h)
      for (int64_t w = 0; w < axis[2].in; ++w)
        store(diff_src + d * diff_src_stride[0] + h * diff_src_stride[1] + w * diff_src_stride[2], T{0});
  for (int64_t d = 0; d < axis[0].out; ++d) {
    for (int64_t h = 0; h < axis[1].out; ++h) {
      for (int64_t w = 0; w < axis[2].out; ++w) {
        const Taps kd = taps_at(axis[0], d), kh = taps_at(axis[1], h), kw = taps_at(axis[2], w);
        byte* winner = nullptr;
        T best{};
        for (int64_t i = kd.low; i < kd.high; ++i) {
          for (int64_t j = kh.low; j < kh.high; ++j) {
            for (int64_t l = kw.low; l < kw.high; ++l) {
              const Spatial at{axis[0].index(d, i), axis[1].index(h, j), axis[2].index(w, l)};
              const T value = load<T>(src + at[0] * src_stride[0] + at[1] * src_stride[1] + at[2] * src_stride[2]);
              if (winner != nullptr && !(value > best || (value != value && best == best))) continue;
              best = value;
              winner = diff_src + at[0] * diff_src_stride[0] + at[1] * diff_src_stride[1] + at[2] * diff_src_stride[2];
            }
          }
        }
        if (winner != nullptr)
          store(winner, load<T>(diff_dst + d * diff_dst_stride[0] + h * diff_dst_stride[1] + w * diff_dst_stride[2]),
                true);
      }
    }
  }
}

inline Spatial space(const std::array<int64_t, 5>& stride) { return {stride[2], stride[3], stride[4]}; }

}  // namespace TAPWISE_PRIVATE

template <class T>
Status max_pool(const ConvProblem& p, ConstTensorView<T> src, TensorView<T> dst, const Options& options) {
  if (Status s = check_pooling(p); !s) return s;
  if (Status s = check_view("src", src, src_shape(p), Use::read); !s) return s;
  if (Status s = check_view("dst", dst, dst_shape(p), Use::write); !s) return s;
  if (Status s = check_apart("dst", memory_of(dst), "src", memory_of(src)); !s) return s;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr) return status;
  src = normalised(src);
  dst = normalised(dst);
  const std::array<Axis, 3> axis = axes_of(p);
  const bool by_channels = std::abs(src.stride[1]) < std::abs(src.stride[4]);
  const int64_t items = p.batch * axis[0].out * axis[1].out;
  parallel_for(options.parallel, items, threads_for(options, flops(p), items), [&](int64_t item, int) {
    const int64_t h = item % axis[1].out, d = item / axis[1].out % axis[0].out;
    pool_row(axis, kernels_of<T>(*table), src, dst, item / axis[1].out / axis[0].out, d, h, by_channels);
  });
  return {};
}

template <class T>
Status max_pool_backward(const ConvProblem& p, ConstTensorView<T> diff_dst, ConstTensorView<T> src,
                         TensorView<T> diff_src, const Options& options) {
  if (Status s = check_pooling(p); !s) return s;
  if (Status s = check_view("diff_dst", diff_dst, dst_shape(p), Use::read); !s) return s;
  if (Status s = check_view("src", src, src_shape(p), Use::read); !s) return s;
  if (Status s = check_view("diff_src", diff_src, src_shape(p), Use::write); !s) return s;
  if (Status s = check_apart("diff_src", memory_of(diff_src), "src", memory_of(src)); !s) return s;
  if (Status s = check_apart("diff_src", memory_of(diff_src), "diff_dst", memory_of(diff_dst)); !s) return s;
  if (Status s; active_table(s) == nullptr) return s;
  const std::array<Axis, 3> axis = axes_of(p);
  const int64_t items = p.batch * p.in_channels;
  parallel_for(options.parallel, items, threads_for(options, flops(p), items), [&](int64_t item, int) {
    const int64_t n = item / p.in_channels, c = item % p.in_channels;
    const auto plane = [n, c](const auto& view) {
      return reinterpret_cast<const byte*>(view.data) + n * view.stride[0] + c * view.stride[1];
    };
    pool_plane_backward<T>(axis, plane(diff_dst), space(diff_dst.stride), plane(src), space(src.stride),
                           const_cast<byte*>(plane(diff_src)), space(diff_src.stride));
  });
  return {};
}

#if !defined(TAPWISE_HEADER_ONLY)
#define TAPWISE_INSTANTIATE(T)                                                                                      \
  template Status max_pool<T>(const ConvProblem&, TensorView<const T>, TensorView<T>, const Options&);              \
  template Status max_pool_backward<T>(const ConvProblem&, TensorView<const T>, TensorView<const T>, TensorView<T>, \
                                       const Options&);
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE
#endif

}  // namespace tapwise::inline TAPWISE_NAMESPACE
