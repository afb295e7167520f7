// The windows of a pooling: which numbers of the input each output sees, as runs of outputs that a kernel takes at
// once.
//
// A run lies along the channels of one output position where those lie densest (channels last), else along a row of one
// plane: there, outputs at its ends meet padding and are runs of their own.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <limits>

#include "../kernels/table.hpp"
#include "call.hpp"
#include "checked.hpp"
#include "correlation.hpp"
#include "machine.hpp"
#include "taps.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

/// One tensor: its first number, and strides of batch, channel and space.
template <class Byte>
struct PoolOperand {
  Byte* data = nullptr;
  int64_t n = 0, c = 0;
  std::array<int64_t, 3> space{};

  Byte* at(int64_t image, int64_t channel) const { return data + image * n + channel * c; }
  Byte* at(int64_t image, int64_t channel, const std::array<int64_t, 3>& position) const {
    return at(image, channel) + position[0] * space[0] + position[1] * space[1] + position[2] * space[2];
  }
};

template <class T>
auto pool_operand(const TensorView<T>& view) {
  using Byte = std::conditional_t<std::is_const_v<T>, const byte, byte>;
  const auto v = normalised(view);
  return PoolOperand<Byte>{
      reinterpret_cast<Byte*>(v.data), v.stride[0], v.stride[1], {v.stride[2], v.stride[3], v.stride[4]}};
}

/// Taps of a window that a kernel takes at once; larger windows take several turns.
inline constexpr int64_t kWindowTaps = 128;

struct Windows {
  std::array<Axis, 3> axis;
  int64_t batch = 0, channels = 0;
  bool by_channels = false;

  /// Outputs of the three axes, and inputs of a plane.
  int64_t positions() const { return axis[0].out * axis[1].out * axis[2].out; }
  int64_t plane() const { return axis[0].in * axis[1].in * axis[2].in; }

  /// The windows of a pooling on a tensor that lies as `src`.
  template <class T>
  static Windows of(const ConvProblem& p, const TensorView<T>& src) {
    Windows w;
    const Spatial out = dst_size(p);
    for (std::size_t a = 0; a < 3; ++a)
      w.axis[a] = {out[a], p.src[a], p.kernel[a], p.stride[a], p.dilation[a], -p.pad_low[a]};
    w.batch = p.batch;
    w.channels = p.in_channels;
    w.by_channels = src.shape[1] > 1 && std::abs(src.stride[1]) < std::abs(src.stride[4]);
    return w;
  }
};

/// The first output along an axis whose window sees padding alone, or -1. A dilation beyond the size of the input can
/// step over it, and then all must be looked at; else, those at the ends.
inline int64_t empty_window(const Axis& a) {
  const auto is_empty = [&](int64_t q) { return taps_inside(a, q).size() <= 0; };
  if (a.out == 0) return -1;
  for (int64_t q = 0; a.dilation > a.in && q < a.out; ++q)
    if (is_empty(q)) return q;
  return is_empty(0) ? 0 : is_empty(a.out - 1) ? a.out - 1 : -1;
}

/// Some outputs: `count` of them, each `step` further on along the channels or the row that begins at `first`.
struct PoolRun {
  std::array<int64_t, 3> first;  // output position of the first
  int64_t count;
  std::array<Range, 3> taps;  // that meet input
};

/// body(run) for each run of row (d, h) of the outputs; of one channel, or of all in `channels`.
template <class Body>
void for_each_run(const Windows& w, int64_t d, int64_t h, int64_t channels, Body&& body) {
  const Axis& row = w.axis[2];
  const Range kd = taps_inside(w.axis[0], d), kh = taps_inside(w.axis[1], h);
  if (w.by_channels) {
    for (int64_t q = 0; q < row.out; ++q) body(PoolRun{{d, h, q}, channels, {kd, kh, taps_inside(row, q)}});
    return;
  }
  // Outputs that meet the first tap, and the last: those that meet both meet all between.
  const Range low = range_inside(row.index(0, 0), row.stride, row.out, row.in);
  const Range high = range_inside(row.index(0, row.taps - 1), row.stride, row.out, row.in);
  const Range all{std::max(low.first, high.first), std::min(low.last, high.last)};
  for (int64_t q = 0; q < row.out;) {
    const int64_t next = q >= all.first && q < all.last ? all.last : q + 1;
    body(PoolRun{{d, h, q}, next - q, {kd, kh, taps_inside(row, q)}});
    q = next;
  }
}

/// The taps of one run after the other, as lists of where they lie in an operand. A run's list serves the next one,
/// too, if that meets the same.
class WindowTaps {
 public:
  WindowTaps(const Windows& windows, const std::array<int64_t, 3>& space) : w(windows), space(space) {}

  /// Of the taps that a kernel takes at once: bytes, and distances in the plane, from the run's first tap.
  struct Part {
    const int64_t* taps;
    const int64_t* indices;
    int count;
    bool first, last;
  };

