#include "core/weight_gradient.hpp"

#include <cstdlib>

#include "core/call.hpp"
#include "core/jobs.hpp"
#include "core/taps.hpp"
#include "core/tiles.hpp"
#include "core/unaligned.hpp"

namespace tapwise {
namespace {

using kernels::Operand;
using kernels::Run;

// What passes by at a time, of both operands, and the sums share the second-level cache.
constexpr int64_t kBandBytes = 320 * 1024;
constexpr int64_t kBufferBytes = 256 * 1024;
constexpr int64_t kOutChannels = 256;

// Rows of a block are not cut below this for the sake of more input channels at a time.
constexpr int64_t kShortestRow = 64;

// More steps than this pay for loading and storing the sums of a tile.
constexpr int64_t kManySteps = 512;

// Below so many input channels the rows of a tile run over the taps of a row as well.
constexpr int64_t kFewChannels = 8;

// As in the forward pass: how many pieces of work there should be, and what the private sums of chunks may take.
constexpr int64_t kEnoughItems = 16;
constexpr int64_t kChunkSumBytes = int64_t{3} << 19;

constexpr double kPixelLanes = 0.7, kGroupLanes = 0.7, kTransposedBand = 0.5;

LaneSpeed estimate_lanes(const Correlation& c, int64_t v) {
  const bool dense = std::abs(c.src_stride.g) <= std::abs(c.src_stride.space[2]) &&
                     std::abs(c.dst_stride.g) <= std::abs(c.dst_stride.space[2]);
  const double positions = static_cast<double>(c.batch) * static_cast<double>(c.positions());
  const double o_use = lane_use(c.out_channels, v), g_use = lane_use(c.groups, v);
  const double channels = with_packing(o_use, o_use, positions);
  const double pixels = with_packing(kPixelLanes * lane_use(c.axis[2].out, v), 1, positions);
  const double groups =
      c.groups == 1 ? 0 : with_packing(kGroupLanes * g_use * (dense ? 1 : kTransposedBand), g_use, positions);
  return {channels, pixels, groups};
}

template <class T>
BandLayout src_layout(const WeightGradientPlan& p, const Correlation& c, const std::array<int64_t, 3>& block,
                      int64_t c_block) {
  std::array<BandAxis, 3> axis;
  for (std::size_t a = 0; a < 3; ++a) axis[a] = band_axis(c.axis[a], block[a], p.lanes == Lanes::pixels && a == 2);
  if (p.lanes == Lanes::groups) return band_layout(axis, Inner::lanes, c_block, p.width, sizeof(T));
  if (p.lanes == Lanes::pixels || p.rows_over == WeightGradientPlan::Rows::taps)
    return band_layout(axis, Inner::pixels, c_block, 1, sizeof(T));
  return band_layout(axis, Inner::lanes, 1, c_block, sizeof(T));
}

// diff_dst is read position by position: an axis with one tap.
std::array<Axis, 3> dst_axes(const Correlation& c) {
  std::array<Axis, 3> axis;
  for (std::size_t a = 0; a < 3; ++a) axis[a] = Axis{.out = c.axis[a].out, .in = c.axis[a].out};
  return axis;
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
      p.vectors = c.groups <= v ? 1 : 2;
      p.width = p.unit_groups = p.vectors * v;
      p.units = ceil_div(c.groups, p.width);
      break;
  }
  p.rows = k.max_rows[vectors_index(p.vectors)];
  p.panels = ceil_div(c.out_channels, p.panel_channels);
  using Rows = WeightGradientPlan::Rows;
  const bool few = c.in_channels < kFewChannels && c.axis[2].taps > 1;
  const bool pixels_dense = std::abs(c.src_stride.space[2]) < std::abs(c.src_stride.c);
  if (p.lanes == Lanes::channels && few && c.axis[2].dilation == 1 && !pixels_dense)
    p.rows_over = Rows::taps_and_channels;
  else if (c.axis[2].taps > c.in_channels || (p.lanes == Lanes::channels && few))
    p.rows_over = Rows::taps;
}

// Which channels the sums of one buffer belong to.
struct Buffer {
  int64_t group, group_lanes;
  int64_t o_first, o_count, panels;
  int64_t c_first, channels;
};

Buffer buffer_of(const Correlation& c, const WeightGradientPlan& p, int64_t index) {
  Buffer b{};
  b.c_first = index % p.c_blocks * p.c_block;
  b.channels = std::min(p.c_block, c.in_channels - b.c_first);
  index /= p.c_blocks;
  b.o_first = index % p.o_blocks * p.panels_per_item * p.panel_channels;
  b.o_count = std::min(p.panels_per_item * p.panel_channels, c.out_channels - b.o_first);
  b.panels = ceil_div(b.o_count, p.panel_channels);
  b.group = index / p.o_blocks * p.unit_groups;
  b.group_lanes = p.lanes == Lanes::groups ? std::min(p.width, c.groups - b.group) : 1;
  return b;
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
  const auto fits = [&] { return bytes() <= kBandBytes; };
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
    const int64_t most = std::max<int64_t>(1, std::min(kBandBytes / std::max<int64_t>(1, bytes()), c.batch / wanted));
    p.images = std::min(most, ceil_div(kManySteps, positions));
  }
  p.image_blocks = ceil_div(c.batch, p.images);
  p.buffer_numbers = buffer(p.c_block) / element;
  p.src_band = src_layout<T>(p, c, p.block, p.c_block);
  p.dst_band = dst_layout<T>(p, c, p.block);

