#include "weight_gradient.hpp"

#include <cstdlib>

#include "call.hpp"
#include "scratch.hpp"
#include "taps.hpp"
#include "tiles.hpp"
#include "unaligned.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {
inline namespace TAPWISE_PRIVATE {
using kernels::Operand;
using kernels::Run;

// Which channels the sums of one buffer belong to.
struct Buffer {
  int64_t group, group_lanes;
  int64_t first_panel, panels;
  int64_t o_first, o_count;
  int64_t c_first, channels;
};

// A panel of a buffer: vectors of groups with one output channel each, or output channels of one group.
struct Panel {
  int64_t group, o, lanes;  // its first group and output channel, counted from those of its unit
};

inline Panel panel_of(const Correlation& c, const WeightGradientPlan& p, const Buffer& b, int64_t index) {
  const int64_t panel = b.first_panel + index;
  if (p.lanes == Lanes::groups) {
    const int64_t group = panel / c.out_channels * p.width;
    return {group, panel % c.out_channels, std::min(p.width, c.groups - b.group - group)};
  }
  const int64_t o = panel * p.panel_channels;
  return {0, o, std::min(p.panel_channels, c.out_channels - o)};
}

inline Buffer buffer_of(const Correlation& c, const WeightGradientPlan& p, int64_t index) {
  Buffer b{};
  b.c_first = index % p.c_blocks * p.c_block;
  b.channels = std::min(p.c_block, c.in_channels - b.c_first);
  index /= p.c_blocks;
  b.first_panel = index % p.o_blocks * p.panels_per_item;
  b.panels = std::min(p.panels_per_item, p.panels - b.first_panel);
  // Panels of several vectors of groups have all output channels.
  b.o_first = p.panels > c.out_channels ? 0 : b.first_panel * p.panel_channels;
  b.o_count = std::min(b.panels * p.panel_channels, c.out_channels - b.o_first);
  b.group = index / p.o_blocks * p.unit_groups;
  b.group_lanes = p.lanes == Lanes::groups ? std::min(p.width, c.groups - b.group) : 1;
  return b;
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
                        int64_t channels, BandLayout layout, bool in_place, bool through, byte* band,
                        int64_t& image_bytes) {
    const auto at = [&](const byte* from, const ActivationStrides& stride) {
      return BandSource{from + first_image * stride.n + b.group * stride.g + channel * stride.c, stride.c,
                        by_groups ? stride.g : stride.c, stride.space};
    };
    const BandSource source = at(data, s);
    if (in_place) {
      image_bytes = s.n;
      return read_in_place(axis, source, bands.block.first);
    }
    image_bytes = layout.bytes;
    if (layout.inner == Inner::pixels || by_groups) layout.planes = channels;
    for (int64_t i = 0; i < bands.images; ++i) {
      BandSource of_image = source;
      of_image.data += i * s.n;
      const int64_t lanes = by_groups ? b.group_lanes : channels;
      if (through) {
        BandSource y = at(c.through.y, c.through.stride);
        y.data += i * c.through.stride.n;
        gather_through(k, axis, layout, of_image, y, bands.block.first, lanes, band + i * image_bytes,
                       band + p.dst_bytes() / 2);
      } else {
        gather_band(k, axis, layout, of_image, bands.block.first, lanes, band + i * image_bytes);
      }
    }
    return read_band(layout, band);
  };
  byte* const dst_band = scratch + round_up(p.images * p.src_band.bytes, kCacheLine);
  bands.src_in_place = p.src_in_place;
  bands.src = read(c.axis, c.src, c.src_stride, b.c_first, b.channels, p.src_band, bands.src_in_place, false, scratch,
                   bands.src_image);
  bands.dst = read(dst_axes(c), c.dst, c.dst_stride, b.o_first, b.o_count, p.dst_band, p.dst_in_place, p.through,
                   dst_band, bands.dst_image);
  return bands;
}

// Where channel `channel` of an operand begins, for block `index`.
inline const byte* block_origin(const Correlation& c, const WeightGradientPlan& p, const Buffer& b, int64_t index,
                                const std::array<Axis, 3>& axis, const byte* data, const ActivationStrides& s,
                                int64_t channel) {
  const Block block = take_block(index, c.axis, p.blocks, p.block);
  const BandSource source{data + index * p.images * s.n + b.group * s.g + channel * s.c, s.c, s.c, s.space};
  return read_in_place(axis, source, block.first).base;
}