  /// body(part) for each part of a run's taps, mostly one.
  template <class Body>
  void for_each_part(const PoolRun& run, Body&& body) {
    if (run.taps != made || !whole) {
      made = run.taps;
      whole = capped_product(made[0].size(), made[1].size(), made[2].size()) <= kWindowTaps;
      count = 0;
      bool first = true;
      for_each_tap([&](int64_t offset, int64_t index) {
        if (count == kWindowTaps) {
          body(Part{taps, indices, static_cast<int>(count), first, false});
          first = false;
          count = 0;
        }
        taps[count] = offset;
        indices[count++] = index;
      });
      if (!whole) return body(Part{taps, indices, static_cast<int>(count), first, true});
    }
    body(Part{taps, indices, static_cast<int>(count), true, true});
  }

  /// The input position of a run's first tap, and its index in the plane.
  std::array<int64_t, 3> first_tap(const PoolRun& run) const {
    const auto at = [&](std::size_t a) { return w.axis[a].index(run.first[a], run.taps[a].first); };
    return {at(0), at(1), at(2)};
  }
  int64_t index_of(const std::array<int64_t, 3>& at) const {
    return (at[0] * w.axis[1].in + at[1]) * w.axis[2].in + at[2];
  }

 private:
  template <class Body>
  void for_each_tap(Body&& body) const {
    const auto& [d, h, x] = made;
    for (int64_t i = 0; i < d.size(); ++i)
      for (int64_t j = 0; j < h.size(); ++j)
        for (int64_t k = 0; k < x.size(); ++k) {
          const std::array<int64_t, 3> at{i * w.axis[0].dilation, j * w.axis[1].dilation, k * w.axis[2].dilation};
          body(at[0] * space[0] + at[1] * space[1] + at[2] * space[2], index_of(at));
        }
  }

  const Windows& w;
  const std::array<int64_t, 3> space;
  std::array<Range, 3> made{};
  bool whole = false;
  int64_t count = 0;
  int64_t taps[kWindowTaps], indices[kWindowTaps];
};

/// Runs a kernel on the windows of one run after the other.
class WindowRuns {
 public:
  WindowRuns(const Windows& windows, const PoolOperand<const byte>& operand)
      : w(windows), src(operand), taps(windows, operand.space) {}

  /// `window` has what is not of the windows: dst, divisor, winners.
  void operator()(void (*kernel)(const kernels::Window&), const PoolRun& run, int64_t image, int64_t channel,
                  kernels::Window window) {
    const auto at = taps.first_tap(run);
    window.src = src.at(image, channel, at);
    window.src_step = w.by_channels ? src.c : w.axis[2].stride * src.space[2];
    window.first_index = taps.index_of(at);
    window.index_step = w.by_channels ? 0 : w.axis[2].stride;
    window.count = run.count;
    window.far = w.plane() > std::numeric_limits<std::int32_t>::max();
    const double divisor = window.divisor;
    taps.for_each_part(run, [&](const WindowTaps::Part& part) {
      window.taps = part.taps;
      window.tap_index = part.indices;
      window.tap_count = part.count;
      window.more = !part.first;
      window.divisor = part.last ? divisor : 1;
      kernel(window);
    });
  }

 private:
  const Windows& w;
  const PoolOperand<const byte> src;
  WindowTaps taps;
};

/// Rows of outputs that one piece of work takes: enough to be worth handing out.
inline int64_t rows_together(const Windows& w, int64_t channels) {
  constexpr int64_t enough = 1 << 14;  // numbers read
  const int64_t numbers =
      capped_product(w.axis[2].out, w.axis[0].taps, w.axis[1].taps, w.axis[2].taps, std::max<int64_t>(channels, 1));
  return std::clamp<int64_t>(enough / std::max<int64_t>(numbers, 1), 1, std::max<int64_t>(w.axis[1].out, 1));
}

/// body(runs, image, channel, run) for every run of all outputs, in parallel; by channels, the run has all of them.
template <class Body>
void for_each_window(const Windows& w, const PoolOperand<const byte>& src, const Options& options, double work,
                     Body&& body) {
  const int64_t channels = w.by_channels ? w.channels : 1, planes = w.by_channels ? 1 : w.channels;
  const int64_t rows = rows_together(w, channels), blocks = ceil_div(w.axis[1].out, rows);
  const int64_t items = w.batch * planes * w.axis[0].out * blocks;
  parallel_for(options.parallel, items, threads_for(options, work, items), [&](int64_t item, int) {
    WindowRuns runs(w, src);
    const int64_t first = item % blocks * rows;
    item /= blocks;
    const int64_t d = item % w.axis[0].out;
    item /= w.axis[0].out;
    for (int64_t h = first; h < std::min(first + rows, w.axis[1].out); ++h)
      for_each_run(w, d, h, channels, [&](const PoolRun& run) { body(runs, item / planes, item % planes, run); });
  });
}

}  // namespace tapwise::inline TAPWISE_NAMESPACE
