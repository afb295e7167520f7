#include "core/correlation.hpp"

#include <algorithm>
#include <numeric>

namespace tapwise {
namespace {

template <class T>
ActivationStrides activation_strides(const TensorView<const T>& view, int64_t channels_per_group) {
  return {view.stride[0],
          view.stride[1] * channels_per_group,
          view.stride[1],
          {view.stride[2], view.stride[3], view.stride[4]}};
}

template <class T>
byte* base(const TensorView<const T>& view) {
  return reinterpret_cast<byte*>(const_cast<T*>(view.data));
}

// Views that only describe (for a plan, for explain) have no data to point into.
template <class Byte>
void advance(Byte*& pointer, int64_t bytes) {
  if (pointer != nullptr) pointer += bytes;
}

bool dense_pointwise(const Axis& a) { return a.taps == 1 && a.stride == 1 && a.offset == 0 && a.in == a.out; }

// Two axes that no tap and no padding distinguishes, and that lie in memory as one, are one.
void merge_into_next(Correlation& c, std::size_t outer) {
  const std::size_t inner = outer + 1;
  Axis& o = c.axis[outer];
  Axis& i = c.axis[inner];
  if (o.out == 1 || !dense_pointwise(o) || !dense_pointwise(i)) return;
  if (c.src_stride.space[outer] != i.in * c.src_stride.space[inner]) return;
  if (c.dst_stride.space[outer] != i.out * c.dst_stride.space[inner]) return;
  i.out = i.in = i.out * o.out;
  o = Axis{};
}

void swap_axes(Correlation& c, std::size_t a, std::size_t b) {
  std::swap(c.axis[a], c.axis[b]);
  std::swap(c.src_stride.space[a], c.src_stride.space[b]);
  std::swap(c.dst_stride.space[a], c.dst_stride.space[b]);
  std::swap(c.weights_stride.tap[a], c.weights_stride.tap[b]);
}

// Rows of the register tile run along the last axis. Where that one is short, another serves better; where there is
// none (dense layers, 1x1 images), the batch does.
constexpr int64_t kShortRow = 8;

void simplify(Correlation& c) {
  merge_into_next(c, 1);
  if (c.axis[1].out == 1 && c.axis[1].trivial()) swap_axes(c, 0, 1);
  merge_into_next(c, 1);
  Axis& last = c.axis[2];
  if (last.out < kShortRow) {
    const std::size_t longest = c.axis[0].out > c.axis[1].out ? 0 : 1;
    if (c.axis[longest].out > last.out) swap_axes(c, longest, 2);
  }
  if (last.trivial() && c.batch > 1) {
    advance(c.src, last.offset * c.src_stride.space[2]);
    last = Axis{.out = c.batch, .in = c.batch};
    c.src_stride.space[2] = c.src_stride.n;
    c.dst_stride.space[2] = c.dst_stride.n;
    c.batch = 1;
  }
}

// The taps of one axis that reach the positions i = phase (mod stride) of diff_src.
struct AxisPhase {
  Axis axis;
  int64_t first_dst;            // the first i
  int64_t first_tap, tap_step;  // in the weights, in the order in which the axis walks them
};

// i meets tap k where i + pad - k * dilation is a multiple of stride, at position (i + pad - k * dilation) / stride
// of diff_dst. With g = gcd(stride, dilation) the taps of one phase are k0, k0 + stride / g, ..., and successive ones
// reach dilation / g positions further back. Every phase that has taps is found from its smallest, k0.
std::vector<AxisPhase> axis_phases(const ConvProblem& p, std::size_t a, int64_t diff_dst_size) {
  const int64_t s = p.stride[a], d = p.dilation[a], pad = p.pad_low[a], n = p.src[a], taps = p.kernel[a];
  const int64_t g = std::gcd(s, d), tap_step = s / g, back = d / g;
  std::vector<AxisPhase> phases;
  for (int64_t k0 = 0; k0 < std::min(taps, tap_step); ++k0) {
    const int64_t phase = ((k0 * d - pad) % s + s) % s;
    if (phase >= n) continue;
    const int64_t count = (taps - k0 + tap_step - 1) / tap_step;
    AxisPhase f;
    f.axis.out = (n - phase + s - 1) / s;
    f.axis.in = diff_dst_size;
    f.axis.taps = count;
    f.axis.dilation = back;
    f.axis.offset = (phase + pad - k0 * d) / s - (count - 1) * back;
    f.first_dst = phase;
    f.first_tap = k0 + (count - 1) * tap_step;
    f.tap_step = -tap_step;
    phases.push_back(f);
  }
  return phases;
}

}  // namespace

template <class T>
Correlation lower_forward(const ConvProblem& p, const TensorView<const T>& src, const TensorView<const T>& weights,
                          const TensorView<const T>& dst) {
  Correlation c;
  c.batch = p.batch;
  c.groups = p.groups;
  c.in_channels = p.in_channels / p.groups;
  c.out_channels = p.out_channels / p.groups;
  c.src = base(src);
  c.dst = base(dst);
  c.weights = base(weights);
  c.src_stride = activation_strides(src, c.in_channels);
  c.dst_stride = activation_strides(dst, c.out_channels);
  c.weights_stride = {weights.stride[0] * c.out_channels, weights.stride[0], weights.stride[1], {}};
  const Spatial out = dst_size(p);
  for (std::size_t a = 0; a < 3; ++a) {
    c.axis[a] = {out[a], p.src[a], p.kernel[a], p.stride[a], p.dilation[a], -p.pad_low[a]};
    c.weights_stride.tap[a] = p.flip ? -weights.stride[a + 2] : weights.stride[a + 2];
    if (p.flip) advance(c.weights, (p.kernel[a] - 1) * weights.stride[a + 2]);
  }
  simplify(c);
  return c;
}

template <class T>
Phases lower_backward_data(const ConvProblem& p, const TensorView<const T>& diff_dst,
                           const TensorView<const T>& weights, const TensorView<const T>& diff_src) {
  Correlation common;
  common.batch = p.batch;
  common.groups = p.groups;
  common.in_channels = p.out_channels / p.groups;
  common.out_channels = p.in_channels / p.groups;
  common.src = base(diff_dst);
  common.dst = base(diff_src);
  common.weights = base(weights);
  common.src_stride = activation_strides(diff_dst, common.in_channels);
  common.dst_stride = activation_strides(diff_src, common.out_channels);
  common.weights_stride = {weights.stride[0] * common.in_channels, weights.stride[1], weights.stride[0], {}};

  std::array<std::vector<AxisPhase>, 3> phases;
  Phases result;
  for (std::size_t a = 0; a < 3; ++a) {
    phases[a] = axis_phases(p, a, diff_dst.shape[a + 2]);
    if (static_cast<int64_t>(phases[a].size()) < std::min(p.stride[a], p.src[a])) result.covers_dst = false;
  }
  for (const AxisPhase& d : phases[0]) {
    for (const AxisPhase& h : phases[1]) {
      for (const AxisPhase& w : phases[2]) {
        Correlation c = common;
        const AxisPhase* const axis[] = {&d, &h, &w};
        for (std::size_t a = 0; a < 3; ++a) {
          c.axis[a] = axis[a]->axis;
          advance(c.dst, axis[a]->first_dst * diff_src.stride[a + 2]);
          c.dst_stride.space[a] = diff_src.stride[a + 2] * p.stride[a];
          const int64_t tap = p.flip ? -weights.stride[a + 2] : weights.stride[a + 2];
          const int64_t first = p.flip ? p.kernel[a] - 1 - axis[a]->first_tap : axis[a]->first_tap;
          advance(c.weights, first * weights.stride[a + 2]);
          c.weights_stride.tap[a] = axis[a]->tap_step * tap;
        }
        simplify(c);
        result.jobs.push_back(c);
      }
    }
  }
  return result;
}

#define TAPWISE_INSTANTIATE(T)                                                                                       \
  template Correlation lower_forward<T>(const ConvProblem&, const TensorView<const T>&, const TensorView<const T>&,  \
                                        const TensorView<const T>&);                                                 \
  template Phases lower_backward_data<T>(const ConvProblem&, const TensorView<const T>&, const TensorView<const T>&, \
                                         const TensorView<const T>&);
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE

}  // namespace tapwise
