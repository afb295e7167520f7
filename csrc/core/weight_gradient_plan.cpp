#include <cstdlib>

#include "call.hpp"
#include "tiles.hpp"
#include "weight_gradient.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {
inline namespace TAPWISE_PRIVATE {
using kernels::Operand;
using kernels::Run;

// What passes by at a time, of both operands, and the sums share the second-level cache.
constexpr int64_t kBandsBytes = 320 * 1024;
constexpr int64_t kBufferBytes = 256 * 1024;
constexpr int64_t kOutChannels = 256;

// Rows of a block are not cut below this for the sake of more input channels at a time.
constexpr int64_t kShortestRow = 64;

// More steps than this pay for loading and storing the sums of a tile.
constexpr int64_t kManySteps = 512;

// Below so many input channels the rows of a tile run over the taps of a row as well.
constexpr int64_t kFewChannels = 8;

// What the private sums of chunks may take.
constexpr int64_t kPrivateSumBytes = int64_t{3} << 19;

// Speeds, relative to full lanes of channels: of a tile that sums over pixels; of one that has a single output
// channel, whose few sums wait for each other and whose runs are rows. And cycles beside a multiply-add of groups in
// the lanes: with both operands from memory, and for each vector that is copied, transposed, into a band.
constexpr double kPixelLanes = 0.7, kPixelSum = 2, kPixelRun = 4, kGroupLanes = 1.1, kBandCopy = 6;

inline LaneSpeed estimate_weight_gradient_lanes(const Correlation& c, int64_t v, int64_t element) {
  const double positions = static_cast<double>(c.batch) * static_cast<double>(c.positions());
  const double in = static_cast<double>(c.in_channels), out = static_cast<double>(c.out_channels);
  const double o_use = lane_use(c.out_channels, v), g_use = lane_use(c.groups, v);
  const double pixel_use = lane_use(c.axis[2].out, v), row_vectors = static_cast<double>(ceil_div(c.axis[2].out, v));
  LaneSpeed speed;
  speed.channels = with_packing(o_use, o_use, positions);
  speed.pixels = with_packing(
      pixel_use * (c.out_channels > 1 ? kPixelLanes : 1 / (kPixelSum + kPixelRun / row_vectors)), 1, positions);
  if (c.groups > 1) {
    const double copies = (c.src_stride.g == element ? 0 : 1 / out) + (c.dst_stride.g == element ? 0 : 1 / in);
    const double taps = static_cast<double>(c.taps());
    speed.groups = with_packing(g_use / (kGroupLanes + kBandCopy * copies / taps), g_use, positions);
  }
  return speed;
}

// Groups in the lanes that both operands hold side by side, and the taps of a row in one tile: then nothing is
// copied, and all groups are one unit, so that what lies together is read together.
template <class T>
bool groups_dense(const WeightGradientPlan& p, const Correlation& c) {
  constexpr auto element = int64_t{sizeof(T)};
  return p.lanes == Lanes::groups && !p.through && c.src_stride.g == element && c.dst_stride.g == element &&
         c.axis[2].taps <= p.rows;
}

template <class T>
BandLayout src_layout(const WeightGradientPlan& p, const Correlation& c, const std::array<int64_t, 3>& block,
                      int64_t c_block) {
  std::array<BandAxis, 3> axis;
  for (std::size_t a = 0; a < 3; ++a) axis[a] = band_axis(c.axis[a], block[a], p.lanes == Lanes::pixels && a == 2);
  if (p.lanes == Lanes::groups) {
    const int64_t blocks = std::max<int64_t>(1, p.panels_per_item / c.out_channels);
    return band_layout(axis, Inner::lanes, groups_dense<T>(p, c) ? blocks : c_block, p.width, sizeof(T));
  }
  if (p.lanes == Lanes::pixels || p.rows_over == WeightGradientPlan::Rows::taps)
    return band_layout(axis, Inner::pixels, c_block, 1, sizeof(T));
  return band_layout(axis, Inner::lanes, 1, c_block, sizeof(T));
}

template <class T>
BandLayout dst_layout(const WeightGradientPlan& p, const Correlation& c, const std::array<int64_t, 3>& block) {
  const std::array<Axis, 3> axes = dst_axes(c);
  std::array<BandAxis, 3> axis;
  for (std::size_t a = 0; a < 3; ++a) axis[a] = band_axis(axes[a], block[a], false);
  const int64_t channels = p.panels_per_item * p.panel_channels;
  if (p.lanes == Lanes::pixels) return band_layout(axis, Inner::pixels, channels, 1, sizeof(T));
  if (p.lanes == Lanes::groups) return band_layout(axis, Inner::lanes, channels, p.width, sizeof(T));
  return band_layout(axis, Inner::lanes, 1, channels, sizeof(T));
}

template <class T>
void choose_tile(WeightGradientPlan& p, const Correlation& c, const kernels::Kernels<T>& k) {
  const int64_t v = k.lanes;
  p.units = c.groups;
  switch (p.lanes) {
    case Lanes::channels:
      p.vectors = c.out_channels <= v ? 1 : 2;
      p.width = p.panel_channels = p.vectors * v;
      break;
    case Lanes::pixels:
      p.operand = Operand::dot;
      p.vectors = c.out_channels >= 4 ? 4 : c.out_channels >= 2 ? 2 : 1;
      break;
    case Lanes::groups:
      p.operand = Operand::wide;
      p.vectors = c.axis[2].taps > k.max_rows[vectors_index(2)] ? 1 : vectors_of_groups(c.groups, v);
      p.width = p.unit_groups = p.vectors * v;
      p.units = ceil_div(c.groups, p.width);
      break;
  }
  p.rows = k.max_rows[vectors_index(p.vectors)];
  p.panels = ceil_div(c.out_channels, p.panel_channels);
  if (groups_dense<T>(p, c)) {
    p.panels = p.units * c.out_channels;
    p.units = 1;
  }
  using Rows = WeightGradientPlan::Rows;
  const bool few = c.in_channels < kFewChannels && c.axis[2].taps > 1;
  const bool pixels_dense = std::abs(c.src_stride.space[2]) < std::abs(c.src_stride.c);
  if (p.lanes == Lanes::channels && few && c.axis[2].dilation == 1 && !pixels_dense)
    p.rows_over = Rows::taps_and_channels;
  else if (c.axis[2].taps > c.in_channels || (p.lanes == Lanes::channels && few))
    p.rows_over = Rows::taps;
}

template <class T>
void choose_blocks(WeightGradientPlan& p, const Correlation& c) {
  constexpr auto element = int64_t{sizeof(T)};
  // Sums: as many output channels as may share a block, then as many input channels as fit.
  const auto buffer = [&](int64_t channels) {
    return capped_product(p.panels_per_item, c.taps(), channels, p.width, element);
  };
  p.c_block = c.in_channels;
  p.panels_per_item = std::min(p.panels, std::max<int64_t>(1, kOutChannels / p.panel_channels));
  while (buffer(p.c_block) > kBufferBytes && (p.panels_per_item > 1 || p.c_block > 1)) {
    // Near a square, which reads the least.
    if (p.panels_per_item > 1 && (p.c_block == 1 || p.panels_per_item * p.panel_channels >= p.c_block))
      p.panels_per_item = ceil_div(p.panels_per_item, 2);
    else
      p.c_block = ceil_div(p.c_block, 2);
  }

  std::array<int64_t, 3> block{1, 1, c.axis[2].out};
  const auto bytes = [&] { return src_layout<T>(p, c, block, p.c_block).bytes + dst_layout<T>(p, c, block).bytes; };
  const auto fits = [&] { return bytes() <= kBandsBytes; };
  while (!fits() && block[2] > kShortestRow) block[2] = ceil_div(block[2], 2);
  while (!fits() && p.c_block > 1) p.c_block = ceil_div(p.c_block, 2);
  while (!fits() && block[2] > 1) block[2] = ceil_div(block[2], 2);
  for (const std::size_t a : {std::size_t{1}, std::size_t{0}}) {
    if (block[2] < c.axis[2].out || (a == 0 && block[1] < c.axis[1].out)) break;
    // The most that fit, by bisection: a band grows with its block.
    int64_t most = c.axis[a].out;
    for (int64_t least = 1; least < most;) {
      block[a] = least + (most - least + 1) / 2;
      if (fits())
        least = block[a];
      else
        most = block[a] - 1;
    }
    block[a] = most;
  }
  p.c_blocks = ceil_div(c.in_channels, p.c_block);
  p.o_blocks = ceil_div(p.panels, p.panels_per_item);

  // Too few pieces of work: divide the positions, in smaller blocks if need be.
  const auto bands = [&] {
    int64_t count = c.batch;
    for (std::size_t a = 0; a < 3; ++a) count *= ceil_div(c.axis[a].out, block[a]);
    return count;
  };
  const int64_t wanted = ceil_div(kEnoughItems, p.buffers());
  while (c.batch > 0 && bands() < wanted && block[0] * block[1] * block[2] >= kManySteps) {
    int64_t& longest = block[0] > 1 ? block[0] : block[1] > 1 ? block[1] : block[2];
    longest = ceil_div(longest, 2);
  }
  for (std::size_t a = 0; a < 3; ++a) {
    p.blocks[a] = ceil_div(c.axis[a].out, block[a]);
    p.block[a] = ceil_div(c.axis[a].out, p.blocks[a]);
    p.blocks[a] = ceil_div(c.axis[a].out, p.block[a]);
  }
  // Small images: several in a block.
  const int64_t positions = p.block[0] * p.block[1] * p.block[2];
  if (p.blocks[0] * p.blocks[1] * p.blocks[2] == 1 && c.batch > 0) {
    const int64_t most = std::max<int64_t>(1, std::min(kBandsBytes / std::max<int64_t>(1, bytes()), c.batch / wanted));
    p.images = std::min(most, ceil_div(kManySteps, positions));
  }
  p.image_blocks = ceil_div(c.batch, p.images);
  p.buffer_numbers = buffer(p.c_block) / element;
  p.src_band = src_layout<T>(p, c, p.block, p.c_block);
  p.dst_band = dst_layout<T>(p, c, p.block);

  const int64_t affordable = kPrivateSumBytes / capped_product(p.buffers(), p.buffer_numbers, element);
  p.chunks = std::max<int64_t>(1, std::min({wanted, p.bands(), affordable}));
}

}  // namespace TAPWISE_PRIVATE

