// Weights in the order in which the kernel reads them.
#include "correlate.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {
inline namespace TAPWISE_PRIVATE {
// Whether the taps of a channel lie in memory as one, forwards (1) or backwards (-1).
inline int dense_taps(const WeightStrides& s, const Steps& steps, int64_t element) {
  for (const int sign : {1, -1}) {
    int64_t expected = sign * element;
    bool dense = true;
    for (std::size_t a = 3; a-- > 0;) {
      dense &= steps.taps[a] == 1 || s.tap[a] == expected;
      expected *= steps.taps[a];
    }
    if (dense) return sign;
  }
  return 0;
}

// One lane axis and all steps of the sum, from anywhere to [step][lane]. The kernel that copies likes one side of its
// matrix dense: lanes, channels or, as in the usual order of weights, taps.
template <class T>
void pack_steps(const kernels::Kernels<T>& k, const WeightStrides& s, const Steps& steps, const byte* from,
                int64_t lane_stride, int64_t lanes, int64_t width, byte* to) {
  constexpr auto element = int64_t{sizeof(T)};
  const int64_t row = width * element, taps = steps.taps[0] * steps.taps[1] * steps.taps[2];
  const int64_t channel_row = steps.over_taps ? taps * row : row,
                tap_row = steps.over_taps ? row : steps.channels * row;
  const int sign = dense_taps(s, steps, element);
  if (taps > 1 && sign != 0 && lane_stride != element && s.c != element) {
    const byte* const lowest = sign > 0 ? from : from - (taps - 1) * element;
    byte* const lowest_to = sign > 0 ? to : to + (taps - 1) * tap_row;
    const bool flat = s.c == taps * element;
    for (int64_t ch = 0; ch < (flat ? 1 : steps.channels); ++ch)
      k.copy({lowest_to + ch * channel_row, sign * tap_row, lowest + ch * s.c, element, lane_stride,
              flat ? taps * steps.channels : taps, lanes, width, taps, channel_row});
    return;
  }
  for (int64_t d = 0; d < steps.taps[0]; ++d)
    for (int64_t h = 0; h < steps.taps[1]; ++h)
      for (int64_t w = 0; w < steps.taps[2]; ++w)
        k.copy({to + steps.index(0, d, h, w) * row, channel_row, from + d * s.tap[0] + h * s.tap[1] + w * s.tap[2], s.c,
                lane_stride, steps.channels, lanes, width});
}

}  // namespace TAPWISE_PRIVATE

template <class T>
void pack_panel(const Correlation& c, const CorrelatePlan& p, const kernels::Kernels<T>& k, int64_t unit, int64_t panel,
                Bias<T> bias, T* to) {
  const WeightStrides& s = c.weights_stride;
  // The lane axis is output channels of one group, groups for one output channel, or a single number for all lanes.
  const bool by_groups = p.lanes == Lanes::groups;
  const bool repeated = p.rows_of_pixels();
  const int64_t o = by_groups ? panel % c.out_channels : repeated ? panel : panel * p.width;
  const int64_t group = by_groups ? (unit + panel / c.out_channels) * p.width : unit;
  const int64_t lanes = repeated ? p.width : std::min(p.width, by_groups ? c.groups - group : c.out_channels - o);
  const int64_t lane_stride = repeated ? 0 : by_groups ? s.g : s.o;
  const byte* from = c.weights + group * s.g + o * s.o;

  const int64_t bias_lane = repeated ? 0 : by_groups ? c.out_channels * bias.stride : bias.stride;
  if (bias.data != nullptr) {
    const int64_t channel = group * c.out_channels + o;
    const byte* bias_from = reinterpret_cast<const byte*>(bias.data) + channel * bias.stride;
    k.copy({reinterpret_cast<byte*>(to), 0, bias_from, 0, bias_lane, 1, lanes, p.width});
  }
  to += p.width;

  for (int64_t b = 0; b < p.c_blocks; ++b) {
    const Steps steps = steps_of(c, p, b);
    pack_steps<T>(k, s, steps, from + b * p.c_block * s.c, lane_stride, lanes, p.width, reinterpret_cast<byte*>(to));
    to += steps.channels * c.taps() * p.width;
  }
}

#if !defined(TAPWISE_HEADER_ONLY)
#define TAPWISE_INSTANTIATE(T)                                                                                        \
  template void pack_panel<T>(const Correlation&, const CorrelatePlan&, const kernels::Kernels<T>&, int64_t, int64_t, \
                              Bias<T>, T*);
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE
#endif

}  // namespace tapwise::inline TAPWISE_NAMESPACE