  const int64_t affordable = kChunkSumBytes / capped_product(p.buffers(), p.buffer_numbers, element);
  p.chunks = std::max<int64_t>(1, std::min({wanted, p.bands(), affordable}));
}

// Both operands of one block of output positions of some images.
struct Bands {
  Block block;
  int64_t images;
  Reading src, dst;
  int64_t src_image, dst_image;  // from image to image
  bool src_in_place;
};

template <class T>
Bands read_bands(const Correlation& c, const WeightGradientPlan& p, const kernels::Kernels<T>& k, const Buffer& b,
                 int64_t index, byte* scratch) {
  const bool by_groups = p.lanes == Lanes::groups;
  Bands bands{};
  bands.block = take_block(index, c.axis, p.blocks, p.block);
  const int64_t first_image = index * p.images;
  bands.images = std::min(p.images, c.batch - first_image);
  // One operand: where it lies, or gathered image by image.
  const auto read = [&](const std::array<Axis, 3>& axis, const byte* data, const ActivationStrides& s, int64_t channel,
                        int64_t channels, BandLayout layout, bool in_place, byte* band, int64_t& image_bytes) {
    const BandSource source{data + first_image * s.n + b.group * s.g + channel * s.c, s.c, by_groups ? s.g : s.c,
                            s.space};
    if (in_place) {
      image_bytes = s.n;
      return read_in_place(axis, source, bands.block.first);
    }
    image_bytes = layout.bytes;
    if (layout.inner == Inner::pixels || by_groups) layout.planes = channels;
    for (int64_t i = 0; i < bands.images; ++i) {
      BandSource of_image = source;
      of_image.data += i * s.n;
      gather_band(k, axis, layout, of_image, bands.block.first, by_groups ? b.group_lanes : channels,
                  band + i * image_bytes);
    }
    return read_band(layout, band);
  };
  byte* const dst_band = scratch + round_up(p.images * p.src_band.bytes, kCacheLine);
  // Rows that share a tap leave its padding out; others need it as zeros.
  bands.src_in_place =
      p.src_in_place && (p.rows_over == WeightGradientPlan::Rows::channels || inside(c.axis, bands.block));
  bands.src = read(c.axis, c.src, c.src_stride, b.c_first, b.channels, p.src_band, bands.src_in_place, scratch,
                   bands.src_image);
  bands.dst = read(dst_axes(c), c.dst, c.dst_stride, b.o_first, b.o_count, p.dst_band, p.dst_in_place, dst_band,
                   bands.dst_image);
  return bands;
}

// Where channel `channel` of an operand begins, for block `index`.
const byte* block_origin(const Correlation& c, const WeightGradientPlan& p, const Buffer& b, int64_t index,
                         const std::array<Axis, 3>& axis, const byte* data, const ActivationStrides& s,
                         int64_t channel) {
  const Block block = take_block(index, c.axis, p.blocks, p.block);
  const BandSource source{data + index * p.images * s.n + b.group * s.g + channel * s.c, s.c, s.c, s.space};
  return read_in_place(axis, source, block.first).base;
}

