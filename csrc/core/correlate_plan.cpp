#include <cstdlib>
#include <numeric>

#include "call.hpp"
#include "correlate.hpp"
#include "tiles.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {
inline namespace TAPWISE_PRIVATE {
using kernels::Operand;

// A band should stay in the second-level cache together with the weights that pass by; half of the smallest L2 that
// current cores have.
constexpr int64_t kBandBytes = 256 * 1024;

// Too few pieces of work are divided further: first by output positions, as long as each keeps enough of them to pay
// for its pass over the weights, then by output channels.
constexpr int64_t kFewPositions = 96;

// Panels of weights that together stay in the second-level cache pass by every tile, whose outputs then lie together.
constexpr int64_t kPassingBytes = 192 * 1024;

// A panel that an item packs for itself should stay in the second-level cache.
constexpr int64_t kMostPanelBytes = 768 * 1024;

// Costs beside the multiply-adds, in cycles of one multiply-add of a vector: to store a vector of a tile of kTile
// such vectors, as it is or transposed; to copy one into a band, as it is or transposed.
constexpr double kTile = 28, kStore = 60 / kTile, kTransposedStore = 160 / kTile, kCopy = 4, kTransposedCopy = 6;

// Cycles of a multiply-add that loads its activations from memory as whole vectors: aligned, or across cache lines.
constexpr double kAligned = 1.1, kAcrossLines = 1.8;

// Where each output has one input channel and no others share it, neither operand would be loaded for more than one
// vector. Then rows of outputs are the rows of a tile, and share the weights.
inline bool rows_of_pixels(const Correlation& c) {
  return c.in_channels == 1 && c.out_channels == 1 && c.axis[1].out > 1;
}

inline LaneSpeed estimate_correlate_lanes(const Correlation& c, int64_t v, int64_t element) {
  const double rows = static_cast<double>(c.out_channels), steps = static_cast<double>(c.products_per_dst());
  const double positions = static_cast<double>(c.batch) * static_cast<double>(c.positions());
  // What a band costs each vector of outputs.
  const double copies = static_cast<double>(c.in_channels) / rows;
  const double o_use = lane_use(c.out_channels, v), g_use = lane_use(c.groups, v);
  const double pixel_use = lane_use(c.axis[2].out, v);
  const double store = c.dst_stride.space[2] == element ? kStore : kTransposedStore;
  LaneSpeed speed;
  speed.channels =
      with_packing(o_use / (1 + (c.dst_stride.c == element ? kStore : kTransposedStore) / steps), o_use, positions);
  if (rows_of_pixels(c)) {
    speed.pixels = with_packing(pixel_use / (kAcrossLines + (store + kCopy) / steps), 1, positions);
  } else {
    // A tile of fewer than four rows waits for its loads of activations.
    speed.pixels = with_packing(pixel_use / (1 + (store + kCopy * copies) / steps + 1 / (rows * rows)), 1, positions);
  }
  if (c.groups > 1) {
    const bool dense = std::abs(c.src_stride.g) <= std::abs(c.src_stride.space[2]);
    const double around = dense ? kStore : kTransposedStore + kTransposedCopy * copies;
    speed.groups = with_packing(g_use / (kAligned + around / steps), g_use, positions);
  }
  return speed;
}

template <class T>
void choose_tile(CorrelatePlan& p, const Correlation& c, const kernels::Kernels<T>& k) {
  const int64_t v = k.lanes;
  const auto max_rows = [&](int vectors) { return k.max_rows[vectors_index(vectors)]; };
  p.units = c.groups;
  switch (p.lanes) {
    case Lanes::channels:
      p.vectors = c.out_channels <= v ? 1 : c.axis[2].out <= max_rows(4) && c.out_channels > 2 * v ? 4 : 2;
      p.rows = max_rows(p.vectors);
      p.width = p.vectors * v;
      p.panels = ceil_div(c.out_channels, p.width);
      break;
    case Lanes::pixels:
      if (rows_of_pixels(c)) {
        p.operand = Operand::wide;
        p.vectors = 1;
        p.rows = std::min<int64_t>(max_rows(1), c.axis[1].out);
        p.width = v;
        p.panels = 1;
        break;
      }
      p.vectors = c.axis[2].out <= v ? 1 : c.out_channels <= max_rows(4) && c.axis[2].out > 2 * v ? 4 : 2;
      p.rows = EvenSplit(c.out_channels, max_rows(p.vectors)).size(0);
      p.width = p.rows;
      p.panels = ceil_div(c.out_channels, p.width);
      break;
    case Lanes::groups:
      p.operand = Operand::wide;
      p.vectors = vectors_of_groups(c.groups, v);
      p.rows = max_rows(p.vectors);
      p.width = p.vectors * v;
      p.unit_groups = p.width;
      break;
  }
}

// Groups in the lanes: where they lie dense, all of them are one unit, so that what lies together is read together.
// In either case the packed weights lie block of groups by block of groups, channel by channel.
template <class T>
void divide_groups(CorrelatePlan& p, const Correlation& c) {
  const int64_t blocks = ceil_div(c.groups, p.width);
  p.in_place = c.src_stride.g == int64_t{sizeof(T)} && !p.through;
  p.units = p.in_place ? 1 : blocks;
  p.panels = p.in_place ? blocks * c.out_channels : c.out_channels;
}

inline Inner choose_inner(const CorrelatePlan& p, const Correlation& c) {
  if (p.lanes == Lanes::pixels) return Inner::pixels;
  if (p.lanes == Lanes::groups) return Inner::lanes;
  return std::abs(c.src_stride.c) <= std::abs(c.src_stride.space[2]) ? Inner::lanes : Inner::pixels;
}

template <class T>
BandLayout layout_for(const CorrelatePlan& p, const Correlation& c, Inner inner, const std::array<int64_t, 3>& block,
                      int64_t c_block) {
  std::array<BandAxis, 3> axis;
  for (std::size_t a = 0; a < 3; ++a) axis[a] = band_axis(c.axis[a], block[a], p.lanes == Lanes::pixels && a == 2);
  if (inner == Inner::pixels) return band_layout(axis, inner, c_block, 1, sizeof(T));
  if (p.lanes == Lanes::groups) return band_layout(axis, inner, c_block, p.width, sizeof(T));
  return band_layout(axis, inner, 1, c_block, sizeof(T));
}

// Whether what a tile reads shares few sets of the first-level cache, so that lines push each other
// out before they are used up: its rows, a multiple of 4 KiB apart, or, where steps are too short to wait for the
// second level, its channels. Then a band, whose rows lie otherwise, is read instead.
template <class T>
bool lines_collide(const CorrelatePlan& p, const Correlation& c) {
  const int64_t row = std::abs(c.axis[2].stride * c.src_stride.space[2]), channel = std::abs(c.src_stride.c);
  if (channel == int64_t{sizeof(T)})
    return row % kSetBytes == 0 && std::min(p.rows, c.axis[2].out) > kWays && c.in_channels > 1;
  if (p.rows * p.vectors >= kPatientStep) return false;
  return c.in_channels > kWays * (channel % kCacheLine != 0 ? kSets : kSets / std::gcd(kSets, channel / kCacheLine));
}

// The largest block of output positions whose band fits: whole rows if possible, then several rows, then several
// planes. Where a single tile of one row does not fit, fewer input channels at a time.
template <class T>
void choose_blocks(CorrelatePlan& p, const Correlation& c, int64_t vector_lanes, bool keep_channels) {
  const Inner inner = choose_inner(p, c);
  const int64_t tile = p.lanes == Lanes::pixels ? p.vectors * vector_lanes : p.rows;
  std::array<int64_t, 3> block{1, 1, c.axis[2].out};
  int64_t c_block = p.c_block;
  const auto fits = [&] { return layout_for<T>(p, c, inner, block, c_block).bytes <= kBandBytes; };
  while (!fits() && block[2] > tile) block[2] = std::max(tile, ceil_div(block[2], 2));
  while (!fits() && c_block > 1 && !keep_channels) c_block = ceil_div(c_block, 2);
  for (const std::size_t a : {std::size_t{1}, std::size_t{0}}) {
    if (block[2] < c.axis[2].out || (a == 0 && block[1] < c.axis[1].out)) break;
    // More than a few rows gain nothing: the overlap of neighbouring bands is small by then.
    while (block[a] < c.axis[a].out && block[a] < 16) {
      ++block[a];
      if (!fits()) {
        --block[a];
        break;
      }
    }
  }
  const auto pieces = [&] {
    int64_t count = p.units * c.batch;
    for (std::size_t a = 0; a < 3; ++a) count *= ceil_div(c.axis[a].out, block[a]);
    return count;
  };
  while (c.batch > 0 && pieces() < kEnoughItems && block[0] * block[1] * block[2] >= 2 * kFewPositions) {
    int64_t& longest = block[0] > 1 ? block[0] : block[1] > 1 ? block[1] : block[2];
    longest = ceil_div(longest, 2);
  }
  for (std::size_t a = 0; a < 3; ++a) {
    p.blocks[a] = ceil_div(c.axis[a].out, block[a]);
    p.block[a] = ceil_div(c.axis[a].out, p.blocks[a]);
    // A row is cut into whole tiles.
    if (a == 2 && p.blocks[a] > 1) p.block[a] = round_up(p.block[a], tile);
    p.blocks[a] = ceil_div(c.axis[a].out, p.block[a]);
  }
  p.c_block = c_block;
  p.c_blocks = ceil_div(c.in_channels, c_block);
  p.band = layout_for<T>(p, c, inner, p.block, c_block);
}

// Which operand is gone through again for the other: pieces pass by a panel of weights, which the item packs for
// itself, or panels pass by a piece. What is read again and again comes from beyond the second-level cache, so the
// smaller total decides; weights that fit into that cache always pass.
template <class T>
void divide_work(CorrelatePlan& p, const Correlation& c, bool packed, bool phases) {
  constexpr auto element = int64_t{sizeof(T)};
  const int64_t pieces = p.pieces(c), panels = p.units * p.panels;
  const int64_t panel_bytes = capped_product(p.panel_numbers, element),
                weight_bytes = capped_product(panels, panel_bytes);
  const int64_t src_bytes =
      capped_product(c.batch, c.groups, c.in_channels, c.axis[0].in, c.axis[1].in, c.axis[2].in, element);
  if (!phases && p.in_place && p.lanes == Lanes::channels && panels >= kEnoughItems && panel_bytes <= kMostPanelBytes &&
      weight_bytes > kBandBytes && capped_product(p.panels, src_bytes) < capped_product(pieces + 2, weight_bytes)) {
    p.panels_per_item = 1;
    p.panel_chunks = p.panels;
    p.pieces_per_item = std::max<int64_t>(1, pieces);
    p.pack_in_item = !packed;
    return;
  }
  p.pack_in_item = false;
  p.pieces_per_item = 1;
  p.panels_per_item = p.panels;
  if (p.units * pieces < kEnoughItems && !(phases && p.lanes == Lanes::groups))
    p.panels_per_item = ceil_div(p.panels, ceil_div(kEnoughItems, std::max<int64_t>(1, p.units * pieces)));
  p.panel_chunks = ceil_div(p.panels, p.panels_per_item);
}

}  // namespace TAPWISE_PRIVATE