// body(positions, taps) for each part of a row of outputs in which the same taps of the row meet input.
template <class Body>
void for_each_part(const Axis& axis, int64_t first, int64_t count, Body&& body) {
  const Range low = range_inside(axis.index(first, 0), axis.stride, count, axis.in);
  const Range high = range_inside(axis.index(first, axis.taps - 1), axis.stride, count, axis.in);
  const Range all{std::max(low.first, high.first), std::min(low.last, high.last)};
  for (int64_t w = 0; w < count;) {
    const int64_t next = w >= all.first && w < all.last ? all.last : w + 1;
    if (const Range taps = taps_inside(axis, first + w); taps.size() > 0) body(Range{w, next}, taps);
    w = next;
  }
}

// The rows of outputs that meet input at one tap, with as much of each as does; rows that follow each other in both
// operands are one run. Where the taps of a row share a tile, those that meet padding stay out of some runs; in a
// band they meet zeros.
inline int64_t make_runs(const Correlation& c, const WeightGradientPlan& p, const Bands& bands,
                         const std::array<int64_t, 3>& tap, Run* runs) {
  const Reading &src = bands.src, &dst = bands.dst;
  const Axis& row = c.axis[2];
  std::array<Range, 3> inside;
  for (std::size_t a = 0; a < 3; ++a) {
    const Axis& axis = c.axis[a];
    inside[a] = a == 2 && !bands.src_in_place
                    ? Range{0, bands.block.size[a]}
                    : range_inside(axis.index(bands.block.first[a], tap[a]), axis.stride, bands.block.size[a], axis.in);
  }
  const int64_t at = tap[0] * src.tap[0] + tap[1] * src.tap[1] + tap[2] * src.tap[2];
  int64_t count = 0;
  const auto add = [&](int64_t a, int64_t b, Range w, Range taps) {
    const Run run{at + a + w.first * src.row[2], b + w.first * dst.row[2], w.size(), static_cast<int>(taps.first),
                  taps.last == row.taps ? kernels::kMaxRows : static_cast<int>(taps.last)};
    Run* const before = count > 0 ? &runs[count - 1] : nullptr;
    if (p.operand != Operand::dot && before != nullptr && before->a + before->steps * src.row[2] == run.a &&
        before->b + before->steps * dst.row[2] == run.b && before->first_row == run.first_row &&
        before->last_row == run.last_row)
      before->steps += run.steps;
    else if (run.steps > 0)
      runs[count++] = run;
  };
  for (int64_t image = 0; image < bands.images; ++image) {
    for (int64_t d = inside[0].first; d < inside[0].last; ++d) {
      for (int64_t h = inside[1].first; h < inside[1].last; ++h) {
        const int64_t a = image * bands.src_image + d * src.row[0] + h * src.row[1];
        const int64_t b = image * bands.dst_image + d * dst.row[0] + h * dst.row[1];
        if (p.rows_over == WeightGradientPlan::Rows::taps && bands.src_in_place)
          for_each_part(row, bands.block.first[2], bands.block.size[2],
                        [&](Range w, Range taps) { add(a, b, w, taps); });
        else
          add(a, b, inside[2], {0, row.taps});
      }
    }
  }
  return count;
}

// What a tile asks for, one line a step: of diff_dst what the next panel will read, or at the end of a block what the
// next block will, of both operands. Only what lies in the caller's memory, which hardware does not follow from page
// to page.
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

// Planes of diff_dst are copied, transposed, into a band before they are multiplied. With few input channels that takes
// as long as multiplying, so the tiles of a block ask for what will be copied for the next: each for its share of the
// channels, a channel in each run, or for a channel, a piece in each run.
struct CopyAhead {
  const byte* next = nullptr;  // where the next block begins
  int64_t channel = 0;         // from channel to channel
  int64_t channels = 0, bytes = 0;

  template <class T>
  void operator()(kernels::Tile<T>& tile, int64_t index, int64_t tiles) const {
    const int64_t share = ceil_div(channels, tiles);
    if (next == nullptr || tile.run_count == 0 || index * share >= channels) return;
    const int64_t piece = share > 1 ? bytes : ceil_div(bytes, tile.run_count);
    tile.ahead = next + index * share * channel;
    tile.ahead_run = share > 1 ? channel : piece;
    tile.ahead_step = ceil_div(piece, std::max<int64_t>(1, tile.runs[0].steps));
  }
};

