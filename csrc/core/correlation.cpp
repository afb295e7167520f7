#include "core/correlation.hpp"

#include <algorithm>
#include <iterator>
#include <numeric>

#include "core/check.hpp"
#include "core/checked.hpp"

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

// Two axes that no tap and no padding distinguishes, and that lie in memory as one, are one. Only axes of a single tap
// merge, so the order of the packed weights does not depend on the strides of activations: a Plan relies on that.
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

// Steps that are never taken may be any number; as 1 they stay out of arithmetic, and let more axes merge.
Axis tidy(Axis a) {
  if (a.out == 1) a.stride = 1;
  if (a.taps == 1) a.dilation = 1;
  return a;
}

// The taps of one axis that reach the positions i = phase (mod stride) of diff_src.
struct AxisPhase {
  Axis axis;
  int64_t first_dst;            // the first i
  int64_t first_tap, tap_step;  // in the weights, in the order in which the axis walks them
};

// i meets tap k where i + pad - k * dilation is a multiple of stride, at position (i + pad - k * dilation) / stride
// of diff_dst. With g = gcd(stride, dilation) the taps of one phase are k0, k0 + stride / g, ..., and successive ones
// reach dilation / g positions further back. A phase is known by its smallest tap, k0.
int64_t phase_of(const ConvProblem& p, std::size_t a, int64_t k0) {
  const int64_t s = p.stride[a];
  return ((k0 * p.dilation[a] - p.pad_low[a]) % s + s) % s;
}

AxisPhase axis_phase(const ConvProblem& p, std::size_t a, int64_t k0, int64_t diff_dst_size) {
  const int64_t s = p.stride[a], d = p.dilation[a], g = std::gcd(s, d), tap_step = s / g, back = d / g;
  const int64_t phase = phase_of(p, a, k0), count = ceil_div(p.kernel[a] - k0, tap_step);
  const Axis axis{.out = ceil_div(p.src[a] - phase, s),
                  .in = diff_dst_size,
                  .taps = count,
                  .dilation = back,
                  .offset = (phase + p.pad_low[a] - k0 * d) / s - (count - 1) * back};
  return {tidy(axis), phase, k0 + (count - 1) * tap_step, -tap_step};
}

}  // namespace

template <class T>
Correlation lower_forward(const ConvProblem& p, const TensorView<const T>& src_view,
                          const TensorView<const T>& weights_view, const TensorView<const T>& dst_view) {
  const auto src = normalised(src_view), weights = normalised(weights_view), dst = normalised(dst_view);
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
    c.axis[a] = tidy({out[a], p.src[a], p.kernel[a], p.stride[a], p.dilation[a], -p.pad_low[a]});
    c.weights_stride.tap[a] = p.flip ? -weights.stride[a + 2] : weights.stride[a + 2];
    if (p.flip) advance(c.weights, (p.kernel[a] - 1) * weights.stride[a + 2]);
  }
  simplify(c);
  return c;
}

// Which axis the rows of tiles run along, as simplify() decides, but for all phases alike.
template <class T>
std::size_t BackwardData<T>::row_axis() const {
  if (!phased()) return 2;
  std::array<int64_t, 3> out;
  for (std::size_t a = 0; a < 3; ++a) out[a] = ceil_div(p.src[a], p.stride[a]);
  if (out[2] >= kShortRow) return 2;
  const std::size_t longest = out[0] > out[1] ? 0 : 1;
  return out[longest] > out[2] ? longest : 2;
}

template <class T>
BackwardData<T>::BackwardData(const ConvProblem& problem, const TensorView<const T>& diff_dst_view,
                              const TensorView<const T>& weights_view, const TensorView<const T>& diff_src_view)
    : p(problem),
      diff_dst(normalised(diff_dst_view)),
      weights(normalised(weights_view)),
      diff_src(normalised(diff_src_view)) {
  for (std::size_t a = 0; a < 3; ++a) {
    const int64_t tap_step = p.stride[a] / std::gcd(p.stride[a], p.dilation[a]);
    for (int64_t k0 = 0; k0 < std::min(p.kernel[a], tap_step); ++k0)
      if (phase_of(p, a, k0) < p.src[a]) smallest_taps[a].push_back(k0);
  }
}