// The rows of outputs that meet input at one tap, with as much of each as does; rows that follow each other in both
// operands are one run. Where taps share a tile, or lie in a band, a row is gone through whole.
int64_t make_runs(const Correlation& c, const WeightGradientPlan& p, const Bands& bands,
                  const std::array<int64_t, 3>& tap, Run* runs) {
  const Reading &src = bands.src, &dst = bands.dst;
  std::array<Range, 3> inside;
  for (std::size_t a = 0; a < 3; ++a) {
    const Axis& axis = c.axis[a];
    inside[a] = a == 2 && !bands.src_in_place
                    ? Range{0, bands.block.size[a]}
                    : range_inside(axis.index(bands.block.first[a], tap[a]), axis.stride, bands.block.size[a], axis.in);
  }
  const int64_t at = tap[0] * src.tap[0] + tap[1] * src.tap[1] + tap[2] * src.tap[2];
  int64_t count = 0;
  for (int64_t image = 0; image < bands.images; ++image) {
    for (int64_t d = inside[0].first; d < inside[0].last; ++d) {
      for (int64_t h = inside[1].first; h < inside[1].last; ++h) {
        const int64_t w = inside[2].first, steps = inside[2].size();
        const Run run{at + image * bands.src_image + d * src.row[0] + h * src.row[1] + w * src.row[2],
                      image * bands.dst_image + d * dst.row[0] + h * dst.row[1] + w * dst.row[2], steps};
        Run* const before = count > 0 ? &runs[count - 1] : nullptr;
        if (p.operand != Operand::dot && before != nullptr && before->a + before->steps * src.row[2] == run.a &&
            before->b + before->steps * dst.row[2] == run.b)
          before->steps += steps;
        else if (steps > 0)
          runs[count++] = run;
      }
    }
  }
  return count;
}

// What a tile asks for, one line a step: of diff_dst what the next panel will read, or at the end of a block what the
// next block will, of both operands. Only what lies in the caller's memory, which hardware does not follow from page to
// page.
template <class T>
struct LookAhead {
  const Bands& bands;
  int64_t panel_bytes;                                  // from panel to panel of diff_dst
  const byte *next_src = nullptr, *next_dst = nullptr;  // where the next block begins

  void operator()(kernels::Tile<T>& tile, int64_t index, bool first_tap, bool last_tap, bool last_panel) const {
    tile.ahead = nullptr;
    const int64_t dst_lines = ceil_div(panel_bytes, kCacheLine);
    const bool ends = last_tap && last_panel;
    if (index < dst_lines) {
      if (next_dst == nullptr || !(ends || (first_tap && !last_panel))) return;
      tile.ahead = (ends ? next_dst : tile.b + panel_bytes) + index * kCacheLine;
      tile.ahead_step = bands.dst.row[2];
      tile.ahead_run = bands.dst.row[1];
    } else if (ends && next_src != nullptr) {
      tile.ahead = next_src + (index - dst_lines) * kCacheLine;
      tile.ahead_step = bands.src.row[2];
      tile.ahead_run = bands.src.row[1];
    }
  }
};

