// What is wrong with a pooling.
#pragma once

#include "check_operands.hpp"
#include "pool_windows.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

inline Status check_pooling(const ConvProblem& p) noexcept {
  if (Status s = validate(p); !s) return s;
  if (p.out_channels != p.in_channels || p.groups != p.in_channels)
    return Status::error(Code::invalid_argument,
                         "pooling is depthwise: groups, in_channels and out_channels are equal");
  const Spatial out = dst_size(p);
  for (std::size_t a = 0; a < 3; ++a) {
    const int64_t most = (p.kernel[a] - 1) * p.dilation[a];
    if (std::max(p.pad_low[a], p.pad_high[a]) > most ||
        empty_window({out[a], p.src[a], p.kernel[a], p.stride[a], p.dilation[a], -p.pad_low[a]}) >= 0)
      return Status::error(Code::invalid_argument, "padding lets a window see nothing else");
  }
  return {};
}

}  // namespace tapwise::inline TAPWISE_NAMESPACE