template <class T>
bool BackwardData<T>::phased() const {
  return p.stride != Spatial{1, 1, 1};
}

// The axis of the problem that axis a of a phase lies along.
template <class T>
std::size_t BackwardData<T>::along(std::size_t a) const {
  return a == 2 ? row_axis() : a == row_axis() ? 2 : a;
}

template <class T>
Correlation BackwardData<T>::largest() const {
  Correlation most = job(0);
  for (std::size_t a = 0; a < 3; ++a) {
    Axis& axis = most.axis[a];
    const std::size_t of = along(a);
    axis.out = ceil_div(p.src[of], p.stride[of]);
    axis.taps = ceil_div(p.kernel[of], p.stride[of] / std::gcd(p.stride[of], p.dilation[of]));
  }
  return most;
}

template <class T>
std::array<Range, 3> BackwardData<T>::positions_of(const Block& block) const {
  std::array<Range, 3> at;
  for (std::size_t a = 0; a < 3; ++a) {
    const std::size_t of = along(a);
    at[of] = {block.first[a] * p.stride[of], std::min((block.first[a] + block.size[a]) * p.stride[of], p.src[of])};
  }
  return at;
}

template <class T>
bool BackwardData<T>::covers_diff_src() const {
  for (std::size_t a = 0; a < 3; ++a)
    if (std::ssize(smallest_taps[a]) < std::min(p.stride[a], p.src[a])) return false;
  return true;
}

template <class T>
std::vector<bool> BackwardData<T>::covered(std::size_t axis) const {
  std::vector<bool> reached(static_cast<std::size_t>(std::min(p.stride[axis], p.src[axis])));
  for (const int64_t k0 : smallest_taps[axis]) reached[static_cast<std::size_t>(phase_of(p, axis, k0))] = true;
  return reached;
}

template <class T>
Correlation BackwardData<T>::job(int64_t index) const {
  Correlation c;
  c.batch = p.batch;
  c.groups = p.groups;
  c.in_channels = p.out_channels / p.groups;
  c.out_channels = p.in_channels / p.groups;
  c.src = base(diff_dst);
  c.dst = base(diff_src);
  c.weights = base(weights);
  c.src_stride = activation_strides(diff_dst, c.in_channels);
  c.dst_stride = activation_strides(diff_src, c.out_channels);
  c.weights_stride = {weights.stride[0] * c.in_channels, weights.stride[1], weights.stride[0], {}};
  for (std::size_t a = 3; a-- > 0;) {
    const int64_t count = std::ssize(smallest_taps[a]);
    const AxisPhase f =
        axis_phase(p, a, smallest_taps[a][static_cast<std::size_t>(index % count)], diff_dst.shape[a + 2]);
    index /= count;
    c.axis[a] = f.axis;
    advance(c.dst, f.first_dst * diff_src.stride[a + 2]);
    if (f.axis.out > 1) c.dst_stride.space[a] = diff_src.stride[a + 2] * p.stride[a];
    const int64_t tap = p.flip ? -weights.stride[a + 2] : weights.stride[a + 2];
    const int64_t first = p.flip ? p.kernel[a] - 1 - f.first_tap : f.first_tap;
    advance(c.weights, first * weights.stride[a + 2]);
    if (f.axis.taps > 1) c.weights_stride.tap[a] = f.tap_step * tap;
  }
  if (!phased()) {
    simplify(c);
  } else if (row_axis() != 2) {
    swap_axes(c, row_axis(), 2);
  }
  return c;
}

#define TAPWISE_INSTANTIATE(T)                                                                                      \
  template Correlation lower_forward<T>(const ConvProblem&, const TensorView<const T>&, const TensorView<const T>&, \
                                        const TensorView<const T>&);                                                \
  template struct BackwardData<T>;
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE

}  // namespace tapwise
