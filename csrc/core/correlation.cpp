#include "correlation.hpp"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

#include "check.hpp"
#include "checked.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {
inline namespace TAPWISE_PRIVATE {
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

template <class T>
Through through_relu(Gradient gradient, const TensorView<const T>* y, int64_t channels_per_group) {
  if (y == nullptr) return {};
  const auto view = normalised(*y);
  return {gradient, base(view), activation_strides(view, channels_per_group)};
}

// Views that only describe (for a plan, for explain) have no data to point into.
template <class Byte>
void advance(Byte*& pointer, int64_t bytes) {
  if (pointer != nullptr) pointer += bytes;
}

inline bool dense_pointwise(const Axis& a) { return a.taps == 1 && a.stride == 1 && a.offset == 0 && a.in == a.out; }

// Two axes that no tap and no padding distinguishes, and that lie in memory as one, are one. Only axes of a single
// tap merge, so the order of the packed weights does not depend on the strides of activations: a Plan relies on that.
inline void merge_into_next(Correlation& c, std::size_t outer) {
  const std::size_t inner = outer + 1;
  Axis& o = c.axis[outer];
  Axis& i = c.axis[inner];
  if (o.out == 1 || !dense_pointwise(o) || !dense_pointwise(i)) return;
  if (c.src_stride.space[outer] != i.in * c.src_stride.space[inner]) return;
  if (c.dst_stride.space[outer] != i.out * c.dst_stride.space[inner]) return;
  if (c.through) return;  // y may lie otherwise, and no plan depends on how
  i.out = i.in = i.out * o.out;
  o = Axis{};
}

inline void swap_axes(Correlation& c, std::size_t a, std::size_t b) {
  std::swap(c.axis[a], c.axis[b]);
  std::swap(c.src_stride.space[a], c.src_stride.space[b]);
  std::swap(c.dst_stride.space[a], c.dst_stride.space[b]);
  std::swap(c.through.stride.space[a], c.through.stride.space[b]);
  std::swap(c.weights_stride.tap[a], c.weights_stride.tap[b]);
}

// Rows of the register tile run along the last axis. Where that one is short, another serves better; where there is
// none (dense layers, 1x1 images), the batch does.
constexpr int64_t kShortRow = 8;

inline void simplify(Correlation& c) {
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
    if (c.through.gradient == Gradient::src) advance(c.through.y, last.offset * c.through.stride.space[2]);
    last = Axis{.out = c.batch, .in = c.batch};
    c.src_stride.space[2] = c.src_stride.n;
    c.dst_stride.space[2] = c.dst_stride.n;
    c.through.stride.space[2] = c.through.stride.n;
    c.batch = 1;
  }
}

// Steps that are never taken may be any number; as 1 they stay out of arithmetic, and let more axes merge.
inline Axis tidy(Axis a) {
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
inline int64_t phase_of(const ConvProblem& p, std::size_t a, int64_t k0) {
  const int64_t s = p.stride[a];
  return ((k0 * p.dilation[a] - p.pad_low[a]) % s + s) % s;
}

// The x with a * x = 1 (mod m), for coprime a and m: Euclid's extended algorithm.
inline int64_t inverse_of(int64_t a, int64_t m) {
  int64_t r = m, next_r = a % m, x = 0, next_x = 1;
  while (next_r != 0) {
    const int64_t q = r / next_r;
    r = std::exchange(next_r, r - q * next_r);
    x = std::exchange(next_x, x - q * next_x);
  }
  return (x % m + m) % m;
}

inline AxisPhase axis_phase(const ConvProblem& p, std::size_t a, int64_t k0, int64_t diff_dst_size) {
  const int64_t s = p.stride[a], d = p.dilation[a], g = std::gcd(s, d), tap_step = s / g, back = d / g;
  const int64_t phase = phase_of(p, a, k0), count = ceil_div(p.kernel[a] - k0, tap_step);
  const Axis axis{.out = ceil_div(p.src[a] - phase, s),
                  .in = diff_dst_size,
                  .taps = count,
                  .dilation = back,
                  .offset = (phase + p.pad_low[a] - k0 * d) / s - (count - 1) * back};
  return {tidy(axis), phase, k0 + (count - 1) * tap_step, -tap_step};
}

}  // namespace TAPWISE_PRIVATE