// sums [panel][buffer_row][lane] (+)= diff_dst * src, summed over the block.
template <class T>
void multiply_bands(const Correlation& c, const WeightGradientPlan& p, const kernels::Kernels<T>& k, const Buffer& b,
                    const Bands& bands, const LookAhead<T>& ahead, bool accumulate, Run* runs, byte* sums) {
  constexpr auto element = int64_t{sizeof(T)};
  using Rows = WeightGradientPlan::Rows;
  const Reading &src = bands.src, &dst = bands.dst;
  const bool by_pixels = p.lanes == Lanes::pixels;
  const int64_t taps = c.taps(), row_bytes = p.width * element, panel_bytes = taps * p.c_block * row_bytes;
  const int64_t row_taps = c.axis[2].taps;
  // Where a band keeps its taps apart, one tap does not begin where the channels of another end.
  const bool joined = src.tap[2] == b.channels * src.channel;
  const Rows over = p.rows_over == Rows::taps_and_channels && !joined ? Rows::channels : p.rows_over;
  const int64_t row_count = over == Rows::channels ? b.channels : over == Rows::taps ? row_taps : row_taps * b.channels;
  const int64_t tap_loops = over == Rows::channels ? row_taps : 1, channel_loops = over == Rows::taps ? b.channels : 1;

  kernels::Tile<T> tile{};
  tile.runs = runs;
  tile.accumulate = accumulate;
  tile.a_row = over == Rows::taps ? src.tap[2] : src.channel;
  tile.a_step = src.row[2];
  tile.b_step = dst.row[2];
  tile.b_vector = by_pixels ? dst.channel : k.lanes * element;
  tile.c_row = (over == Rows::channels ? p.buffer_row(1, 0, taps) : p.buffer_row(0, 1, taps)) * row_bytes;
  if (over == Rows::taps_and_channels) tile.c_row = row_bytes;
  tile.c_lane = by_pixels ? panel_bytes : element;
  const EvenSplit rows(row_count, p.rows);

  for (int64_t kd = 0; kd < c.axis[0].taps; ++kd) {
    for (int64_t kh = 0; kh < c.axis[1].taps; ++kh) {
      for (int64_t kw = 0; kw < tap_loops; ++kw) {
        tile.run_count = make_runs(c, p, bands, {kd, kh, kw}, runs);
        if (tile.run_count == 0 && accumulate) continue;
        const int64_t tap = (kd * c.axis[1].taps + kh) * row_taps + kw;
        for (int64_t panel = 0; panel < b.panels;) {
          // Where lanes are pixels, a tile takes as many panels (single output channels) as it is wide.
          const int64_t left = b.panels - panel;
          const int vectors = !by_pixels || left >= p.vectors ? p.vectors : left >= 2 ? 2 : 1;
          tile.lanes = by_pixels ? vectors : static_cast<int>(p.width);
          tile.b = dst.base + panel * p.panel_channels * dst.channel;
          for (int64_t ch = 0; ch < channel_loops; ++ch) {
            tile.a = src.base + ch * src.channel;
            tile.c = sums + panel * panel_bytes + p.buffer_row(ch, tap, taps) * row_bytes;
            for (int64_t i = 0; i < rows.parts; ++i) {
              ahead(tile, i, tap == 0, tap == taps - row_taps / tap_loops, panel + 1 >= b.panels);
              tile_functions(k, p.operand, vectors)[rows.size(i) - 1](tile);
              tile.a += rows.size(i) * tile.a_row;
              tile.c += rows.size(i) * tile.c_row;
            }
          }
          panel += by_pixels ? vectors : 1;
        }
      }
    }
  }
}

template <class T>
LookAhead<T> look_ahead(const Correlation& c, const WeightGradientPlan& p, const Buffer& b, const Bands& bands,
                        int64_t next) {
  LookAhead<T> ahead{bands, p.panel_channels * bands.dst.channel};
  if (p.lanes != Lanes::channels) return ahead;
  if (p.dst_in_place) ahead.next_dst = block_origin(c, p, b, next, dst_axes(c), c.dst, c.dst_stride, b.o_first);
  if (bands.src_in_place && c.src_stride.c == int64_t{sizeof(T)})
    ahead.next_src = block_origin(c, p, b, next, c.axis, c.src, c.src_stride, b.c_first);
  return ahead;
}

template <class T>
void run_item(const Correlation& c, const WeightGradientPlan& p, const kernels::Kernels<T>& k, int64_t item, T* sums,
              byte* scratch) {
  // The chunk varies fastest: neighbouring items share their channels, not their pixels.
  const int64_t chunk = item % p.chunks;
  const Buffer buffer = buffer_of(c, p, item / p.chunks);
  auto* const to = reinterpret_cast<byte*>(sums);
  auto* const runs = reinterpret_cast<Run*>(scratch);
  scratch += round_up(p.runs() * int64_t{sizeof(Run)}, kCacheLine);
  const int64_t first = p.bands() * chunk / p.chunks, last = p.bands() * (chunk + 1) / p.chunks;
  for (int64_t band = first; band < last; ++band) {
    const Bands read = read_bands(c, p, k, buffer, band, scratch);
    const LookAhead<T> ahead = look_ahead<T>(c, p, buffer, read, band + 1 < last ? band + 1 : first);
    multiply_bands(c, p, k, buffer, read, ahead, band != first, runs, to);
  }
}

