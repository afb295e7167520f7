// Gradient by an input of few channels, such as a network's first layer has.
//
// Neither lanes nor rows of a tile would be filled by three channels, so the rows are channels times phases: outputs
// q * modulus + r of all r < modulus read the same window of diff_dst around q, each by taps of its own. Rows that have
// no tap at a position of the window stay out of its run.
#pragma once

#include <optional>

#include "band.hpp"
#include "call.hpp"
#include "correlation.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

struct FewChannelsPlan {
  // Along each axis: outputs are q * modulus + r; window.index(q, t) is the position of diff_dst that they meet with
  // t, by tap r + pad - (first + t) * stride if there is one.
  std::array<Axis, 3> window;
  std::array<int64_t, 3> modulus{1, 1, 1}, first{};

  int64_t channels = 1, rows = 1;  // of diff_src in a group; channels * modulus of all axes
  int vectors = 2;
  int64_t panel_rows = 1, panels = 1;
  std::array<int64_t, 3> block{1, 1, 1}, blocks{1, 1, 1};
  BandLayout band;
  bool padding_read = false;  // padding is read as zeros, so that weights must be finite
  int64_t items = 0, packed_numbers = 0;
  int64_t scratch_bytes = 0;

  int64_t window_size() const { return window[0].taps * window[1].taps * window[2].taps; }
  /// At most: one for each position of the window and, where rows do not lie together, for each group of them.
  int64_t runs() const { return window_size() * std::min(modulus[0] * modulus[1], panel_rows); }
};

/// The plan, if this is the way to go.
template <class T>
std::optional<FewChannelsPlan> plan_few_channels(const BackwardData<T>& problem, const kernels::Kernels<T>& k);

template <class T>
void run_few_channels(const BackwardData<T>& problem, const FewChannelsPlan& plan, const kernels::Kernels<T>& k,
                      Bias<T> bias, const Options& options, int threads, byte* workspace);

inline int64_t workspace_bytes(const FewChannelsPlan& plan, int threads, int64_t element_bytes) {
  return workspace_of(round_up(capped_product(plan.packed_numbers, element_bytes), kCacheLine), threads,
                      plan.scratch_bytes);
}

}  // namespace tapwise::inline TAPWISE_NAMESPACE