int64_t CorrelatePlan::band_bytes() const {
  // Vectors of pixels read past the end of the last row by less than a tile.
  return round_up(band.bytes + (lanes == Lanes::pixels ? kVectorSlack : 0), kCacheLine);
}

int64_t CorrelatePlan::scratch_bytes(int64_t element_bytes) const {
  const int64_t panel_bytes = pack_in_item ? round_up(panel_numbers * element_bytes, kCacheLine) : 0;
  return round_up(TapRuns::kBytes, kCacheLine) + panel_bytes + (in_place ? 0 : band_room(band_bytes(), through));
}

template <class T>
CorrelatePlan plan_correlate(const Correlation& c, const kernels::Kernels<T>& k, const CorrelatePlan* packed_as,
                             bool phases, bool finite) {
  CorrelatePlan p;
  if (packed_as != nullptr) {
    p = *packed_as;
  } else {
    p.lane_speed = estimate_correlate_lanes(c, k.lanes, sizeof(T));
    if (!finite) p.lane_speed.pixels = 0;
    p.lanes = p.lane_speed.fastest();
    choose_tile(p, c, k);
    p.c_block = c.in_channels;
  }
  p.through = c.through.gradient == Gradient::src;
  if (p.lanes == Lanes::groups)
    divide_groups<T>(p, c);
  else
    p.in_place = p.lanes == Lanes::channels && !p.through && !lines_collide<T>(p, c);
  choose_blocks<T>(p, c, k.lanes, packed_as != nullptr);
  if (packed_as == nullptr) {
    const bool channels_dense = p.lanes == Lanes::channels && c.src_stride.c == int64_t{sizeof(T)};
    p.sum_over_taps = p.c_block < c.axis[2].taps && !(channels_dense && c.axis[2].dilation == 1);
  }
  p.panel_numbers = p.width * (1 + c.products_per_dst());
  // Along the rows a vector of pixels has padding in some lanes; rows that share a tile share their taps. Phases meet
  // what the largest of them may not.
  p.padding_read = p.lanes == Lanes::pixels &&
                   (phases || meets_padding(c.axis[2]) || (p.rows_of_pixels() && meets_padding(c.axis[1])));
  p.panels_inside = capped_product(p.panels, p.panel_numbers, int64_t{sizeof(T)}) <= kPassingBytes;

  divide_work<T>(p, c, packed_as != nullptr, phases);
  return p;
}

template <class T>
CorrelatePlan plan_phase(const Correlation& c, const CorrelatePlan& largest) {
  CorrelatePlan p = largest;
  p.band = layout_for<T>(p, c, choose_inner(p, c), p.block, p.c_block);
  p.panel_numbers = p.width * (1 + c.products_per_dst());
  return p;
}

#if !defined(TAPWISE_HEADER_ONLY)
#define TAPWISE_INSTANTIATE(T)                                                                                         \
  template CorrelatePlan plan_correlate<T>(const Correlation&, const kernels::Kernels<T>&, const CorrelatePlan*, bool, \
                                           bool);                                                                      \
  template CorrelatePlan plan_phase<T>(const Correlation&, const CorrelatePlan&);
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE
#endif

}  // namespace tapwise::inline TAPWISE_NAMESPACE