// Where tap `tap`, of all three axes, lies in diff_weights.
int64_t tap_offset(const Correlation& c, int64_t tap) {
  const int64_t kw = tap % c.axis[2].taps, rest = tap / c.axis[2].taps;
  return rest / c.axis[1].taps * c.weights_stride.tap[0] + rest % c.axis[1].taps * c.weights_stride.tap[1] +
         kw * c.weights_stride.tap[2];
}

// Adds up the chunks of one panel of a buffer, which begin at `sums`, and stores it to diff_weights.
template <class T>
void store_panel(const Correlation& c, const WeightGradientPlan& p, const kernels::Kernels<T>& k, int64_t index,
                 bool accumulate, T* sums) {
  constexpr auto element = int64_t{sizeof(T)};
  const int64_t panel = index % p.panels_per_item;
  const Buffer b = buffer_of(c, p, index / p.panels_per_item);
  if (panel >= b.panels) return;
  const WeightStrides& s = c.weights_stride;
  const bool by_groups = p.lanes == Lanes::groups;
  const int64_t lane_stride = by_groups ? s.g : s.o, taps = c.taps(), row = p.width * element;
  const int64_t o = panel * p.panel_channels;
  const int64_t lanes = by_groups ? b.group_lanes : std::min(p.panel_channels, b.o_count - o);
  byte* const weights = const_cast<byte*>(c.weights) + b.group * s.g + (b.o_first + o) * s.o + b.c_first * s.c;
  T* const from = sums + panel * taps * p.c_block * p.width;
  const int64_t numbers = taps * p.c_block * p.width;
  if (p.chunks > 1)
    k.add_rows({reinterpret_cast<byte*>(from), element, reinterpret_cast<const byte*>(from), element,
                p.buffer_numbers * element, numbers, p.chunks, false});

  const auto* const bytes = reinterpret_cast<const byte*>(from);
  const bool taps_dense = tap_offset(c, 1) == element && tap_offset(c, taps - 1) == (taps - 1) * element;
  if (p.rows_over != WeightGradientPlan::Rows::taps_and_channels && s.c == taps * element &&
      (taps == 1 || taps_dense)) {
    k.copy({weights, lane_stride, bytes, element, row, lanes, taps * b.channels, taps * b.channels, 0, 0, accumulate});
    return;
  }
  // Tap by tap: whichever of channels and lanes is dense in diff_weights becomes the columns.
  const int64_t channel_row = p.buffer_row(1, 0, taps) * row;
  for (int64_t tap = 0; tap < taps; ++tap) {
    byte* const to = weights + tap_offset(c, tap);
    const byte* const sums_of = bytes + p.buffer_row(0, tap, taps) * row;
    if (lane_stride == element || s.c == element) {
      const bool by_lanes = lane_stride == element;
      k.copy({to, by_lanes ? s.c : lane_stride, sums_of, by_lanes ? channel_row : element,
              by_lanes ? element : channel_row, by_lanes ? b.channels : lanes, by_lanes ? lanes : b.channels,
              by_lanes ? lanes : b.channels, 0, 0, accumulate});
      continue;
    }
    for (int64_t ch = 0; ch < b.channels; ++ch)
      for (int64_t lane = 0; lane < lanes; ++lane)
        store<T>(to + ch * s.c + lane * lane_stride, load<T>(sums_of + ch * channel_row + lane * element), accumulate);
  }
}

// An empty batch.
template <class T>
void store_zero(const Correlation& c, bool accumulate) {
  if (accumulate) return;
  const WeightStrides& s = c.weights_stride;
  for (int64_t row = 0; row < c.groups * c.out_channels * c.in_channels; ++row)
    for (int64_t tap = 0; tap < c.taps(); ++tap)
      store<T>(const_cast<byte*>(c.weights) + row / c.in_channels / c.out_channels * s.g +
                   row / c.in_channels % c.out_channels * s.o + row % c.in_channels * s.c + tap_offset(c, tap),
               T{0});
}

}  // namespace