template <class T>
Correlation lower_forward(const ConvProblem& p, const TensorView<const T>& src_view,
                          const TensorView<const T>& weights_view, const TensorView<const T>& dst_view,
                          const TensorView<const T>* y) {
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
  c.through = through_relu(Gradient::dst, y, c.out_channels);
  for (std::size_t a = 0; a < 3; ++a) {
    c.axis[a] = tidy({dst.shape[a + 2], p.src[a], p.kernel[a], p.stride[a], p.dilation[a], -p.pad_low[a]});
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
                              const TensorView<const T>& weights_view, const TensorView<const T>& diff_src_view,
                              const TensorView<const T>* y)
    : p(problem),
      diff_dst(normalised(diff_dst_view)),
      weights(normalised(weights_view)),
      diff_src(normalised(diff_src_view)),
      through(through_relu(Gradient::src, y, problem.out_channels / problem.groups)) {
  for (std::size_t a = 0; a < 3; ++a) {
    const int64_t g = std::gcd(p.stride[a], p.dilation[a]);
    period[a] = p.stride[a] / g;
    inverse[a] = inverse_of(p.dilation[a] / g, period[a]);
  }
}

// Phases along one axis are counted by their smallest tap, or, where there are fewer, by the positions that begin them.
template <class T>
int64_t BackwardData<T>::phases_along(std::size_t a) const {
  return std::min({p.kernel[a], period[a], p.src[a]});
}

// The k0 with k0 * dilation - pad = phase (mod stride), or -1.
template <class T>
int64_t BackwardData<T>::smallest_tap(std::size_t a, int64_t phase) const {
  if (period[a] == 1 && p.stride[a] == 1) return 0;
  const int64_t g = p.stride[a] / period[a], reach = phase + p.pad_low[a];
  if (reach % g != 0) return -1;
  const auto k0 = static_cast<int64_t>(Wide{reach / g % period[a]} * inverse[a] % period[a]);
  return k0 < p.kernel[a] ? k0 : -1;
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
  Correlation most = phase({0, 0, 0});
  for (std::size_t a = 0; a < 3; ++a) {
    Axis& axis = most.axis[a];
    const std::size_t of = along(a);
    axis.out = ceil_div(p.src[of], p.stride[of]);
    axis.taps = ceil_div(p.kernel[of], period[of]);
    if (axis.out > 1) most.dst_stride.space[a] = diff_src.stride[of + 2] * p.stride[of];
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
bool BackwardData<T>::covers_all(std::size_t a) const {
  if (period[a] == p.stride[a] && p.kernel[a] >= period[a]) return true;
  if (p.src[a] >= p.stride[a]) return false;
  for (int64_t i = 0; i < p.src[a]; ++i)
    if (!covers(a, i)) return false;
  return true;
}

template <class T>
bool BackwardData<T>::job(int64_t index, Correlation& c) const {
  std::array<int64_t, 3> k0;
  for (std::size_t a = 3; a-- > 0;) {
    const int64_t count = phases_along(a), i = index % count;
    index /= count;
    if (count == p.src[a]) {
      k0[a] = i < p.stride[a] ? smallest_tap(a, i) : -1;
    } else {
      k0[a] = phase_of(p, a, i) < p.src[a] ? i : -1;
    }
    if (k0[a] < 0) return false;
  }
  c = phase(k0);
  return true;
}

template <class T>
Correlation BackwardData<T>::phase(const std::array<int64_t, 3>& smallest) const {
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
  c.through = through;
  for (std::size_t a = 0; a < 3; ++a) {
    const AxisPhase f = axis_phase(p, a, smallest[a], diff_dst.shape[a + 2]);
    c.axis[a] = f.axis;
    if (f.axis.out > 0) advance(c.dst, f.first_dst * diff_src.stride[a + 2]);
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

#if !defined(TAPWISE_HEADER_ONLY)
#define TAPWISE_INSTANTIATE(T)                                                                                      \
  template Correlation lower_forward<T>(const ConvProblem&, const TensorView<const T>&, const TensorView<const T>&, \
                                        const TensorView<const T>&, const TensorView<const T>*);                    \
  template struct BackwardData<T>;
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE
#endif

}  // namespace tapwise::inline TAPWISE_NAMESPACE
