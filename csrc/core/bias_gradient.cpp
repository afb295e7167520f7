#include "bias_gradient.hpp"

#include <algorithm>
#include <cstdlib>
#include <tuple>
#include <utility>

#include "call.hpp"
#include "checked.hpp"
#include "scratch.hpp"
#include "unaligned.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {
inline namespace TAPWISE_PRIVATE {
using kernels::byte;
using kernels::int64_t;

// Chunks are cut by shape, so that the order of the sum does not depend on the threads. Each has one sum per channel.
constexpr int64_t kMostChunks = 64;
constexpr int64_t kChunkSumBytes = 1 << 20;
constexpr int64_t kRunOfRows = 512, kRunOfPixels = 32768;

// Numbers of a gradient that comes through a ReLU are gathered so many at a time, and then added up.
constexpr int64_t kGathered = 4096;

// From one position to the next, in the tensor and in y, the ReLU's result.
struct Step {
  int64_t t = 0, y = 0;
  friend Step operator*(int64_t n, Step s) { return {n * s.t, n * s.y}; }
  bool operator==(const Step&) const = default;
};

// The positions of a tensor as a list of runs: `count` positions, `step` bytes apart, for every index of the outer
// axes.
struct Runs {
  bool channels_dense;
  int64_t outer_count[4];
  Step outer_step[4];  // the run's own pieces are the last
  int64_t length, piece;
  Step step;
  int64_t pieces;  // all of them
  int64_t chunks;
};

template <class T>
Runs runs_of(const TensorView<const T>& t, const TensorView<const T>* y) {
  Runs r{};
  r.channels_dense = t.stride[1] == int64_t{sizeof(T)} || t.shape[1] == 1;
  // Neighbouring axes that lie in memory as one are one. Not so beside a y, which may lie otherwise: pieces, and with
  // them scratch and the order of sums, must not depend on how.
  std::pair<int64_t, Step> axes[4] = {{1, {}}};
  std::size_t count = 0;
  for (const std::size_t a : {0u, 2u, 3u, 4u}) {
    if (t.shape[a] == 1) continue;
    const Step step{t.stride[a], y == nullptr ? 0 : y->stride[a]};
    if (y == nullptr && count > 0 && axes[count - 1].second == t.shape[a] * step) {
      axes[count - 1] = {axes[count - 1].first * t.shape[a], step};
    } else {
      axes[count++] = {t.shape[a], step};
    }
  }
  std::fill(std::begin(r.outer_count), std::end(r.outer_count), 1);
  for (std::size_t a = 0; a + 1 < count; ++a) std::tie(r.outer_count[a], r.outer_step[a]) = axes[a];
  std::tie(r.length, r.step) = axes[count > 0 ? count - 1 : 0];
  // A single channel's pixels are summed along the lanes where they are dense.
  if (t.shape[1] == 1) r.channels_dense = r.step.t != int64_t{sizeof(T)};
  r.piece = std::min(r.length, r.channels_dense ? kRunOfRows : kRunOfPixels);
  if (r.piece > 0) {
    r.outer_count[3] = ceil_div(r.length, r.piece);
    r.outer_step[3] = r.piece * r.step;
  }
  r.pieces = r.outer_count[0] * r.outer_count[1] * r.outer_count[2] * r.outer_count[3];
  const int64_t affordable = kChunkSumBytes / (t.shape[1] * int64_t{sizeof(T)} + 1);
  r.chunks = std::max<int64_t>(1, std::min({kMostChunks, r.pieces, affordable}));
  return r;
}

// Sums of `count` positions, to dense numbers of `to`.
template <class T>
void add_piece(const Runs& r, int64_t channels, int64_t channel_step, const byte* from, int64_t count, bool accumulate,
               T* to, const kernels::Kernels<T>& k) {
  const bool dense = r.channels_dense;
  const kernels::Sum sum{reinterpret_cast<byte*>(to),
                         from,
                         dense ? channel_step : r.step.t,
                         dense ? r.step.t : channel_step,
                         dense ? channels : count,
                         dense ? count : channels,
                         accumulate};
  (dense ? k.add_rows : k.add_columns)(sum);
}

// The same where the gradient comes through a ReLU: [position][channel] or pixels of one channel, as many as `room` has
// place for, and then their sums.
template <class T>
void add_piece_through(const Runs& r, int64_t channels, Step channel_step, const byte* from, const byte* y,
                       int64_t count, bool accumulate, T* to, T* room, const kernels::Kernels<T>& k) {
  constexpr auto element = int64_t{sizeof(T)};
  auto* const gathered = reinterpret_cast<byte*>(room);
  const int64_t most = r.channels_dense ? std::max<int64_t>(1, kGathered / channels) : std::min(count, kGathered);
  const int64_t together = std::min(channels, kGathered / most);
  for (int64_t c = 0; c < channels; c += together) {
    const int64_t width = std::min(together, channels - c);
    for (int64_t i = 0; i < count; i += most) {
      const int64_t positions = std::min(most, count - i);
      const byte* const at = from + c * channel_step.t + i * r.step.t;
      const byte* const y_at = y + c * channel_step.y + i * r.step.y;
      auto* const sum = reinterpret_cast<byte*>(to + c);
      if (r.channels_dense) {
        for (int64_t p = 0; p < positions; ++p)
          k.relu_grad({gathered + p * width * element, at + p * r.step.t, y_at + p * r.step.y, element, channel_step.t,
                       channel_step.y, width});
        k.add_rows({sum, gathered, element, width * element, width, positions, accumulate || i > 0});
      } else {
        for (int64_t p = 0; p < width; ++p)
          k.relu_grad({gathered + p * positions * element, at + p * channel_step.t, y_at + p * channel_step.y, element,
                       r.step.t, r.step.y, positions});
        k.add_columns({sum, gathered, element, positions * element, positions, width, accumulate || i > 0});
      }
    }
  }
}

constexpr int64_t sums_bytes(int64_t chunks, int64_t channels, int64_t element) {
  return round_up(chunks * channels * element, kCacheLine);
}

}  // namespace TAPWISE_PRIVATE