int64_t WeightGradientPlan::scratch_bytes(int64_t element_bytes) const {
  const int64_t sums = chunks == 1 ? round_up(buffer_numbers * element_bytes, kCacheLine) : 0;
  return sums + round_up(runs() * int64_t{sizeof(Run)}, kCacheLine) + round_up(images * src_band.bytes, kCacheLine) +
         dst_bytes();
}

int64_t WeightGradientPlan::workspace_bytes(int threads, int64_t element_bytes) const {
  return workspace_of(round_up(capped_product(sum_numbers(), element_bytes), kCacheLine), threads,
                      scratch_bytes(element_bytes));
}

template <class T>
WeightGradientPlan plan_weight_gradient(const Correlation& c, const kernels::Kernels<T>& k) {
  constexpr auto element = int64_t{sizeof(T)};
  WeightGradientPlan p;
  p.through = static_cast<bool>(c.through);
  p.lane_speed = estimate_weight_gradient_lanes(c, k.lanes, element);
  p.lanes = p.lane_speed.fastest();
  choose_tile(p, c, k);
  choose_blocks<T>(p, c);
  if (p.lanes == Lanes::channels) {
    // Not where the planes of a tile's rows share a set of the first-level cache.
    const int64_t step = std::abs(c.src_stride.c);
    const bool collide = step % kSetBytes == 0 && std::min(p.rows, p.c_block) > kWays;
    p.src_in_place = p.rows_over == WeightGradientPlan::Rows::channels && !collide;
    // Steps too short to wait for the second-level cache want what they read together, if several taps read it.
    const bool patient = p.rows * p.vectors >= kPatientStep || c.taps() == 1;
    p.dst_in_place = !p.through && c.dst_stride.c == element && c.out_channels % p.width == 0 && patient;
  } else if (groups_dense<T>(p, c)) {
    p.src_in_place = p.dst_in_place = true;
    // One run for all taps, and one for each position on either side where some meet padding.
    if (p.rows_over == WeightGradientPlan::Rows::taps)
      p.runs_per_row =
          std::min(p.block[2], 1 + 2 * ceil_div((c.axis[2].taps - 1) * c.axis[2].dilation, c.axis[2].stride));
  }
  return p;
}

#if !defined(TAPWISE_HEADER_ONLY)
#define TAPWISE_INSTANTIATE(T) \
  template WeightGradientPlan plan_weight_gradient<T>(const Correlation&, const kernels::Kernels<T>&);
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE
#endif

}  // namespace tapwise::inline TAPWISE_NAMESPACE
