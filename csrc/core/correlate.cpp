#include "correlate.hpp"

#include <algorithm>
#include <cstring>

#include "call.hpp"
#include "tiles.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {
inline namespace TAPWISE_PRIVATE {
// What one call computes.
struct Item {
  int64_t unit;
  Range panels, pieces;
};

inline Item item_of(const Correlation& c, const CorrelatePlan& p, int64_t index) {
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

inline Piece piece_of(const Correlation& c, const CorrelatePlan& p, int64_t unit, int64_t index) {
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
  const auto at = [&](const byte* data, const ActivationStrides& s) {
    return BandSource{data + piece.image * s.n + piece.group * s.g + c_first * s.c, s.c, by_groups ? s.g : s.c,
                      s.space};
  };
  const BandSource source = at(c.src, c.src_stride);
  BandLayout layout = p.band;
  if (layout.inner == Inner::pixels || by_groups) layout.planes = channels;
  const int64_t lanes = layout.inner == Inner::pixels ? 1 : by_groups ? piece.group_lanes : channels;
  if (p.in_place) return read_in_place(c.axis, source, piece.block.first);
  if (p.through)
    gather_through(k, c.axis, layout, source, at(c.through.y, c.through.stride), piece.block.first, lanes, band,
                   band + p.band_bytes());
  else
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
  tile.b_step = p.width * element;
  tile.a_step = step;
  if (p.rows_of_pixels()) {
    tile.a_row = activations.row[1];
    tile.c_row = c.dst_stride.space[1];
    tile.c_lane = c.dst_stride.space[2];
  } else if (p.lanes == Lanes::pixels) {
    tile.a_row = element;
    tile.a_step = p.width * element;
    tile.b_step = step;
    tile.c_row = c.dst_stride.c;
    tile.c_lane = c.dst_stride.space[2];
    tile.bias_per_row = true;
  } else {
    tile.a_row = activations.row[2];
    tile.c_row = c.dst_stride.space[2];
    tile.c_lane = p.lanes == Lanes::groups ? c.dst_stride.g : c.dst_stride.c;
  }
  return tile;
}

constexpr int64_t kAskedFor = 2 * kCacheLine;  // at each step

// What this tile asks for: the input that the row of tiles below it, or if rows share none the next tile, will be the
// first to read. Hardware does not follow as many streams as a tile reads. Two lines a step: of the pixels of a row,
// if channels are dense, else of one channel after the other.
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

// Groups in the lanes: each panel asks for its share of the pixels of the row below.
template <class T>
void look_ahead_of_groups(kernels::Tile<T>& tile, const Correlation& c, const Reading& from, const byte* first_group,
                          int64_t panel, int64_t panels, int64_t rows) {
  const int64_t share = ceil_div(rows * from.row[2], panels);
  tile.ahead = first_group + from.row[1] + (c.axis[1].taps - 1) * from.tap[1] + panel * share;
  tile.ahead_step = kAskedFor;
  tile.ahead_run = c.axis[2].taps * kAskedFor;
  tile.store_ahead = c.dst_stride.space[1];
}

// Some panels, which begin at `packed`, of one piece.
template <class T>
void run_piece(const Correlation& c, const CorrelatePlan& p, const kernels::Kernels<T>& k, const Piece& piece,
               Range panels, const T* packed, StoreOptions options, byte* runs_room, byte* band) {
  const bool by_groups = p.lanes == Lanes::groups, by_pixels = p.lanes == Lanes::pixels;
  const bool swapped = by_pixels && !p.rows_of_pixels();  // weights are operand A

  // Where output (channel 0 of the unit, first position) goes.
  byte* dst = c.dst + piece.image * c.dst_stride.n + piece.group * c.dst_stride.g;
  for (std::size_t a = 0; a < 3; ++a) dst += piece.block.first[a] * c.dst_stride.space[a];
  const auto &size = piece.block.size, &first = piece.block.first;

  for (int64_t b = 0; b < p.c_blocks; ++b) {
    const int64_t c_first = b * p.c_block;
    const Steps steps = steps_of(c, p, b);
    const Reading activations = read_activations(c, p, k, piece, c_first, steps.channels, band);
    kernels::Tile<T> tile = tile_of(c, p, k, activations, steps.over_taps ? activations.tap[2] : activations.channel);
    TapRuns taps(c, steps, activations, p.width * int64_t{sizeof(T)}, swapped, !by_pixels, runs_room);

    // Pixels fill their vectors, which leaves the rest for the last tile; rows are divided evenly.
    const int64_t most = by_pixels ? p.vectors * k.lanes : p.rows;
    const EvenSplit tiles(size[2], most), rows(size[1], p.rows_of_pixels() ? p.rows : 1);
    const auto first_of = [&](int64_t i) { return by_pixels ? std::min(i * most, size[2]) : tiles.first(i); };

    // The tile of one panel that begins at output `w` of row (d, h) of the block.
    const auto run_tile = [&](int64_t panel, int64_t d, int64_t h, int64_t row_count, int64_t w, int64_t positions) {
      const T* const panel_start = packed + (panel - panels.first) * p.panel_numbers;
      const auto* const weights = reinterpret_cast<const byte*>(panel_start + p.width * (1 + c_first * c.taps()));
      const int64_t group = by_groups ? panel / c.out_channels * p.width : 0;
      const int64_t channel = by_groups ? panel % c.out_channels : panel * p.width;
      const int64_t channels = std::min(p.width, c.out_channels - channel);
      const byte* const from = activations.base + group * c.src_stride.g + d * activations.row[0] +
                               h * activations.row[1] + w * activations.row[2];
      tile.a = swapped ? weights : from;
      tile.b = swapped ? from : weights;
      tile.c = dst + group * c.dst_stride.g + channel * c.dst_stride.c + d * c.dst_stride.space[0] +
               h * c.dst_stride.space[1] + w * c.dst_stride.space[2];
      const int64_t groups = std::min(p.width, c.groups - piece.group - group);
      tile.lanes = static_cast<int>(by_pixels ? positions : by_groups ? groups : channels);
      if (p.in_place && by_groups)
        look_ahead_of_groups(tile, c, activations, from - group * c.src_stride.g, panel, p.panels, positions);
      else if (p.in_place)
        look_ahead(tile, c, activations, steps.channels, panel == panels.first ? positions : 0);
      const int vectors = by_pixels ? std::min(p.vectors, vectors_for(positions, k.lanes)) : p.vectors;
      const int64_t tile_rows = p.rows_of_pixels() ? row_count : by_pixels ? channels : positions;
      const auto function = tile_functions(k, p.operand, vectors)[tile_rows - 1];
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
        for (int64_t r = 0; r < rows.parts; ++r) {
          const int64_t h = rows.first(r);
          taps.enter_rows(first[0] + d, first[1] + h, rows.size(r));
          for (int64_t i = 0; i < tiles.parts; ++i)
            for (int64_t of = panel; of < last; ++of)
              run_tile(of, d, h, rows.size(r), first_of(i), first_of(i + 1) - first_of(i));
        }
    };
    if (p.panels_inside) {
      run_tiles(panels.first, panels.last);
    } else {
      for (int64_t panel = panels.first; panel < panels.last; ++panel) run_tiles(panel, panel + 1);
    }
  }
}

}  // namespace TAPWISE_PRIVATE

ItemOutputs outputs_of(const Correlation& c, const CorrelatePlan& p, int64_t index) {
  const Item item = item_of(c, p, index);
  const Piece piece = piece_of(c, p, item.unit, item.pieces.first);
  if (p.lanes == Lanes::groups) {
    const int64_t groups = std::min(c.groups - piece.group, p.panels / c.out_channels * p.width);
    return {piece.image, piece.group * c.out_channels, groups * c.out_channels, piece.block};
  }
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
  if (p.lanes == Lanes::pixels && !p.in_place) std::memset(scratch + p.band.bytes, 0, kVectorSlack);
  for (int64_t i = pieces.first; i < pieces.last; ++i) {
    const Piece piece = piece_of(c, p, unit, i);
    // A phase may have one position less than its plan, and then nothing in the last block.
    if (std::ranges::min(piece.block.size) <= 0) continue;
    run_piece(c, p, k, piece, panels, packed, options, runs_room, scratch);
  }
}

#if !defined(TAPWISE_HEADER_ONLY)
#define TAPWISE_INSTANTIATE(T)                                                                                       \
  template void run_correlate_item<T>(const Correlation&, const CorrelatePlan&, const kernels::Kernels<T>&, int64_t, \
                                      const T*, Bias<T>, StoreOptions, byte*);
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE
#endif

}  // namespace tapwise::inline TAPWISE_NAMESPACE