int64_t WeightGradientPlan::scratch_bytes(int64_t element_bytes) const {
  const int64_t sums = chunks == 1 ? round_up(buffer_numbers * element_bytes, kCacheLine) : 0;
  return sums + round_up(runs() * int64_t{sizeof(Run)}, kCacheLine) + round_up(images * src_band.bytes, kCacheLine) +
         round_up(images * dst_band.bytes, kCacheLine);
}

int64_t WeightGradientPlan::workspace_bytes(int threads, int64_t element_bytes) const {
  return round_up(capped_product(sum_numbers(), element_bytes), kCacheLine) + threads * scratch_bytes(element_bytes);
}

template <class T>
WeightGradientPlan plan_weight_gradient(const Correlation& c, const kernels::Kernels<T>& k) {
  constexpr auto element = int64_t{sizeof(T)};
  WeightGradientPlan p;
  p.lane_speed = estimate_lanes(c, k.lanes);
  p.lanes = p.lane_speed.fastest();
  choose_tile(p, c, k);
  choose_blocks<T>(p, c);
  if (p.lanes == Lanes::channels) {
    // Not where the planes of a tile's rows share a set of the first-level cache: 8 lines.
    constexpr int64_t sets = 64, ways = 8;
    const int64_t step = std::abs(c.src_stride.c);
    const bool collide = step % (sets * kCacheLine) == 0 && std::min(p.rows, p.c_block) > ways;
    p.src_in_place = p.rows_over == WeightGradientPlan::Rows::channels && !collide;
    // Steps too short to wait for the second-level cache want what they read together, if several taps read it.
    constexpr int64_t patient_step = 16;
    const bool patient = p.rows * p.vectors >= patient_step || c.taps() == 1;
    p.dst_in_place = c.dst_stride.c == element && c.out_channels % p.width == 0 && patient;
  } else if (p.lanes == Lanes::groups) {
    p.src_in_place = c.src_stride.g == element && c.groups % p.width == 0;
    p.dst_in_place = c.dst_stride.g == element && c.groups % p.width == 0;
  }
  return p;
}

template <class T>
Status run_weight_gradient(const Correlation& c, const kernels::Kernels<T>& k, const Options& options) {
  if (c.batch == 0) {
    store_zero<T>(c, options.accumulate);
    return {};
  }
  const WeightGradientPlan plan = plan_weight_gradient(c, k);
  const int threads = threads_for(options, flops_of(c), plan.items());
  const int64_t bytes = plan.workspace_bytes(threads, sizeof(T));
  const Workspace workspace(bytes);
  if (workspace.data() == nullptr) return out_of_memory(bytes);
  T* const sums = reinterpret_cast<T*>(workspace.data());
  const int64_t scratch_bytes = plan.scratch_bytes(sizeof(T));
  byte* const scratch = workspace.data() + bytes - threads * scratch_bytes;
  if (plan.chunks == 1) {
    parallel_for(plan.items(), threads, [&](int64_t item, int thread) {
      byte* const own = scratch + thread * scratch_bytes;
      T* const own_sums = reinterpret_cast<T*>(own);
      run_item(c, plan, k, item, own_sums, own + round_up(plan.buffer_numbers * int64_t{sizeof(T)}, kCacheLine));
      for (int64_t panel = 0; panel < plan.panels_per_item; ++panel)
        store_panel(c, plan, k, item * plan.panels_per_item + panel, options.accumulate, own_sums);
    });
    return {};
  }
  parallel_for(plan.items(), threads, [&](int64_t item, int thread) {
    run_item(c, plan, k, item, sums + item * plan.buffer_numbers, scratch + thread * scratch_bytes);
  });
  parallel_for(plan.buffers() * plan.panels_per_item, threads, [&](int64_t panel, int) {
    T* const of_buffer = sums + panel / plan.panels_per_item * plan.chunks * plan.buffer_numbers;
    store_panel(c, plan, k, panel, options.accumulate, of_buffer);
  });
  return {};
}

#define TAPWISE_INSTANTIATE(T)                                                                         \
  template WeightGradientPlan plan_weight_gradient<T>(const Correlation&, const kernels::Kernels<T>&); \
  template Status run_weight_gradient<T>(const Correlation&, const kernels::Kernels<T>&, const Options&);
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE

}  // namespace tapwise