inline CopyAhead copy_ahead(const Correlation& c, const WeightGradientPlan& p, const Buffer& b, int64_t next,
                            int64_t element) {
  const bool planes = c.dst_stride.space[2] == element;
  if (p.rows_over != WeightGradientPlan::Rows::taps || p.lanes != Lanes::channels || p.dst_in_place || !planes)
    return {};
  return {block_origin(c, p, b, next, dst_axes(c), c.dst, c.dst_stride, b.o_first), c.dst_stride.c, b.o_count,
          p.block[1] * p.block[2] * element};
}

// sums [panel][buffer_row][lane] (+)= diff_dst * src, summed over the block.
template <class T>
void multiply_bands(const Correlation& c, const WeightGradientPlan& p, const kernels::Kernels<T>& k, const Buffer& b,
                    const Bands& bands, const LookAhead<T>& ahead, const CopyAhead& copies, bool accumulate, Run* runs,
                    byte* sums) {
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
  const int64_t tiles = c.axis[0].taps * c.axis[1].taps * tap_loops * b.panels * channel_loops * rows.parts;
  int64_t tile_index = 0;

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
          const Panel of = panel_of(c, p, b, panel);
          // Lanes of channels are padded, in a band and in the sums; lanes of groups may lie where nothing follows.
          tile.lanes = by_pixels ? vectors : static_cast<int>(p.lanes == Lanes::groups ? of.lanes : p.width);
          tile.b = dst.base + of.group * c.dst_stride.g + (of.o - b.o_first) * dst.channel;
          for (int64_t ch = 0; ch < channel_loops; ++ch) {
            tile.a = src.base + of.group * c.src_stride.g + ch * src.channel;
            tile.c = sums + panel * panel_bytes + p.buffer_row(ch, tap, taps) * row_bytes;
            for (int64_t i = 0; i < rows.parts; ++i) {
              ahead(tile, i, tap == 0, tap == taps - row_taps / tap_loops, panel + 1 >= b.panels);
              copies(tile, tile_index++, tiles);
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
    const int64_t next = band + 1 < last ? band + 1 : first;
    const LookAhead<T> ahead = look_ahead<T>(c, p, buffer, read, next);
    const CopyAhead copies = copy_ahead(c, p, buffer, next, sizeof(T));
    multiply_bands(c, p, k, buffer, read, ahead, copies, band != first, runs, to);
  }
}

// Where tap `tap`, of all three axes, lies in diff_weights.
inline int64_t tap_offset(const Correlation& c, int64_t tap) {
  const int64_t kw = tap % c.axis[2].taps, rest = tap / c.axis[2].taps;
  return rest / c.axis[1].taps * c.weights_stride.tap[0] + rest % c.axis[1].taps * c.weights_stride.tap[1] +
         kw * c.weights_stride.tap[2];
}

// One sum: of diff_dst in an output channel times src in an input channel, at a tap, over real input alone.
template <class T>
T sum_of(const Correlation& c, int64_t group, int64_t o, int64_t channel, int64_t tap) {
  const int64_t taps[] = {tap / c.axis[2].taps / c.axis[1].taps, tap / c.axis[2].taps % c.axis[1].taps,
                          tap % c.axis[2].taps};
  std::array<Range, 3> inside;
  for (std::size_t a = 0; a < 3; ++a)
    inside[a] = range_inside(c.axis[a].index(0, taps[a]), c.axis[a].stride, c.axis[a].out, c.axis[a].in);
  const auto src_at = [&](std::size_t a, int64_t q) { return c.axis[a].index(q, taps[a]) * c.src_stride.space[a]; };
  const byte* const src = c.src + group * c.src_stride.g + channel * c.src_stride.c;
  const byte* const dst = c.dst + group * c.dst_stride.g + o * c.dst_stride.c;
  const auto passes = [&](int64_t n, int64_t d, int64_t h, int64_t w) {
    if (!c.through) return true;
    const auto& [by_n, by_g, by_c, space] = c.through.stride;
    return !(load<T>(c.through.y + n * by_n + group * by_g + o * by_c + d * space[0] + h * space[1] + w * space[2]) <=
             T{0});
  };
  T sum = 0;
  for (int64_t n = 0; n < c.batch; ++n)
    for (int64_t d = inside[0].first; d < inside[0].last; ++d)
      for (int64_t h = inside[1].first; h < inside[1].last; ++h) {
        const byte* const row = src + n * c.src_stride.n + src_at(0, d) + src_at(1, h);
        const byte* const grad = dst + n * c.dst_stride.n + d * c.dst_stride.space[0] + h * c.dst_stride.space[1];
        for (int64_t w = inside[2].first; w < inside[2].last; ++w)
          sum += load<T>(row + src_at(2, w)) * (passes(n, d, h, w) ? load<T>(grad + w * c.dst_stride.space[2]) : T{0});
        if (sum != sum) return sum;
      }
  return sum;
}

// A band holds padding as zeros, and a zero times an infinity is NaN. So a sum that came out as NaN is taken again,
// number by number, where it may have met such a zero; it costs no more than a look at each sum where all is finite.
template <class T>
void mend_panel(const Correlation& c, const WeightGradientPlan& p, const Buffer& b, const Panel& panel, T* sums) {
  if (p.src_in_place || !meets_padding(c)) return;
  for (int64_t channel = 0; channel < b.channels; ++channel)
    for (int64_t tap = 0; tap < c.taps(); ++tap) {
      T* const row = sums + p.buffer_row(channel, tap, c.taps()) * p.width;
      for (int64_t lane = 0; lane < panel.lanes; ++lane) {
        if (row[lane] == row[lane]) continue;
        const bool by_groups = p.lanes == Lanes::groups;
        row[lane] = sum_of<T>(c, b.group + panel.group + (by_groups ? lane : 0), panel.o + (by_groups ? 0 : lane),
                              b.c_first + channel, tap);
      }
    }
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
  const Panel of = panel_of(c, p, b, panel);
  const auto [group, o, lanes] = of;
  byte* const weights = const_cast<byte*>(c.weights) + (b.group + group) * s.g + o * s.o + b.c_first * s.c;
  T* const from = sums + panel * taps * p.c_block * p.width;
  const int64_t numbers = taps * p.c_block * p.width;
  if (p.chunks > 1)
    k.add_rows({reinterpret_cast<byte*>(from), reinterpret_cast<const byte*>(from), element, p.buffer_numbers * element,
                numbers, p.chunks, false});
  mend_panel(c, p, b, of, from);

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

}  // namespace TAPWISE_PRIVATE

template <class T>
Status run_weight_gradient(const Correlation& c, const kernels::Kernels<T>& k, const Options& options) {
  if (c.batch == 0) {
    store_zero<T>(c, options.accumulate);
    return {};
  }
  const WeightGradientPlan plan = plan_weight_gradient(c, k);
  const int threads = threads_for(options, flops_of(c), plan.items());
  const int64_t bytes = plan.workspace_bytes(threads, sizeof(T));
  const Scratch memory(options.workspace, bytes);
  if (!memory.status()) return memory.status();
  T* const sums = reinterpret_cast<T*>(memory.data());
  const int64_t scratch_bytes = plan.scratch_bytes(sizeof(T));
  byte* const scratch = memory.data() + bytes - threads * scratch_bytes;
  if (plan.chunks == 1) {
    parallel_for(options.parallel, plan.items(), threads, [&](int64_t item, int thread) {
      byte* const own = scratch + thread * scratch_bytes;
      T* const own_sums = reinterpret_cast<T*>(own);
      run_item(c, plan, k, item, own_sums, own + round_up(plan.buffer_numbers * int64_t{sizeof(T)}, kCacheLine));
      for (int64_t panel = 0; panel < plan.panels_per_item; ++panel)
        store_panel(c, plan, k, item * plan.panels_per_item + panel, options.accumulate, own_sums);
    });
    return {};
  }
  parallel_for(options.parallel, plan.items(), threads, [&](int64_t item, int thread) {
    run_item(c, plan, k, item, sums + item * plan.buffer_numbers, scratch + thread * scratch_bytes);
  });
  parallel_for(options.parallel, plan.buffers() * plan.panels_per_item, threads, [&](int64_t panel, int) {
    T* const of_buffer = sums + panel / plan.panels_per_item * plan.chunks * plan.buffer_numbers;
    store_panel(c, plan, k, panel, options.accumulate, of_buffer);
  });
  return {};
}

#if !defined(TAPWISE_HEADER_ONLY)
#define TAPWISE_INSTANTIATE(T) \
  template Status run_weight_gradient<T>(const Correlation&, const kernels::Kernels<T>&, const Options&);
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE
#endif

}  // namespace tapwise::inline TAPWISE_NAMESPACE
