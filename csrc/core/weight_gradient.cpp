#include "core/weight_gradient.hpp"

#include <cstdlib>

#include "core/call.hpp"
#include "core/jobs.hpp"
#include "core/tiles.hpp"
#include "core/unaligned.hpp"

namespace tapwise {
namespace {

using kernels::Operand;
using kernels::Run;

// Both bands and the buffer share the second-level cache.
constexpr int64_t kBandBytes = 192 * 1024;
constexpr int64_t kBufferBytes = 256 * 1024;
constexpr int64_t kOutChannels = 64;

// Rows of a block are not cut below this for the sake of more input channels at a time.
constexpr int64_t kShortestRow = 64;

// As in the forward pass: how many pieces of work there should be, and what the private sums of chunks may take.
constexpr int64_t kEnoughItems = 16;
constexpr int64_t kChunkSumBytes = int64_t{3} << 20;

constexpr double kPixelLanes = 0.7, kGroupLanes = 0.7, kTransposedBand = 0.5;

Lanes choose_lanes(const Correlation& c, int64_t v) {
  const bool dense = std::abs(c.src_stride.g) <= std::abs(c.src_stride.space[2]) &&
                     std::abs(c.dst_stride.g) <= std::abs(c.dst_stride.space[2]);
  const double positions = static_cast<double>(c.batch) * static_cast<double>(c.positions());
  const double o_use = lane_use(c.out_channels, v), g_use = lane_use(c.groups, v);
  const double channels = with_packing(o_use, o_use, positions);
  const double pixels = with_packing(kPixelLanes * lane_use(c.axis[2].out, v), 1, positions);
  const double groups =
      c.groups == 1 ? 0 : with_packing(kGroupLanes * g_use * (dense ? 1 : kTransposedBand), g_use, positions);
  if (channels >= pixels && channels >= groups) return Lanes::channels;
  return pixels >= groups ? Lanes::pixels : Lanes::groups;
}

// Which of input channels and taps of a row the rows of a tile run over.
enum class RowAxis { taps_and_channels, channels, taps };

struct RowPlan {
  RowAxis axis;
  int64_t count;
};

RowPlan row_plan(const Correlation& c, const Reading& src, int64_t channels, int64_t c_block) {
  const int64_t taps = c.axis[2].taps;
  if (channels == c_block && src.tap[2] == channels * src.channel) return {RowAxis::taps_and_channels, taps * channels};
  if (taps > channels) return {RowAxis::taps, taps};
  return {RowAxis::channels, channels};
}

template <class T>
BandLayout src_layout(const WeightGradientPlan& p, const Correlation& c, const std::array<int64_t, 3>& block,
                      int64_t c_block) {
  std::array<BandAxis, 3> axis;
  for (std::size_t a = 0; a < 3; ++a) axis[a] = band_axis(c.axis[a], block[a], p.lanes == Lanes::pixels && a == 2);
  if (p.lanes == Lanes::pixels) return band_layout(axis, Inner::pixels, c_block, 1, sizeof(T));
  if (p.lanes == Lanes::groups) return band_layout(axis, Inner::lanes, c_block, p.width, sizeof(T));
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
  p.panels_per_item = std::min(p.panels, std::max<int64_t>(1, kOutChannels / p.panel_channels));
  p.o_blocks = ceil_div(p.panels, p.panels_per_item);
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
  const auto buffer = [&](int64_t channels) {
    return capped_product(p.panels_per_item, c.taps(), channels, p.width, element);
  };
  p.c_block = c.in_channels;
  while (p.c_block > 1 && buffer(p.c_block) > kBufferBytes) p.c_block = ceil_div(p.c_block, 2);

  std::array<int64_t, 3> block{1, 1, c.axis[2].out};
  const auto fits = [&] {
    return src_layout<T>(p, c, block, p.c_block).bytes + dst_layout<T>(p, c, block).bytes <= kBandBytes;
  };
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

  // Too few pieces of work: divide the positions, in smaller blocks if need be.
  const auto bands = [&] {
    int64_t count = c.batch;
    for (std::size_t a = 0; a < 3; ++a) count *= ceil_div(c.axis[a].out, block[a]);
    return count;
  };
  const int64_t wanted = ceil_div(kEnoughItems, p.buffers());
  while (c.batch > 0 && bands() < wanted && block[0] * block[1] * block[2] >= 512) {
    int64_t& longest = block[0] > 1 ? block[0] : block[1] > 1 ? block[1] : block[2];
    longest = ceil_div(longest, 2);
  }
  for (std::size_t a = 0; a < 3; ++a) {
    p.blocks[a] = ceil_div(c.axis[a].out, block[a]);
    p.block[a] = ceil_div(c.axis[a].out, p.blocks[a]);
    p.blocks[a] = ceil_div(c.axis[a].out, p.block[a]);
  }
  p.buffer_numbers = buffer(p.c_block) / element;
  p.src_band = src_layout<T>(p, c, p.block, p.c_block);
  p.dst_band = dst_layout<T>(p, c, p.block);

  const int64_t total_bands = c.batch * p.blocks[0] * p.blocks[1] * p.blocks[2];
  const int64_t affordable = kChunkSumBytes / capped_product(p.buffers(), p.buffer_numbers, element);
  p.chunks = std::max<int64_t>(1, std::min({wanted, total_bands, affordable}));
}

// Both operands of one block of output positions, and where its rows begin in them.
struct Bands {
  Reading src, dst;
  const Run* rows;
  int64_t row_count;
};

template <class T>
Bands read_bands(const Correlation& c, const WeightGradientPlan& p, const kernels::Kernels<T>& k, const Buffer& b,
                 int64_t index, byte* scratch) {
  const Block block = take_block(index, c.axis, p.blocks, p.block);
  const bool by_groups = p.lanes == Lanes::groups;
  const auto source = [&](const byte* data, const ActivationStrides& s, int64_t channel) {
    return BandSource{data + index * s.n + b.group * s.g + channel * s.c, s.c, by_groups ? s.g : s.c, s.space};
  };
  BandLayout src_layout = p.src_band, dst_layout = p.dst_band;
  if (p.lanes != Lanes::channels) {
    src_layout.planes = b.channels;
    dst_layout.planes = b.o_count;
  }
  byte* const src_band = scratch;
  byte* const dst_band = src_band + round_up(p.src_band.bytes, kCacheLine);
  auto* const rows = reinterpret_cast<Run*>(dst_band + round_up(p.dst_band.bytes, kCacheLine));
  Bands bands{};
  bands.src = read_block(k, c.axis, src_layout, source(c.src, c.src_stride, b.c_first), block,
                         by_groups ? b.group_lanes : b.channels, p.src_in_place, src_band);
  bands.dst = read_block(k, dst_axes(c), dst_layout, source(c.dst, c.dst_stride, b.o_first), block,
                         by_groups ? b.group_lanes : b.o_count, p.dst_in_place, dst_band);
  for (int64_t d = 0; d < block.size[0]; ++d)
    for (int64_t h = 0; h < block.size[1]; ++h)
      rows[d * block.size[1] + h] = {d * bands.src.row[0] + h * bands.src.row[1],
                                     d * bands.dst.row[0] + h * bands.dst.row[1], block.size[2]};
  bands.rows = rows;
  bands.row_count = block.size[0] * block.size[1];
  return bands;
}

// sums [panel][tap along depth][height][width][input channel][lane] (+)= diff_dst * src, summed over the block: over
// its rows, and along each.
template <class T>
void multiply_bands(const Correlation& c, const WeightGradientPlan& p, const kernels::Kernels<T>& k, const Buffer& b,
                    const Bands& bands, bool accumulate, byte* sums) {
  constexpr auto element = int64_t{sizeof(T)};
  const Reading &src = bands.src, &dst = bands.dst;
  const bool by_pixels = p.lanes == Lanes::pixels;
  const int64_t row_bytes = p.width * element;
  const int64_t tap_row = c.axis[2].taps * p.c_block * row_bytes;
  const int64_t panel_bytes = c.axis[0].taps * c.axis[1].taps * tap_row;
  const RowPlan rows = row_plan(c, src, b.channels, p.c_block);
  const bool over_taps = rows.axis == RowAxis::taps;
  const int64_t tap_loops = rows.axis == RowAxis::channels ? c.axis[2].taps : 1;
  const int64_t channel_loops = over_taps ? b.channels : 1;

  kernels::Tile<T> tile{};
  tile.runs = bands.rows;
  tile.run_count = bands.row_count;
  tile.accumulate = accumulate;
  tile.a_row = over_taps ? src.tap[2] : src.channel;
  tile.a_step = src.row[2];
  tile.b_step = dst.row[2];
  tile.b_vector = by_pixels ? dst.channel : k.lanes * element;
  tile.c_row = over_taps ? p.c_block * row_bytes : row_bytes;
  tile.c_lane = by_pixels ? panel_bytes : element;

  for (int64_t panel = 0; panel < b.panels;) {
    // Where lanes are pixels, a tile takes as many panels (single output channels) as it is wide.
    const int64_t left = b.panels - panel;
    const int vectors = !by_pixels || left >= p.vectors ? p.vectors : left >= 2 ? 2 : 1;
    const auto functions = tile_functions(k, p.operand, vectors);
    tile.lanes = by_pixels ? vectors : static_cast<int>(p.width);
    tile.b = dst.base + panel * p.panel_channels * dst.channel;
    for (int64_t kd = 0; kd < c.axis[0].taps; ++kd) {
      for (int64_t kh = 0; kh < c.axis[1].taps; ++kh) {
        for (int64_t kw = 0; kw < tap_loops; ++kw) {
          for (int64_t ch = 0; ch < channel_loops; ++ch) {
            tile.a = src.base + kd * src.tap[0] + kh * src.tap[1] + kw * src.tap[2] + ch * src.channel;
            tile.c =
                sums + panel * panel_bytes + (kd * c.axis[1].taps + kh) * tap_row + (kw * p.c_block + ch) * row_bytes;
            run_rows(functions, tile, EvenSplit(rows.count, p.rows));
          }
        }
      }
    }
    panel += by_pixels ? vectors : 1;
  }
}

template <class T>
void run_item(const Correlation& c, const WeightGradientPlan& p, const kernels::Kernels<T>& k, int64_t item, T* sums,
              byte* scratch) {
  // The chunk varies fastest: neighbouring items share their channels, not their pixels.
  const int64_t chunk = item % p.chunks;
  const Buffer buffer = buffer_of(c, p, item / p.chunks);
  auto* const to = reinterpret_cast<byte*>(sums + item * p.buffer_numbers);
  const int64_t bands = c.batch * p.blocks[0] * p.blocks[1] * p.blocks[2];
  const int64_t first = bands * chunk / p.chunks, last = bands * (chunk + 1) / p.chunks;
  for (int64_t band = first; band < last; ++band) {
    const Bands read = read_bands(c, p, k, buffer, band, scratch);
    multiply_bands(c, p, k, buffer, read, band != first, to);
  }
}

// Where tap `tap`, of all three axes, lies in diff_weights.
int64_t tap_offset(const Correlation& c, int64_t tap) {
  const int64_t kw = tap % c.axis[2].taps, rest = tap / c.axis[2].taps;
  return rest / c.axis[1].taps * c.weights_stride.tap[0] + rest % c.axis[1].taps * c.weights_stride.tap[1] +
         kw * c.weights_stride.tap[2];
}

// Adds up the chunks of one buffer and stores it to diff_weights.
template <class T>
void store_buffer(const Correlation& c, const WeightGradientPlan& p, int64_t buffer, bool accumulate, const T* sums) {
  const Buffer b = buffer_of(c, p, buffer);
  const WeightStrides& s = c.weights_stride;
  const bool by_groups = p.lanes == Lanes::groups;
  const int64_t lane_stride = by_groups ? s.g : s.o;
  byte* const weights = const_cast<byte*>(c.weights) + b.group * s.g + b.o_first * s.o + b.c_first * s.c;
  const T* from = sums + buffer * p.chunks * p.buffer_numbers;
  for (int64_t panel = 0; panel < b.panels; ++panel) {
    const int64_t o = panel * p.panel_channels;
    const int64_t lanes = by_groups ? b.group_lanes : std::min(p.panel_channels, b.o_count - o);
    for (int64_t tap = 0; tap < c.taps(); ++tap) {
      byte* const to = weights + o * s.o + tap_offset(c, tap);
      for (int64_t ch = 0; ch < b.channels; ++ch) {
        const T* const row = from + (tap * p.c_block + ch) * p.width;
        for (int64_t lane = 0; lane < lanes; ++lane) {
          T sum = row[lane];
          for (int64_t chunk = 1; chunk < p.chunks; ++chunk) sum += row[chunk * p.buffer_numbers + lane];
          store<T>(to + ch * s.c + lane * lane_stride, sum, accumulate);
        }
      }
    }
    from += c.taps() * p.c_block * p.width;
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

int64_t WeightGradientPlan::scratch_bytes() const {
  return round_up(src_band.bytes, kCacheLine) + round_up(dst_band.bytes, kCacheLine) +
         round_up(block[0] * block[1] * int64_t{sizeof(Run)}, kCacheLine);
}

int64_t WeightGradientPlan::workspace_bytes(int threads, int64_t element_bytes) const {
  return round_up(capped_product(sum_numbers(), element_bytes), kCacheLine) + threads * scratch_bytes();
}

template <class T>
WeightGradientPlan plan_weight_gradient(const Correlation& c, const kernels::Kernels<T>& k) {
  constexpr auto element = int64_t{sizeof(T)};
  WeightGradientPlan p;
  p.lanes = choose_lanes(c, k.lanes);
  choose_tile(p, c, k);
  choose_blocks<T>(p, c);
  if (p.lanes == Lanes::channels) {
    p.src_in_place = c.src_stride.c == element;
    p.dst_in_place = c.dst_stride.c == element && c.out_channels % p.width == 0;
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
  byte* const scratch = workspace.data() + bytes - threads * plan.scratch_bytes();
  parallel_for(plan.items(), threads, [&](int64_t item, int thread) {
    run_item(c, plan, k, item, sums, scratch + thread * plan.scratch_bytes());
  });
  parallel_for(plan.buffers(), threads,
               [&](int64_t buffer, int) { store_buffer(c, plan, buffer, options.accumulate, sums); });
  return {};
}

#define TAPWISE_INSTANTIATE(T)                                                                         \
  template WeightGradientPlan plan_weight_gradient<T>(const Correlation&, const kernels::Kernels<T>&); \
  template Status run_weight_gradient<T>(const Correlation&, const kernels::Kernels<T>&, const Options&);
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE

}  // namespace tapwise
