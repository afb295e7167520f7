// Gradients of poolings are added up in place: pieces of work that own what they write, and clear it first.
#pragma once

#include <cstring>

#include "pool_windows.hpp"
#include "unaligned.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

inline constexpr int64_t kChannelsTogether = 64;

/// body(image, first channel, channels) for each plane or, by channels, for some channels of an image.
template <class Body>
void for_each_block_of_channels(const Windows& w, const Options& options, double work, Body&& body) {
  const int64_t together = w.by_channels ? std::min(w.channels, kChannelsTogether) : 1;
  const int64_t blocks = ceil_div(w.channels, together), items = w.batch * blocks;
  parallel_for(options.parallel, items, threads_for(options, work, items), [&](int64_t item, int) {
    const int64_t channel = item % blocks * together;
    body(item / blocks, channel, std::min(together, w.channels - channel));
  });
}

/// Zeros in those channels of an image.
template <class T>
void clear(const Windows& w, const PoolOperand<byte>& to, int64_t image, int64_t channel, int64_t channels) {
  const bool rows = channels == 1 && to.space[2] == int64_t{sizeof(T)};
  const bool pixels = channels > 1 && to.c == int64_t{sizeof(T)};
  byte* const first = to.at(image, channel);
  for (int64_t d = 0; d < w.axis[0].in; ++d)
    for (int64_t h = 0; h < w.axis[1].in; ++h) {
      byte* const row = first + d * to.space[0] + h * to.space[1];
      if (rows) {
        std::memset(row, 0, static_cast<std::size_t>(w.axis[2].in) * sizeof(T));
        continue;
      }
      for (int64_t x = 0; x < w.axis[2].in; ++x) {
        byte* const pixel = row + x * to.space[2];
        if (pixels)
          std::memset(pixel, 0, static_cast<std::size_t>(channels) * sizeof(T));
        else
          for (int64_t c = 0; c < channels; ++c) store<T>(pixel + c * to.c, T{0});
      }
    }
}

}  // namespace tapwise::inline TAPWISE_NAMESPACE