template <class T>
Status run_bias_gradient(const TensorView<const T>& t, const TensorView<const T>* y, VectorView<T> diff_bias,
                         const Options& options, const kernels::Kernels<T>& k) {
  const int64_t channels = t.shape[1];
  byte* const result = reinterpret_cast<byte*>(diff_bias.data);
  const bool empty = std::find(t.shape.begin(), t.shape.end(), 0) != t.shape.end();
  const Runs r = empty ? Runs{} : runs_of(t, y);
  const int64_t chunks = empty ? 0 : r.chunks;
  const int64_t sum_bytes = sums_bytes(chunks, channels, sizeof(T));
  const double numbers = static_cast<double>(r.pieces) * static_cast<double>(r.piece) * static_cast<double>(channels);
  const int threads = threads_for(options, 4 * numbers, chunks);
  const Scratch scratch(options.workspace,
                        workspace_of(sum_bytes, y == nullptr ? 0 : threads, kGathered * int64_t{sizeof(T)}));
  if (!scratch.status()) return scratch.status();
  T* const sums = reinterpret_cast<T*>(scratch.data());
  T* const rooms = reinterpret_cast<T*>(scratch.data() + sum_bytes);
  parallel_for(options.parallel, chunks, threads, [&](int64_t chunk, int thread) {
    const int64_t first = r.pieces * chunk / chunks, last = r.pieces * (chunk + 1) / chunks;
    for (int64_t piece = first; piece < last; ++piece) {
      Step from{};
      int64_t index = piece, in_run = 0;
      for (std::size_t a = 4; a-- > 0;) {
        const int64_t i = index % r.outer_count[a];
        index /= r.outer_count[a];
        from = {from.t + i * r.outer_step[a].t, from.y + i * r.outer_step[a].y};
        if (a == 3) in_run = i * r.piece;
      }
      const int64_t count = std::min(r.piece, r.length - in_run);
      const byte* const at = reinterpret_cast<const byte*>(t.data) + from.t;
      T* const to = sums + chunk * channels;
      if (y == nullptr)
        add_piece(r, channels, t.stride[1], at, count, piece != first, to, k);
      else
        add_piece_through(r, channels, {t.stride[1], y->stride[1]}, at, reinterpret_cast<const byte*>(y->data) + from.y,
                          count, piece != first, to, rooms + thread * kGathered, k);
    }
  });
  for (int64_t channel = 0; channel < channels; ++channel) {
    T sum = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) sum += sums[chunk * channels + channel];
    store<T>(result + channel * diff_bias.stride, sum, options.accumulate);
  }
  return {};
}

template <class T>
void describe_bias_gradient(const TensorView<const T>& t, const TensorView<const T>* y, const Options& options,
                            Description& d) {
  const Runs r = runs_of(t, y);
  d.lanes = r.channels_dense ? "channels" : "pixels";
  d.items = r.chunks;
  d.in_place = true;
  d.threads =
      threads_for(options, 4.0 * static_cast<double>(r.pieces) * static_cast<double>(r.piece * t.shape[1]), r.chunks);
  d.packed_bytes = sums_bytes(r.chunks, t.shape[1], sizeof(T));
  d.scratch_bytes = y == nullptr ? 0 : kGathered * int64_t{sizeof(T)};
  d.workspace_bytes = workspace_of(d.packed_bytes, d.threads, d.scratch_bytes);
}

#if !defined(TAPWISE_HEADER_ONLY)
#define TAPWISE_INSTANTIATE(T)                                                                                    \
  template Status run_bias_gradient<T>(const TensorView<const T>&, const TensorView<const T>*, VectorView<T>,     \
                                       const Options&, const kernels::Kernels<T>&);                               \
  template void describe_bias_gradient<T>(const TensorView<const T>&, const TensorView<const T>*, const Options&, \
                                          Description&);
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE
#endif

}  // namespace tapwise::inline TAPWISE_NAMESPACE
