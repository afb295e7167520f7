#include "backward_data.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "few_channels.hpp"
#include "finite.hpp"
#include "unaligned.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {
inline namespace TAPWISE_PRIVATE {
// Which positions of diff_src a tap reaches, and what the others become: the bias, or zero.
template <class T>
struct Uncovered {
  const BackwardData<T>& lowered;
  const TensorView<T>& view;
  Bias<T> bias;
  const Options& options;
  const std::array<bool, 3> all{covers_all(0), covers_all(1), covers_all(2)};

  bool meets(std::size_t axis, int64_t i) const { return all[axis] || lowered.covers(axis, i); }

  T value_of(int64_t channel) const {
    return bias.data == nullptr ? T{0} : load<T>(reinterpret_cast<const byte*>(bias.data) + channel * bias.stride);
  }

  /// Fills what is uncovered in some channels and positions of an image. Along the rows it may write to covered
  /// positions, too, if they have not been computed yet and are not to be added to.
  void fill(int64_t image, Range channels, const std::array<Range, 3>& at) const {
    if (options.accumulate && bias.data == nullptr && !options.relu) return;
    byte* const base = reinterpret_cast<byte*>(view.data) + image * view.stride[0];
    const auto put = [&](byte* to, T value) {
      const T sum = options.accumulate ? value + load<T>(to) : value;
      store<T>(to, options.relu && sum < T{0} ? T{0} : sum);
    };
    const bool by_channels = std::abs(view.stride[1]) < std::abs(view.stride[4]);
    for (int64_t d = at[0].first; d < at[0].last; ++d) {
      for (int64_t h = at[1].first; h < at[1].last; ++h) {
        byte* const row = base + d * view.stride[2] + h * view.stride[3];
        const bool row_meets = meets(0, d) && meets(1, h);
        if (by_channels) {
          for (int64_t w = at[2].first; w < at[2].last; ++w) {
            if (row_meets && meets(2, w)) continue;
            byte* const pixel = row + w * view.stride[4] + channels.first * view.stride[1];
            if (clear(pixel, view.stride[1], channels.size())) continue;
            for (int64_t c = channels.first; c < channels.last; ++c)
              put(row + w * view.stride[4] + c * view.stride[1], value_of(c));
          }
          continue;
        }
        if (row_meets && all[2]) continue;
        for (int64_t c = channels.first; c < channels.last; ++c) {
          if (clear(row + at[2].first * view.stride[4] + c * view.stride[1], view.stride[4], at[2].size())) continue;
          const T value = value_of(c);
          for (int64_t w = at[2].first; w < at[2].last; ++w)
            if (!options.accumulate || !row_meets || !meets(2, w))
              put(row + w * view.stride[4] + c * view.stride[1], value);
        }
      }
    }
  }

 private:
  // Dense numbers that become zero, which is the usual case.
  bool clear(byte* first, int64_t step, int64_t count) const {
    if (options.accumulate || bias.data != nullptr || step != int64_t{sizeof(T)}) return false;
    std::memset(first, 0, static_cast<std::size_t>(count) * sizeof(T));
    return true;
  }

  bool covers_all(std::size_t axis) const { return lowered.covers_all(axis); }
};

}  // namespace TAPWISE_PRIVATE

template <class T>
Status run_backward_data(const BackwardData<T>& lowered, const kernels::Kernels<T>& k, Bias<T> bias,
                         const TensorView<T>& diff_src, const Options& options) {
  const auto finite = [&] { return all_finite(lowered.weights); };
  if (const auto plan = plan_few_channels(lowered, k); plan && (!plan->padding_read || finite())) {
    const int team = threads_for(options, flops(lowered.p), plan->items);
    const Scratch scratch(options.workspace, workspace_bytes(*plan, team, sizeof(T)));
    if (!scratch.status()) return scratch.status();
    run_few_channels(lowered, *plan, k, bias, options, team, scratch.data());
    return {};
  }
  const auto threads = [&](const Jobs<T>& jobs) { return threads_for(options, jobs.work, jobs.items); };
  // Memory first: nothing is written if there is too little.
  int64_t bytes = 0, batches = 0;
  for_each_batch(lowered, k, {}, finite, [&](const Jobs<T>& jobs) {
    bytes = std::max(bytes, jobs.workspace_bytes(threads(jobs)));
    ++batches;
  });
  const Scratch scratch(options.workspace, BatchMemory<T>(lowered, bytes).bytes);
  if (!scratch.status()) return scratch.status();
  const BatchMemory<T> memory(lowered, bytes, scratch.data());

  const bool covers = lowered.covers_diff_src();
  const Uncovered<T> uncovered{lowered, diff_src, bias, options};
  if (batches == 0) {
    const auto whole = [&](std::size_t a) { return Range{0, diff_src.shape[a + 2]}; };
    for (int64_t image = 0; image < diff_src.shape[0]; ++image)
      uncovered.fill(image, {0, diff_src.shape[1]}, {whole(0), whole(1), whole(2)});
    return {};
  }
  // The first phases to write to a block fill what no phase will, while it is in the cache.
  const Correlation largest = lowered.largest();
  bool first = true;
  for_each_batch(lowered, k, memory.room, finite, [&](const Jobs<T>& jobs) {
    const auto fill = [&, fills = first && !covers](int64_t item) {
      if (!fills) return;
      const ItemOutputs to = outputs_of(largest, jobs.first, item);
      uncovered.fill(to.image, {to.first_channel, to.first_channel + to.channels}, lowered.positions_of(to.block));
    };
    run_jobs(jobs, k, bias, options, threads(jobs), memory.rest, fill);
    first = false;
  });
  return {};
}

#if !defined(TAPWISE_HEADER_ONLY)
#define TAPWISE_INSTANTIATE(T)                                                                      \
  template Status run_backward_data<T>(const BackwardData<T>&, const kernels::Kernels<T>&, Bias<T>, \
                                       const TensorView<T>&, const Options&);
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE
#endif

}  // namespace tapwise::inline TAPWISE_NAMESPACE
