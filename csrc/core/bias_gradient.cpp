#include "bias_gradient.hpp"

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

// The positions of a tensor as a list of runs: `count` positions, `step` bytes apart, for every index of the outer
// axes.
struct Runs {
  bool channels_dense;
  int64_t outer_count[4], outer_step[4];  // the run's own pieces are the last
  int64_t length, piece, step;
  int64_t pieces;  // all of them
  int64_t chunks;
};

template <class T>
Runs runs_of(const TensorView<const T>& t) {
  Runs r{};
  r.channels_dense = t.stride[1] == int64_t{sizeof(T)} || t.shape[1] == 1;
  // Neighbouring axes that lie in memory as one are one.
  std::pair<int64_t, int64_t> axes[4] = {{1, 0}};
  std::size_t count = 0;
  for (const std::size_t a : {0u, 2u, 3u, 4u}) {
    if (t.shape[a] == 1) continue;
    if (count > 0 && axes[count - 1].second == t.shape[a] * t.stride[a]) {
      axes[count - 1] = {axes[count - 1].first * t.shape[a], t.stride[a]};
    } else {
      axes[count++] = {t.shape[a], t.stride[a]};
    }
  }
  std::fill(std::begin(r.outer_count), std::end(r.outer_count), 1);
  for (std::size_t a = 0; a + 1 < count; ++a) std::tie(r.outer_count[a], r.outer_step[a]) = axes[a];
  std::tie(r.length, r.step) = axes[count > 0 ? count - 1 : 0];
  // A single channel's pixels are summed along the lanes where they are dense.
  if (t.shape[1] == 1) r.channels_dense = r.step != int64_t{sizeof(T)};
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

}  // namespace TAPWISE_PRIVATE

template <class T>
Status run_bias_gradient(const TensorView<const T>& t, VectorView<T> diff_bias, const Options& options,
                         const kernels::Kernels<T>& k) {
  const int64_t channels = t.shape[1];
  byte* const result = reinterpret_cast<byte*>(diff_bias.data);
  const bool empty = t.shape[0] * t.shape[2] * t.shape[3] * t.shape[4] == 0;
  const Runs r = empty ? Runs{} : runs_of(t);
  const int64_t chunks = empty ? 0 : r.chunks;
  const int64_t bytes = round_up(chunks * channels * int64_t{sizeof(T)}, kCacheLine);
  const Scratch scratch(options.workspace, bytes);
  if (!scratch.status()) return scratch.status();
  T* const sums = reinterpret_cast<T*>(scratch.data());
  const double numbers = static_cast<double>(r.pieces) * static_cast<double>(r.piece) * static_cast<double>(channels);
  parallel_for(options.parallel, chunks, threads_for(options, 4 * numbers, chunks), [&](int64_t chunk, int) {
    const int64_t first = r.pieces * chunk / chunks, last = r.pieces * (chunk + 1) / chunks;
    for (int64_t piece = first; piece < last; ++piece) {
      const byte* from = reinterpret_cast<const byte*>(t.data);
      int64_t index = piece, in_run = 0;
      for (std::size_t a = 4; a-- > 0;) {
        const int64_t i = index % r.outer_count[a];
        index /= r.outer_count[a];
        from += i * r.outer_step[a];
        if (a == 3) in_run = i * r.piece;
      }
      const int64_t count = std::min(r.piece, r.length - in_run);
      const kernels::Sum sum{reinterpret_cast<byte*>(sums + chunk * channels),
                             from,
                             r.channels_dense ? t.stride[1] : r.step,
                             r.channels_dense ? r.step : t.stride[1],
                             r.channels_dense ? channels : count,
                             r.channels_dense ? count : channels,
                             piece != first};
      (r.channels_dense ? k.add_rows : k.add_columns)(sum);
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
void describe_bias_gradient(const TensorView<const T>& t, const Options& options, Description& d) {
  const Runs r = runs_of(t);
  d.lanes = r.channels_dense ? "channels" : "pixels";
  d.items = r.chunks;
  d.in_place = true;
  d.threads =
      threads_for(options, 4.0 * static_cast<double>(r.pieces) * static_cast<double>(r.piece * t.shape[1]), r.chunks);
  d.packed_bytes = d.workspace_bytes = round_up(r.chunks * t.shape[1] * int64_t{sizeof(T)}, kCacheLine);
}

#if !defined(TAPWISE_HEADER_ONLY)
#define TAPWISE_INSTANTIATE(T)                                                                    \
  template Status run_bias_gradient<T>(const TensorView<const T>&, VectorView<T>, const Options&, \
                                       const kernels::Kernels<T>&);                               \
  template void describe_bias_gradient<T>(const TensorView<const T>&, const Options&, Description&);
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE
#endif

}  // namespace tapwise::inline TAPWISE_NAMESPACE
