// Max pooling.
#include <cstdlib>
#include <cstring>
#include <limits>

#include "core/correlation.hpp"
#include "core/dispatch.hpp"
#include "core/jobs.hpp"
#include "tapwise/layers.hpp"

namespace tapwise {
namespace {

template <class T>
T read(const byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class T>
void write(byte* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

template <class T>
Status check(const ConvProblem& p, const TensorView<const T>& src, const TensorView<const T>& dst) {
  if (Status s = validate(p); !s) return s;
  const Spatial out = dst_size(p);
  const std::array<int64_t, 5> src_shape{p.batch, p.in_channels, p.src[0], p.src[1], p.src[2]};
  const std::array<int64_t, 5> dst_shape{p.batch, p.in_channels, out[0], out[1], out[2]};
  if (p.out_channels != p.in_channels || p.groups != p.in_channels || src.shape != src_shape || dst.shape != dst_shape)
    return Status::error(Code::invalid_argument, "src and dst do not have the shapes that the pooling implies");
  return {};
}

// The taps of an axis that meet real input at output q: [low, high).
struct Taps {
  int64_t low, high;
};
Taps taps_at(const Axis& a, int64_t q) {
  const int64_t start = q * a.stride + a.offset;
  const int64_t low = start >= 0 ? 0 : ceil_div(-start, a.dilation);
  return {low, std::min(a.taps, start >= a.in ? 0 : ceil_div(a.in - start, a.dilation))};
}
// The outputs of an axis that meet real input at tap k: [low, high).
Taps outputs_at(const Axis& a, int64_t k) {
  const int64_t shift = k * a.dilation + a.offset;
  const int64_t low = shift >= 0 ? 0 : ceil_div(-shift, a.stride);
  return {low, std::min(a.out, shift >= a.in ? 0 : ceil_div(a.in - shift, a.stride))};
}

std::array<Axis, 3> axes_of(const ConvProblem& p) {
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
      write(to + c * dst.stride[1] + w * dst.stride[4], -std::numeric_limits<T>::infinity());
  const Taps kd = taps_at(axis[0], d), kh = taps_at(axis[1], h);
  for (int64_t i = kd.low; i < kd.high; ++i) {
    for (int64_t j = kh.low; j < kh.high; ++j) {
      const byte* row = from + (d * axis[0].stride + i * axis[0].dilation + axis[0].offset) * src.stride[2] +
                        (h * axis[1].stride + j * axis[1].dilation + axis[1].offset) * src.stride[3];
      for (int64_t kw = 0; kw < axis[2].taps; ++kw) {
        const Taps q = outputs_at(axis[2], kw);
        const auto pixel = [&](int64_t w) {
          return row + (w * axis[2].stride + kw * axis[2].dilation + axis[2].offset) * src.stride[4];
        };
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
        write(diff_src + d * diff_src_stride[0] + h * diff_src_stride[1] + w * diff_src_stride[2], T{0});
  for (int64_t d = 0; d < axis[0].out; ++d) {
    for (int64_t h = 0; h < axis[1].out; ++h) {
      for (int64_t w = 0; w < axis[2].out; ++w) {
        const Taps kd = taps_at(axis[0], d), kh = taps_at(axis[1], h), kw = taps_at(axis[2], w);
        byte* winner = nullptr;
        T best{};
        for (int64_t i = kd.low; i < kd.high; ++i) {
          for (int64_t j = kh.low; j < kh.high; ++j) {
            for (int64_t l = kw.low; l < kw.high; ++l) {
              const Spatial at{d * axis[0].stride + i * axis[0].dilation + axis[0].offset,
                               h * axis[1].stride + j * axis[1].dilation + axis[1].offset,
                               w * axis[2].stride + l * axis[2].dilation + axis[2].offset};
              const T value = read<T>(src + at[0] * src_stride[0] + at[1] * src_stride[1] + at[2] * src_stride[2]);
              if (winner != nullptr && !(value > best || (value != value && best == best))) continue;
              best = value;
              winner = diff_src + at[0] * diff_src_stride[0] + at[1] * diff_src_stride[1] + at[2] * diff_src_stride[2];
            }
          }
        }
        if (winner != nullptr)
          write(winner, read<T>(winner) + read<T>(diff_dst + d * diff_dst_stride[0] + h * diff_dst_stride[1] +
                                                  w * diff_dst_stride[2]));
      }
    }
  }
}

Spatial space(const std::array<int64_t, 5>& stride) { return {stride[2], stride[3], stride[4]}; }

}  // namespace

template <class T>
Status max_pool(const ConvProblem& p, TensorView<const T> src, TensorView<T> dst, const Options& options) {
  if (Status s = check<T>(p, src, dst); !s) return s;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr) return status;
  const std::array<Axis, 3> axis = axes_of(p);
  const bool by_channels = std::abs(src.stride[1]) < std::abs(src.stride[4]);
  const int64_t items = p.batch * axis[0].out * axis[1].out;
  parallel_for(items, threads_for(options, flops(p), items), [&](int64_t item, int) {
    const int64_t h = item % axis[1].out, d = item / axis[1].out % axis[0].out;
    pool_row(axis, kernels_of<T>(*table), src, dst, item / axis[1].out / axis[0].out, d, h, by_channels);
  });
  return {};
}

template <class T>
Status max_pool_backward(const ConvProblem& p, TensorView<const T> diff_dst, TensorView<const T> src,
                         TensorView<T> diff_src, const Options& options) {
  if (Status s = check<T>(p, src, diff_dst); !s) return s;
  const std::array<Axis, 3> axis = axes_of(p);
  const int64_t items = p.batch * p.in_channels;
  parallel_for(items, threads_for(options, flops(p), items), [&](int64_t item, int) {
    const int64_t n = item / p.in_channels, c = item % p.in_channels;
    const auto plane = [n, c](const auto& view) {
      return reinterpret_cast<const byte*>(view.data) + n * view.stride[0] + c * view.stride[1];
    };
    pool_plane_backward<T>(axis, plane(diff_dst), space(diff_dst.stride), plane(src), space(src.stride),
                           const_cast<byte*>(plane(diff_src)), space(diff_src.stride));
  });
  return {};
}

#define TAPWISE_INSTANTIATE(T)                                                                                      \
  template Status max_pool<T>(const ConvProblem&, TensorView<const T>, TensorView<T>, const Options&);              \
  template Status max_pool_backward<T>(const ConvProblem&, TensorView<const T>, TensorView<const T>, TensorView<T>, \
                                       const Options&);
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE

}  // namespace tapwise
