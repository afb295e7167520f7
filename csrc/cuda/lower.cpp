#include "cuda/lower.hpp"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <utility>

#include "core/check.hpp"
#include "core/checked.hpp"

namespace tapwise::cuda {
namespace {

using std::int64_t;

constexpr int64_t kMostPlaces = int64_t{1} << 29;
constexpr int64_t kMostPositions = int64_t{1} << 30;

// One axis of space: output i meets tap k at input i * step + k * dilation + origin.
struct Axis {
  int64_t out = 1, taps = 1, in = 1;
  int64_t step = 0, dilation = 0, origin = 0;
  int64_t src_stride = 0, dst_stride = 0, dst_start = 0, tap_stride = 0, tap_start = 0;  // in elements
};

// A correlation on device memory: forward, or one phase of an input gradient with the channels exchanged.
template <class T>
struct Correlation {
  const T* src;
  const T* weights;
  T* dst;
  int64_t batch, groups, in, out;  // channels of a group
  int64_t src_n, src_c, dst_n, dst_c, weights_in, weights_out, weights_group;
  Axis axis[3];
};

// Strides in elements; along axes of one position, where they say nothing, 0.
template <class T>
std::array<int64_t, 5> element_strides(const TensorView<T>& view) {
  std::array<int64_t, 5> strides{};
  for (std::size_t a = 0; a < 5; ++a)
    if (view.shape[a] > 1) strides[a] = view.stride[a] / int64_t{sizeof(T)};
  return strides;
}

template <class T>
Status check_elements(const char* name, const TensorView<T>& view) {
  bool whole = reinterpret_cast<std::uintptr_t>(view.data) % sizeof(T) == 0;
  for (std::size_t a = 0; a < 5; ++a) whole = whole && (view.shape[a] <= 1 || view.stride[a] % int64_t{sizeof(T)} == 0);
  if (whole) return {};
  return Status::error(Code::unsupported,
                       "%s must be aligned to its elements of %d bytes on a CUDA device, with strides "
                       "that are multiples of them",
                       name, static_cast<int>(sizeof(T)));
}

template <class T>
Status check_operand(const char* name, const TensorView<T>& view, const std::array<int64_t, 5>& shape, Use use) {
  if (Status status = check_view(name, view, shape, use); !status) return status;
  return check_elements(name, view);
}

template <class T>
Status check_channels(const char* name, const VectorView<T>& v, int64_t count, Use use) {
  if (Status status = check_vector(name, v, count, use); !status) return status;
  return check_elements(name, TensorView<T>{v.data, {count, 1, 1, 1, 1}, {v.stride}});
}

template <class T>
Status check_size(const Correlation<T>& c) {
  const Axis *d = &c.axis[0], *h = &c.axis[1], *w = &c.axis[2];
  bool fits = capped_product(c.batch, d->out, h->out, w->out) <= kMostPositions &&
              capped_product(c.in, d->taps, h->taps, w->taps) <= kMostPositions &&
              capped_product(c.groups, c.out) <= kMostPositions;
  for (const Axis& a : c.axis)
    fits = fits && a.in < kMostPlaces && std::abs(a.origin) + (a.out - 1) * a.step < kMostPlaces &&
           std::abs((a.taps - 1) * a.dilation) < kMostPlaces;
  if (fits) return {};
  return Status::error(Code::unsupported,
                       "the CUDA kernels count at most 2^30 pixels or taps, and 2^29 positions "
                       "along an axis with its padding");
}

// Of digits of size 0, of phases without taps and of empty batches, nothing is counted, but Counter divides by them.
Space space(int64_t a, int64_t b, int64_t c, int64_t d) {
  const auto size = [](int64_t n) { return static_cast<int>(std::max<int64_t>(n, 1)); };
  return {{size(a), size(b), size(c), size(d)}, static_cast<int>(a * b * c * d)};
}

// The digits of pixels are width, height, depth and batch.
template <class T>
Space pixels(const Correlation<T>& c) {
  return space(c.axis[2].out, c.axis[1].out, c.axis[0].out, c.batch);
}

template <class T>
Map pixels_in_src(const Correlation<T>& c) {
  Map m;
  m.stride[3] = c.src_n;
  for (int a = 0; a < 3; ++a) {
    const Axis& axis = c.axis[a];
    m.start += axis.origin * axis.src_stride;
    m.origin[a] = static_cast<int>(axis.origin);
    m.stride[2 - a] = axis.step * axis.src_stride;
    m.move[a] = static_cast<int>(axis.step);
  }
  return m;
}

template <class T>
Map pixels_in_dst(const Correlation<T>& c) {
  Map m;
  m.stride[3] = c.dst_n;
  for (int a = 0; a < 3; ++a) {
    m.start += c.axis[a].dst_start;
    m.stride[2 - a] = c.axis[a].dst_stride;
  }
  return m;
}

// The digits of taps are the channel and three taps where the channels of src are contiguous, else the taps and the
// channel, as weights in PyTorch's order have them.
template <class T>
bool channels_first(const Correlation<T>& c) {
  return c.src_c == 1;
}

template <class T>
Space taps(const Correlation<T>& c) {
  const Axis* a = c.axis;
  return channels_first(c) ? space(c.in, a[2].taps, a[1].taps, a[0].taps)
                           : space(a[2].taps, a[1].taps, a[0].taps, c.in);
}

template <class T>
Map taps_in_src(const Correlation<T>& c) {
  Map m;
  const int first = m.width = channels_first(c) ? 1 : 0;
  m.stride[channels_first(c) ? 0 : 3] = c.src_c;
  for (int a = 0; a < 3; ++a) {
    const Axis& axis = c.axis[a];
    m.stride[first + 2 - a] = axis.dilation * axis.src_stride;
    m.move[a] = static_cast<int>(axis.dilation);
  }
  return m;
}

template <class T>
Map taps_in_weights(const Correlation<T>& c) {
  Map m;
  const int first = channels_first(c) ? 1 : 0;
  m.stride[channels_first(c) ? 0 : 3] = c.weights_in;
  for (int a = 0; a < 3; ++a) {
    m.start += c.axis[a].tap_start;
    m.stride[first + 2 - a] = c.axis[a].tap_stride;
  }
  return m;
}

Map channels(int64_t stride) {
  Map m;
  m.stride[0] = stride;
  return m;
}

template <class T>
Operand<const T> src_operand(const Correlation<T>& c, const Map& outer, const Map& inner) {
  Operand<const T> o{c.src, c.src_c * c.in, outer, inner, {}};
  for (int a = 0; a < 3; ++a) o.extent[a] = static_cast<int>(c.axis[a].in);
  return o;
}

template <class T>
Product<T> correlate(const Correlation<T>& c, VectorView<const T> bias) {
  Product<T> p;
  p.groups = static_cast<int>(c.groups);
  p.rows = pixels(c);
  p.cols = space(c.out, 1, 1, 1);
  p.depth = taps(c);
  p.a = src_operand(c, pixels_in_src(c), taps_in_src(c));
  p.b = {c.weights, c.weights_group, channels(c.weights_out), taps_in_weights(c), {1, 1, 1}};
  p.c = {c.dst, c.dst_c * c.out, pixels_in_dst(c), channels(c.dst_c), {1, 1, 1}};
  p.bias = bias.data;
  p.bias_stride = bias.stride / int64_t{sizeof(T)};
  return p;
}

// i meets tap k where i + pad - k * dilation is a multiple of stride. With g = gcd(stride, dilation) the taps of one
// phase are k0, k0 + stride / g, ..., and successive ones reach dilation / g positions further back. Phases without a
// tap have none (taps = 0), and their positions of diff_src are zero.
Axis phase_axis(const ConvProblem& p, std::size_t a, int64_t phase, int64_t diff_dst_size) {
  const int64_t s = p.stride[a], d = p.dilation[a], tap_step = s / std::gcd(s, d);
  int64_t first = 0;
  const int64_t reach = phase + p.pad_low[a];
  while (first < std::min(p.kernel[a], tap_step) && (reach - first * d) % s != 0) ++first;
  Axis axis;
  axis.out = (p.src[a] - phase + s - 1) / s;
  axis.in = diff_dst_size;
  axis.taps = first < std::min(p.kernel[a], tap_step) ? (p.kernel[a] - first + tap_step - 1) / tap_step : 0;
  axis.step = 1;
  axis.dilation = -(d / std::gcd(s, d));
  axis.origin = axis.taps == 0 ? 0 : (reach - first * d) / s;
  axis.tap_start = first;
  axis.tap_stride = tap_step;
  return axis;
}

// Positions that are never left may have any step; as 0 it stays out of the bounds.
void tidy(Axis& axis) {
  if (axis.out == 1) axis.step = 0;
  if (axis.taps <= 1) axis.dilation = 0;
}

template <class T>
Correlation<T> forward_correlation(const ConvProblem& p, const TensorView<const T>& src,
                                   const TensorView<const T>& weights, const TensorView<T>& dst) {
  const auto s = element_strides(src), w = element_strides(weights), d = element_strides(dst);
  Correlation<T> c{.src = src.data,
                   .weights = weights.data,
                   .dst = dst.data,
                   .batch = p.batch,
                   .groups = p.groups,
                   .in = p.in_channels / p.groups,
                   .out = p.out_channels / p.groups,
                   .src_n = s[0],
                   .src_c = s[1],
                   .dst_n = d[0],
                   .dst_c = d[1],
                   .weights_in = w[1],
                   .weights_out = w[0],
                   .weights_group = w[0] * (p.out_channels / p.groups),
                   .axis = {}};
  const Spatial out = dst_size(p);
  for (std::size_t a = 0; a < 3; ++a) {
    Axis axis{.out = out[a],
              .taps = p.kernel[a],
              .in = p.src[a],
              .step = p.stride[a],
              .dilation = p.dilation[a],
              .origin = -p.pad_low[a],
              .src_stride = s[a + 2],
              .dst_stride = d[a + 2],
              .dst_start = 0,
              .tap_stride = w[a + 2],
              .tap_start = 0};
    if (p.flip) {
      axis.tap_start = (p.kernel[a] - 1) * axis.tap_stride;
      axis.tap_stride = -axis.tap_stride;
    }
    tidy(axis);
    c.axis[a] = axis;
  }
  return c;
}

}  // namespace

template <class T>
Status lower_forward(const ConvProblem& problem, TensorView<const T> src, TensorView<const T> weights,
                     VectorView<const T> bias, TensorView<T> dst, Pass<T>& pass) {
  pass = {Direction::forward, {}};
  Status status = validate(problem);
  if (status) status = check_operand("src", src, src_shape(problem), Use::read);
  if (status) status = check_operand("weights", weights, weights_shape(problem), Use::read);
  if (status) status = check_channels("bias", bias, problem.out_channels, Use::read);
  if (status) status = check_operand("dst", dst, dst_shape(problem), Use::write);
  if (!status || problem.batch == 0) return status;
  const Correlation<T> c = forward_correlation(problem, src, weights, dst);
  if (status = check_size(c); status) pass.products.push_back(correlate(c, bias));
  return status;
}

template <class T>
Status lower_backward_data(const ConvProblem& problem, TensorView<const T> diff_dst, TensorView<const T> weights,
                           VectorView<const T> bias, TensorView<T> diff_src, Pass<T>& pass) {
  pass = {Direction::backward_data, {}};
  const ConvProblem& p = problem;
  Status status = validate(p);
  if (status) status = check_operand("diff_dst", diff_dst, diff_dst_shape(p, diff_dst.shape), Use::read);
  if (status) status = check_operand("weights", weights, weights_shape(p), Use::read);
  if (status) status = check_channels("bias", bias, p.in_channels, Use::read);
  if (status) status = check_operand("diff_src", diff_src, src_shape(p), Use::write);
  if (!status || p.batch == 0) return status;

  const auto s = element_strides(diff_dst), w = element_strides(weights), d = element_strides(diff_src);
  // Forward with the channels exchanged.
  const int64_t in = p.out_channels / p.groups, out = p.in_channels / p.groups;
  Correlation<T> c{.src = diff_dst.data,
                   .weights = weights.data,
                   .dst = diff_src.data,
                   .batch = p.batch,
                   .groups = p.groups,
                   .in = in,
                   .out = out,
                   .src_n = s[0],
                   .src_c = s[1],
                   .dst_n = d[0],
                   .dst_c = d[1],
                   .weights_in = w[0],
                   .weights_out = w[1],
                   .weights_group = w[0] * in,
                   .axis = {}};
  Spatial phases{};
  for (std::size_t a = 0; a < 3; ++a) phases[a] = std::min(p.stride[a], p.src[a]);
  if (capped_product(phases[0], phases[1], phases[2]) > kMostPhases)
    return Status::error(Code::unsupported,
                         "the CUDA kernels split an input gradient into at most %d phases of its "
                         "strides, got %lld",
                         kMostPhases, static_cast<long long>(capped_product(phases[0], phases[1], phases[2])));
  Spatial phase{};
  for (phase[0] = 0; phase[0] < phases[0]; ++phase[0])
    for (phase[1] = 0; phase[1] < phases[1]; ++phase[1])
      for (phase[2] = 0; phase[2] < phases[2]; ++phase[2]) {
        for (std::size_t a = 0; a < 3; ++a) {
          Axis axis = phase_axis(p, a, phase[a], diff_dst.shape[a + 2]);
          const int64_t tap_stride = p.flip ? -w[a + 2] : w[a + 2];
          axis.tap_start = (p.flip ? (p.kernel[a] - 1) * w[a + 2] : 0) + axis.tap_start * tap_stride;
          axis.tap_stride *= tap_stride;
          axis.src_stride = s[a + 2];
          axis.dst_start = phase[a] * d[a + 2];
          axis.dst_stride = p.stride[a] * d[a + 2];
          tidy(axis);
          c.axis[a] = axis;
        }
        if (status = check_size(c); !status) return status;
        pass.products.push_back(correlate(c, bias));
      }
  return status;
}

template <class T>
Status lower_backward_weights(const ConvProblem& problem, TensorView<const T> diff_dst, TensorView<const T> src,
                              TensorView<T> diff_weights, Pass<T>& pass) {
  pass = {Direction::backward_weights, {}};
  Status status = validate(problem);
  if (status) status = check_operand("diff_dst", diff_dst, dst_shape(problem), Use::read);
  if (status) status = check_operand("src", src, src_shape(problem), Use::read);
  if (status) status = check_operand("diff_weights", diff_weights, weights_shape(problem), Use::write);
  if (!status) return status;

  const TensorView<const T> weights = diff_weights;
  const TensorView<T> dst{const_cast<T*>(diff_dst.data), diff_dst.shape, diff_dst.stride};
  const Correlation<T> c = forward_correlation(problem, src, weights, dst);
  if (status = check_size(c); !status) return status;
  Product<T> p;
  p.groups = static_cast<int>(c.groups);
  p.rows = space(c.out, 1, 1, 1);
  p.cols = taps(c);
  p.depth = pixels(c);
  p.a = {c.dst, c.dst_c * c.out, channels(c.dst_c), pixels_in_dst(c), {1, 1, 1}};
  p.b = src_operand(c, taps_in_src(c), pixels_in_src(c));
  p.c = {diff_weights.data, c.weights_group, channels(c.weights_out), taps_in_weights(c), {1, 1, 1}};
  pass.products.push_back(p);
  return status;
}

template <class T>
Status lower_backward_bias(TensorView<const T> diff_dst, VectorView<T> diff_bias, Pass<T>& pass) {
  pass = {Direction::backward_bias, {}};
  const auto& shape = diff_dst.shape;
  Status status = check_operand("diff_dst", diff_dst, shape, Use::read);
  if (status) status = check_channels("diff_bias", diff_bias, shape[1], Use::write);
  if (!status || shape[1] == 0) return status;
  if (capped_product(shape[0], shape[2], shape[3], shape[4]) > kMostPositions || shape[1] > kMostPositions)
    return Status::error(Code::unsupported, "the CUDA kernels count at most 2^30 pixels or channels");
  const auto s = element_strides(diff_dst);
  Product<T> p;
  p.rows = space(shape[1], 1, 1, 1);
  p.depth = space(shape[4], shape[3], shape[2], shape[0]);
  Map pixels;
  for (std::size_t i = 0; i < 3; ++i) pixels.stride[i] = s[4 - i];
  pixels.stride[3] = s[0];
  p.a = {diff_dst.data, 0, channels(s[1]), pixels, {1, 1, 1}};
  p.c = {diff_bias.data, 0, channels(diff_bias.stride / int64_t{sizeof(T)}), {}, {1, 1, 1}};
  pass.products.push_back(p);
  return status;
}

template Status lower_forward(const ConvProblem&, TensorView<const float>, TensorView<const float>,
                              VectorView<const float>, TensorView<float>, Pass<float>&);
template Status lower_forward(const ConvProblem&, TensorView<const double>, TensorView<const double>,
                              VectorView<const double>, TensorView<double>, Pass<double>&);
template Status lower_backward_data(const ConvProblem&, TensorView<const float>, TensorView<const float>,
                                    VectorView<const float>, TensorView<float>, Pass<float>&);
template Status lower_backward_data(const ConvProblem&, TensorView<const double>, TensorView<const double>,
                                    VectorView<const double>, TensorView<double>, Pass<double>&);
template Status lower_backward_weights(const ConvProblem&, TensorView<const float>, TensorView<const float>,
                                       TensorView<float>, Pass<float>&);
template Status lower_backward_weights(const ConvProblem&, TensorView<const double>, TensorView<const double>,
                                       TensorView<double>, Pass<double>&);
template Status lower_backward_bias(TensorView<const float>, VectorView<float>, Pass<float>&);
template Status lower_backward_bias(TensorView<const double>, VectorView<double>, Pass<double>&);

}  // namespace tapwise::cuda
