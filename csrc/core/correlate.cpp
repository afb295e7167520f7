#include "core/correlate.hpp"

#include <cstdlib>
#include <numeric>

#include "core/call.hpp"
#include "core/taps.hpp"
#include "core/tiles.hpp"

namespace tapwise {
namespace {

using kernels::Operand;

constexpr int64_t kSlack = 4 * kCacheLine;

// A band should stay in the second-level cache together with the weights that pass by; half of the smallest L2 that
// current cores have.
constexpr int64_t kBandBytes = 256 * 1024;

// Fewer independent pieces of work than this are divided further: first by output positions, as long as each keeps
// enough of them to pay for its pass over the weights, then by output channels.
constexpr int64_t kEnoughItems = 16;
constexpr int64_t kFewPositions = 96;

// Panels of weights that together stay in the second-level cache pass by every tile, whose outputs then lie together.
constexpr int64_t kPassingBytes = 192 * 1024;

// A panel that an item packs for itself should stay in the second-level cache.
constexpr int64_t kMostPanelBytes = 768 * 1024;

// Costs beside the multiply-adds, in cycles of one multiply-add of a vector: to store a tile of kTile such adds a step,
// as it is or transposed; and to copy a vector of activations into a band. Lanes of groups load both operands of every
// multiply-add from memory.
constexpr double kTile = 28, kStore = 60, kTransposedStore = 160, kCopyVector = 4, kGroupLanes = 0.7,
                 kTransposedBand = 0.5;

LaneSpeed estimate_lanes(const Correlation& c, int64_t v, int64_t element) {
  const bool channels_dense = c.groups > 1 ? std::abs(c.src_stride.g) <= std::abs(c.src_stride.space[2]) : true;
  const double rows = static_cast<double>(c.out_channels), steps = static_cast<double>(c.products_per_dst());
  const double positions = static_cast<double>(c.batch) * static_cast<double>(c.positions());
  const double o_use = lane_use(c.out_channels, v), g_use = lane_use(c.groups, v);
  const double stored = c.dst_stride.c == element ? kStore : kTransposedStore;
  const double stored_pixels = c.dst_stride.space[2] == element ? kStore : kTransposedStore;
  const double channels = with_packing(o_use / (1 + stored / (steps * kTile)), o_use, positions);
  const double copied = kCopyVector * static_cast<double>(c.in_channels) / (rows * steps);
  // A tile of fewer than four rows waits for its loads of activations.
  const double pixels = with_packing(
      lane_use(c.axis[2].out, v) / (1 + stored_pixels / (steps * kTile) + copied + 1 / (rows * rows)), 1, positions);
  const double groups =
      c.groups == 1 ? 0 : with_packing(kGroupLanes * g_use * (channels_dense ? 1 : kTransposedBand), g_use, positions);
  return {channels, pixels, groups};
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
      p.vectors = c.axis[2].out <= v ? 1 : c.out_channels <= max_rows(4) && c.axis[2].out > 2 * v ? 4 : 2;
      p.rows = EvenSplit(c.out_channels, max_rows(p.vectors)).size(0);
      p.width = p.rows;
      p.panels = ceil_div(c.out_channels, p.width);
      break;
    case Lanes::groups:
      p.operand = Operand::wide;
      p.vectors = c.groups <= v ? 1 : 2;
      p.rows = max_rows(p.vectors);
      p.width = p.vectors * v;
      p.unit_groups = p.width;
      p.units = ceil_div(c.groups, p.width);
      p.panels = c.out_channels;
      break;
  }
}

Inner choose_inner(const CorrelatePlan& p, const Correlation& c) {
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

// Whether what a tile reads shares few sets of the first-level cache (64 sets of 8 lines), so that lines push each
// other out before they are used up: its rows, a multiple of 4 KiB apart, or, where steps are too short to wait for the
// second level, its channels. Then a band, whose rows lie otherwise, is read instead.
template <class T>
bool lines_collide(const CorrelatePlan& p, const Correlation& c) {
  constexpr int64_t sets = 64, ways = 8, patient_step = 16;
  const int64_t row = std::abs(c.axis[2].stride * c.src_stride.space[2]), channel = std::abs(c.src_stride.c);
  if (channel == int64_t{sizeof(T)})
    return row % (sets * kCacheLine) == 0 && std::min(p.rows, c.axis[2].out) > ways && c.in_channels > 1;
  if (p.rows * p.vectors >= patient_step) return false;
  return c.in_channels > ways * (channel % kCacheLine != 0 ? sets : sets / std::gcd(sets, channel / kCacheLine));
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

Steps steps_of(const Correlation& c, const CorrelatePlan& p, int64_t c_block) {
  const int64_t channels = std::min(p.c_block, c.in_channels - c_block * p.c_block);
  return {channels, {c.axis[0].taps, c.axis[1].taps, c.axis[2].taps}, p.sum_over_taps};
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
  if (!phases && p.in_place && panels >= kEnoughItems && panel_bytes <= kMostPanelBytes && weight_bytes > kBandBytes &&
      capped_product(p.panels, src_bytes) < capped_product(pieces + 2, weight_bytes)) {
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

// What one call computes.
struct Item {
  int64_t unit;
  Range panels, pieces;
};

Item item_of(const Correlation& c, const CorrelatePlan& p, int64_t index) {
  Item item{};
  item.panels.first = index % p.panel_chunks * p.panels_per_item;
  item.panels.last = std::min(p.panels, item.panels.first + p.panels_per_item);
  index /= p.panel_chunks;
  const int64_t piece_chunks = ceil_div(p.pieces(c), p.pieces_per_item);
  item.pieces.first = index % piece_chunks * p.pieces_per_item;
  item.pieces.last = std::min(p.pieces(c), item.pieces.first + p.pieces_per_item);
  item.unit = index / piece_chunks;
  return item;
}

// A block of outputs of one image, in the channels of one unit.
struct Piece {
  int64_t unit, image;
  Block block;
  int64_t group, group_lanes;  // the unit's first group, and how many are in the lanes
};

Piece piece_of(const Correlation& c, const CorrelatePlan& p, int64_t unit, int64_t index) {
  Piece piece{};
  piece.unit = unit;
  piece.block = take_block(index, c.axis, p.blocks, p.block);
  piece.image = index;
  piece.group = unit * p.unit_groups;
  piece.group_lanes = p.lanes == Lanes::groups ? std::min(p.width, c.groups - piece.group) : 1;
  return piece;
}

// The activations of the piece's channel block that begins at channel `c_first`.
template <class T>
Reading read_activations(const Correlation& c, const CorrelatePlan& p, const kernels::Kernels<T>& k, const Piece& piece,
                         int64_t c_first, int64_t channels, byte* band) {
  const bool by_groups = p.lanes == Lanes::groups;
  const ActivationStrides& s = c.src_stride;
  const BandSource source{c.src + piece.image * s.n + piece.group * s.g + c_first * s.c, s.c, by_groups ? s.g : s.c,
                          s.space};
  BandLayout layout = p.band;
  if (layout.inner == Inner::pixels || by_groups) layout.planes = channels;
  const int64_t lanes = layout.inner == Inner::pixels ? 1 : by_groups ? piece.group_lanes : channels;
  if (p.in_place) return read_in_place(c.axis, source, piece.block.first);
  gather_band(k, c.axis, layout, source, piece.block.first, lanes, band);
  return read_band(layout, band);
}

// The strides of a tile: between rows, lanes and steps of the sum.
template <class T>
kernels::Tile<T> tile_of(const Correlation& c, const CorrelatePlan& p, const kernels::Kernels<T>& k,
                         const Reading& activations, int64_t step) {
  constexpr auto element = int64_t{sizeof(T)};
  kernels::Tile<T> tile{};
  tile.b_vector = k.lanes * element;
  if (p.lanes == Lanes::pixels) {
    tile.a_row = element;
    tile.a_step = p.width * element;
    tile.b_step = step;
    tile.c_row = c.dst_stride.c;
    tile.c_lane = c.dst_stride.space[2];
    tile.bias_per_row = true;
  } else {
    tile.a_row = activations.row[2];
    tile.a_step = step;
    tile.b_step = p.width * element;
    tile.c_row = c.dst_stride.space[2];
    tile.c_lane = p.lanes == Lanes::groups ? c.dst_stride.g : c.dst_stride.c;
  }
  return tile;
}

constexpr int64_t kAskedFor = 2 * kCacheLine;  // at each step

// What this tile asks for: the input that the row of tiles below it, or if rows share none the next tile, will be the
// first to read. Hardware does not follow as many streams as a tile reads. Two lines a step: of the pixels of a row, if
// channels are dense, else of one channel after the other.
template <class T>
void look_ahead(kernels::Tile<T>& tile, const Correlation& c, const Reading& from, int64_t channels, int64_t rows) {
  tile.ahead = nullptr;
  if (rows == 0) return;
  const bool below = c.axis[1].taps > 1;
  tile.ahead = below ? tile.a + from.row[1] + (c.axis[1].taps - 1) * from.tap[1]
                     : tile.a + rows * from.row[2] + (c.axis[2].taps - 1) * from.tap[2];
  if (from.channel == int64_t{sizeof(T)}) {
    // No further than needed: the second-level cache holds little more than the block.
    tile.ahead_step = rows * from.row[2] <= kCacheLine * channels ? kCacheLine : kAskedFor;
    tile.ahead_run = rows * from.row[2] <= kAskedFor * channels ? 0 : kAskedFor * channels;
  } else {
    tile.ahead_step = from.channel;
    tile.ahead_run = kAskedFor;
    // The lines in which the next tile ends: the one in which it begins has been asked for with this tile.
    if (!below) tile.ahead += std::max<int64_t>(0, (rows - 1) * from.row[2] - kCacheLine);
  }
}

}  // namespace

int64_t CorrelatePlan::band_bytes() const {
  // Vectors of pixels read past the end of the last row by less than a tile.
  return round_up(band.bytes + (lanes == Lanes::pixels ? kSlack : 0), kCacheLine);
}

int64_t CorrelatePlan::scratch_bytes(int64_t element_bytes) const {
  const int64_t panel_bytes = pack_in_item ? round_up(panel_numbers * element_bytes, kCacheLine) : 0;
  return round_up(TapRuns::kBytes, kCacheLine) + panel_bytes + (in_place ? 0 : band_bytes());
}

template <class T>
CorrelatePlan plan_correlate(const Correlation& c, const kernels::Kernels<T>& k, const CorrelatePlan* packed_as,
                             bool phases) {
  CorrelatePlan p;
  if (packed_as != nullptr) {
    p = *packed_as;
  } else {
    p.lane_speed = estimate_lanes(c, k.lanes, sizeof(T));
    p.lanes = p.lane_speed.fastest();
    choose_tile(p, c, k);
    p.c_block = c.in_channels;
  }
  choose_blocks<T>(p, c, k.lanes, packed_as != nullptr);
  if (packed_as == nullptr)
    p.sum_over_taps = p.c_block < c.axis[2].taps && !(c.src_stride.c == int64_t{sizeof(T)} && c.axis[2].dilation == 1);
  p.panel_numbers = p.width * (1 + c.products_per_dst());
  const bool lanes_dense = p.lanes == Lanes::groups && c.src_stride.g == int64_t{sizeof(T)} && c.groups % p.width == 0;
  p.panels_inside = capped_product(p.panels, p.panel_numbers, int64_t{sizeof(T)}) <= kPassingBytes;
  p.in_place = p.lanes == Lanes::groups ? lanes_dense : p.lanes == Lanes::channels && !lines_collide<T>(p, c);

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

namespace {

// Whether the taps of a channel lie in memory as one, forwards (1) or backwards (-1).
int dense_taps(const WeightStrides& s, const Steps& steps, int64_t element) {
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

}  // namespace

template <class T>
void pack_panel(const Correlation& c, const CorrelatePlan& p, const kernels::Kernels<T>& k, int64_t unit, int64_t panel,
                Bias<T> bias, T* to) {
  const WeightStrides& s = c.weights_stride;
  // The lane axis is output channels of one group, or groups for one output channel.
  const bool by_groups = p.lanes == Lanes::groups;
  const int64_t first = by_groups ? unit * p.width : panel * p.width;
  const int64_t lanes = std::min(p.width, (by_groups ? c.groups : c.out_channels) - first);
  const int64_t lane_stride = by_groups ? s.g : s.o;
  const byte* from = c.weights + first * lane_stride + (by_groups ? panel * s.o : unit * s.g);

  const int64_t bias_lane = by_groups ? c.out_channels * bias.stride : bias.stride;
  if (bias.data != nullptr) {
    const int64_t channel = by_groups ? first * c.out_channels + panel : unit * c.out_channels + first;
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

namespace {

// Some panels, which begin at `packed`, of one piece.
template <class T>
void run_piece(const Correlation& c, const CorrelatePlan& p, const kernels::Kernels<T>& k, const Piece& piece,
               Range panels, const T* packed, StoreOptions options, byte* runs_room, byte* band) {
  const bool by_groups = p.lanes == Lanes::groups, by_pixels = p.lanes == Lanes::pixels;

  // Where output (channel 0 of the unit, first position) goes.
  byte* dst = c.dst + piece.image * c.dst_stride.n + piece.group * c.dst_stride.g;
  for (std::size_t a = 0; a < 3; ++a) dst += piece.block.first[a] * c.dst_stride.space[a];
  const auto &size = piece.block.size, &first = piece.block.first;

  for (int64_t b = 0; b < p.c_blocks; ++b) {
    const int64_t c_first = b * p.c_block;
    const Steps steps = steps_of(c, p, b);
    const Reading activations = read_activations(c, p, k, piece, c_first, steps.channels, band);
    kernels::Tile<T> tile = tile_of(c, p, k, activations, steps.over_taps ? activations.tap[2] : activations.channel);
    TapRuns taps(c, steps, activations, p.width * int64_t{sizeof(T)}, by_pixels, p.in_place, runs_room);

    // Pixels fill their vectors, which leaves the rest for the last tile; rows are divided evenly.
    const int64_t most = by_pixels ? p.vectors * k.lanes : p.rows;
    const EvenSplit tiles(size[2], most);
    const auto first_of = [&](int64_t i) { return by_pixels ? std::min(i * most, size[2]) : tiles.first(i); };

    // The tile of one panel that begins at output `w` of row (d, h) of the block.
    const auto run_tile = [&](int64_t panel, int64_t d, int64_t h, int64_t w, int64_t positions) {
      const T* const panel_start = packed + (panel - panels.first) * p.panel_numbers;
      const auto* const weights = reinterpret_cast<const byte*>(panel_start + p.width * (1 + c_first * c.taps()));
      const byte* const from =
          activations.base + d * activations.row[0] + h * activations.row[1] + w * activations.row[2];
      const int64_t channel = by_groups ? panel : panel * p.width;
      const int64_t channels = std::min(p.width, c.out_channels - channel);
      tile.a = by_pixels ? weights : from;
      tile.b = by_pixels ? from : weights;
      tile.c = dst + channel * c.dst_stride.c + d * c.dst_stride.space[0] + h * c.dst_stride.space[1] +
               w * c.dst_stride.space[2];
      tile.lanes = static_cast<int>(by_pixels ? positions : by_groups ? piece.group_lanes : channels);
      if (p.in_place) look_ahead(tile, c, activations, steps.channels, panel == panels.first ? positions : 0);
      const int vectors = by_pixels ? std::min(p.vectors, vectors_for(positions, k.lanes)) : p.vectors;
      const auto function = tile_functions(k, p.operand, vectors)[(by_pixels ? channels : positions) - 1];
      taps.for_each_piece(first[2] + w, positions,
                          [&](const kernels::Run* runs, int64_t count, bool first_part, bool last_part) {
                            tile.runs = runs;
                            tile.run_count = count;
                            tile.bias = options.bias && b == 0 && first_part ? panel_start : nullptr;
                            tile.accumulate = options.accumulate || b > 0 || !first_part;
                            tile.relu = options.relu && b == p.c_blocks - 1 && last_part;
                            function(tile);
                          });
    };
    const auto run_tiles = [&](int64_t panel, int64_t last) {
      for (int64_t d = 0; d < size[0]; ++d)
        for (int64_t h = 0; h < size[1]; ++h) {
          taps.enter_row(first[0] + d, first[1] + h);
          for (int64_t i = 0; i < tiles.parts; ++i)
            for (int64_t of = panel; of < last; ++of) run_tile(of, d, h, first_of(i), first_of(i + 1) - first_of(i));
        }
    };
    if (p.panels_inside) {
      run_tiles(panels.first, panels.last);
    } else {
      for (int64_t panel = panels.first; panel < panels.last; ++panel) run_tiles(panel, panel + 1);
    }
  }
}

}  // namespace

ItemOutputs outputs_of(const Correlation& c, const CorrelatePlan& p, int64_t index) {
  const Item item = item_of(c, p, index);
  const Piece piece = piece_of(c, p, item.unit, item.pieces.first);
  if (p.lanes == Lanes::groups)
    return {piece.image, piece.group * c.out_channels, piece.group_lanes * c.out_channels, piece.block};
  const int64_t first = item.panels.first * p.width, last = std::min(c.out_channels, item.panels.last * p.width);
  return {piece.image, piece.group * c.out_channels + first, last - first, piece.block};
}

template <class T>
void run_correlate_item(const Correlation& c, const CorrelatePlan& p, const kernels::Kernels<T>& k, int64_t index,
                        const T* packed, Bias<T> bias, StoreOptions options, byte* scratch) {
  byte* const runs_room = scratch;
  scratch += round_up(TapRuns::kBytes, kCacheLine);
  const auto [unit, panels, pieces] = item_of(c, p, index);
  if (p.pack_in_item) {
    T* const own = reinterpret_cast<T*>(scratch);
    pack_panel(c, p, k, unit, panels.first, bias, own);
    packed = own;
    scratch += round_up(p.panel_numbers * int64_t{sizeof(T)}, kCacheLine);
  } else {
    packed += (unit * p.panels + panels.first) * p.panel_numbers;
  }
  if (p.lanes == Lanes::pixels && !p.in_place) std::memset(scratch + p.band.bytes, 0, kSlack);
  for (int64_t i = pieces.first; i < pieces.last; ++i) {
    const Piece piece = piece_of(c, p, unit, i);
    // A phase may have one position less than its plan, and then nothing in the last block.
    if (std::ranges::min(piece.block.size) <= 0) continue;
    run_piece(c, p, k, piece, panels, packed, options, runs_room, scratch);
  }
}

#define TAPWISE_INSTANTIATE(T)                                                                                        \
  template CorrelatePlan plan_correlate<T>(const Correlation&, const kernels::Kernels<T>&, const CorrelatePlan*,      \
                                           bool);                                                                     \
  template CorrelatePlan plan_phase<T>(const Correlation&, const CorrelatePlan&);                                     \
  template void pack_panel<T>(const Correlation&, const CorrelatePlan&, const kernels::Kernels<T>&, int64_t, int64_t, \
                              Bias<T>, T*);                                                                           \
  template void run_correlate_item<T>(const Correlation&, const CorrelatePlan&, const kernels::Kernels<T>&, int64_t,  \
                                      const T*, Bias<T>, StoreOptions, byte*);
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE

}  // namespace tapwise
