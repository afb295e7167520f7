#include "few_channels.hpp"

#include <cstdlib>
#include <cstring>
#include <numeric>

#include "check.hpp"
#include "taps.hpp"
#include "tiles.hpp"
#include "unaligned.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {
inline namespace TAPWISE_PRIVATE {
using kernels::Run;

// With more channels than this, lanes of channels are as good.
constexpr int64_t kMostChannels = 4;

// More phases than these would have more rows than a few tiles.
constexpr int64_t kMostPhases = 64;

constexpr int64_t kRowsBandBytes = 384 * 1024, kMostBandBytes = 768 * 1024, kMostPackedBytes = 1 << 20;

// The residues r along one axis that have a tap at position t of the window.
inline Range residues(const ConvProblem& p, const FewChannelsPlan& plan, std::size_t a, int64_t t) {
  const int64_t first = (plan.first[a] + t) * p.stride[a] - p.pad_low[a];
  return {std::max<int64_t>(0, first), std::min(plan.modulus[a], first + p.kernel[a])};
}

// A row of a tile: its residues and its channel.
struct Row {
  std::array<int64_t, 3> r;
  int64_t channel;
};

inline Row row_of(const FewChannelsPlan& plan, int64_t index) {
  Row row{};
  row.channel = index % plan.channels;
  index /= plan.channels;
  for (std::size_t a = 3; a-- > 0; index /= plan.modulus[a]) row.r[a] = index % plan.modulus[a];
  return row;
}

// body(rows) for those rows of a panel that have a tap at position t of the window, each time as many as lie together.
template <class Body>
void for_each_rows(const ConvProblem& p, const FewChannelsPlan& plan, Range panel, const std::array<int64_t, 3>& t,
                   Body&& body) {
  const Range d = residues(p, plan, 0, t[0]), h = residues(p, plan, 1, t[1]), w = residues(p, plan, 2, t[2]);
  Range rows{};
  for (int64_t i = d.first; i < d.last; ++i)
    for (int64_t j = h.first; j < h.last; ++j) {
      const int64_t start = (i * plan.modulus[1] + j) * plan.modulus[2];
      const Range next{std::max((start + w.first) * plan.channels, panel.first) - panel.first,
                       std::min((start + w.last) * plan.channels, panel.last) - panel.first};
      if (next.size() <= 0) continue;
      if (rows.size() > 0 && rows.last == next.first) {
        rows.last = next.last;
        continue;
      }
      if (rows.size() > 0) body(rows);
      rows = next;
    }
  if (rows.size() > 0) body(rows);
}

template <class Body>
void for_each_tap(const FewChannelsPlan& plan, Body&& body) {
  int64_t index = 0;
  for (int64_t d = 0; d < plan.window[0].taps; ++d)
    for (int64_t h = 0; h < plan.window[1].taps; ++h)
      for (int64_t w = 0; w < plan.window[2].taps; ++w) body(index++, std::array<int64_t, 3>{d, h, w});
}

// [panel][tap of the window][channel of diff_dst][row], zeros where there is no tap.
template <class T>
void pack_group(const BackwardData<T>& problem, const FewChannelsPlan& plan, int64_t group, T* packed) {
  const ConvProblem& p = problem.p;
  const TensorView<const T>& weights = problem.weights;
  const int64_t in_channels = p.out_channels / p.groups;
  const EvenSplit panels(plan.rows, plan.panel_rows);
  for (int64_t panel = 0; panel < panels.parts; ++panel) {
    const int64_t rows = panels.size(panel);
    for_each_tap(plan, [&](int64_t, const std::array<int64_t, 3>& t) {
      for (int64_t i = 0; i < rows; ++i) {
        const Row row = row_of(plan, panels.first(panel) + i);
        int64_t at = group * in_channels * weights.stride[0] + row.channel * weights.stride[1];
        bool inside = true;
        for (std::size_t a = 0; a < 3; ++a) {
          const int64_t tap = row.r[a] + p.pad_low[a] - (plan.first[a] + t[a]) * p.stride[a];
          inside &= tap >= 0 && tap < p.kernel[a];
          at += (p.flip ? p.kernel[a] - 1 - tap : tap) * weights.stride[a + 2];
        }
        const auto* const from = reinterpret_cast<const byte*>(weights.data) + at;
        for (int64_t o = 0; o < in_channels; ++o)
          packed[o * rows + i] = inside ? load<T>(from + o * weights.stride[0]) : T{0};
      }
      packed += in_channels * rows;
    });
  }
}

constexpr int64_t kMostLanes = 64;

template <class T>
void store_pairs(byte* to, const T* a, const T* b, int64_t count) {
  T pairs[2 * kMostLanes];
  for (int64_t i = 0; i < count; ++i) {
    pairs[2 * i] = a[i];
    pairs[2 * i + 1] = b[i];
  }
  std::memcpy(to, pairs, static_cast<std::size_t>(2 * count) * sizeof(T));
}

// Writes one tile, [row][lane] in `sums`, to where its rows belong.
template <class T>
struct Scatter {
  const BackwardData<T>& problem;
  const FewChannelsPlan& plan;
  const Bias<T> bias;
  const Options& options;

  void operator()(const T* sums, int64_t row_numbers, int64_t image, int64_t group, Range rows,
                  const std::array<int64_t, 3>& q, int64_t count) const {
    const TensorView<const T>& view = problem.diff_src;
    const int64_t lane_step = plan.modulus[2] * view.stride[4];
    const bool plain = bias.data == nullptr && !options.accumulate && !options.relu;
    // Rows of the two residues of a stride of 2 lie beside each other in memory.
    const bool paired = plan.modulus[2] == 2 && view.stride[4] == int64_t{sizeof(T)} &&
                        2 * (q[2] + count) <= view.shape[4] && count <= kMostLanes;
    for (int64_t i = rows.first; i < rows.last; ++i, sums += row_numbers) {
      const Row row = row_of(plan, i);
      const int64_t channel = group * plan.channels + row.channel;
      std::array<int64_t, 3> at;
      for (std::size_t a = 0; a < 3; ++a) at[a] = q[a] * plan.modulus[a] + row.r[a];
      if (at[0] >= view.shape[2] || at[1] >= view.shape[3]) continue;
      const int64_t lanes = std::clamp<int64_t>(ceil_div(view.shape[4] - at[2], plan.modulus[2]), 0, count);
      byte* to = reinterpret_cast<byte*>(const_cast<T*>(view.data)) + image * view.stride[0] +
                 channel * view.stride[1] + at[0] * view.stride[2] + at[1] * view.stride[3] + at[2] * view.stride[4];
      if (plain) {
        if (paired && row.r[2] == 1 && i - plan.channels >= rows.first) continue;
        if (paired && row.r[2] == 0 && i + plan.channels < rows.last) {
          store_pairs(to, sums, sums + plan.channels * row_numbers, count);
        } else {
          for (int64_t lane = 0; lane < lanes; ++lane) store<T>(to + lane * lane_step, sums[lane]);
        }
        continue;
      }
      const T add =
          bias.data == nullptr ? T{0} : load<T>(reinterpret_cast<const byte*>(bias.data) + channel * bias.stride);
      for (int64_t lane = 0; lane < lanes; ++lane, to += lane_step) {
        const T sum = sums[lane] + add + (options.accumulate ? load<T>(to) : T{0});
        store<T>(to, options.relu && sum < T{0} ? T{0} : sum);
      }
    }
  }
};

// One block of q of one image and group.
template <class T>
void run_block(const BackwardData<T>& problem, const FewChannelsPlan& plan, const kernels::Kernels<T>& k,
               const Scatter<T>& scatter, int64_t index, const T* packed, byte* scratch) {
  constexpr auto element = int64_t{sizeof(T)};
  const ConvProblem& p = problem.p;
  const int64_t in_channels = p.out_channels / p.groups;
  const Block block = take_block(index, plan.window, plan.blocks, plan.block);
  const int64_t image = index % p.batch, group = index / p.batch;
  const TensorView<const T>& src = problem.diff_dst;

  auto* const runs = reinterpret_cast<Run*>(scratch);
  scratch += round_up(plan.runs() * int64_t{sizeof(Run)}, kCacheLine);
  T* const sums = reinterpret_cast<T*>(scratch);
  const int64_t tile_numbers = plan.vectors * k.lanes;
  scratch += round_up(plan.panel_rows * tile_numbers * element, kCacheLine);
  const BandSource source{
      reinterpret_cast<const byte*>(src.data) + image * src.stride[0] + group * in_channels * src.stride[1],
      src.stride[1],
      src.stride[1],
      {src.stride[2], src.stride[3], src.stride[4]}};
  if (const Through& y = problem.through)
    gather_through(k, plan.window, plan.band, source,
                   {y.y + image * y.stride.n + group * y.stride.g, y.stride.c, y.stride.c, y.stride.space}, block.first,
                   1, scratch, scratch + round_up(plan.band.bytes + kVectorSlack, kCacheLine));
  else
    gather_band(k, plan.window, plan.band, source, block.first, 1, scratch);
  std::memset(scratch + plan.band.bytes, 0, kVectorSlack);
  const Reading from = read_band(plan.band, scratch);

  const EvenSplit panels(plan.rows, plan.panel_rows);
  kernels::Tile<T> tile{};
  tile.b_vector = k.lanes * element;
  tile.b_step = from.channel;
  tile.a_row = element;
  tile.c = reinterpret_cast<byte*>(sums);
  tile.c_row = tile_numbers * element;
  tile.c_lane = element;
  tile.runs = runs;

  for (int64_t d = 0; d < block.size[0]; ++d) {
    for (int64_t h = 0; h < block.size[1]; ++h) {
      const Range inside_d = taps_inside(plan.window[0], block.first[0] + d);
      const Range inside_h = taps_inside(plan.window[1], block.first[1] + h);
      const T* panel_start = packed + group * plan.rows * plan.window_size() * in_channels;
      for (int64_t panel = 0; panel < panels.parts; ++panel) {
        const Range rows{panels.first(panel), panels.first(panel + 1)};
        tile.run_count = 0;
        for_each_tap(plan, [&](int64_t tap, const std::array<int64_t, 3>& t) {
          if (t[0] < inside_d.first || t[0] >= inside_d.last || t[1] < inside_h.first || t[1] >= inside_h.last) return;
          for_each_rows(p, plan, rows, t, [&](Range with_tap) {
            runs[tile.run_count++] = {tap * in_channels * rows.size() * element,
                                      t[0] * from.tap[0] + t[1] * from.tap[1] + t[2] * from.tap[2], in_channels,
                                      static_cast<int>(with_tap.first), static_cast<int>(with_tap.last)};
          });
        });
        tile.a = reinterpret_cast<const byte*>(panel_start);
        tile.a_step = rows.size() * element;
        for (int64_t w = 0; w < block.size[2]; w += tile_numbers) {
          const int64_t count = std::min(tile_numbers, block.size[2] - w);
          const int vectors = std::min(plan.vectors, vectors_for(count, k.lanes));
          tile.lanes = static_cast<int>(vectors * k.lanes);
          tile.b = from.base + d * from.row[0] + h * from.row[1] + w * from.row[2];
          tile_functions(k, kernels::Operand::broadcast, vectors)[rows.size() - 1](tile);
          scatter(sums, tile_numbers, image, group, rows, {block.first[0] + d, block.first[1] + h, block.first[2] + w},
                  count);
        }
        panel_start += rows.size() * plan.window_size() * in_channels;
      }
    }
  }
}

}  // namespace TAPWISE_PRIVATE

template <class T>
std::optional<FewChannelsPlan> plan_few_channels(const BackwardData<T>& problem, const kernels::Kernels<T>& k) {
  constexpr auto element = int64_t{sizeof(T)};
  const ConvProblem& p = problem.p;
  FewChannelsPlan plan;
  plan.channels = p.in_channels / p.groups;
  if (plan.channels > kMostChannels || p.out_channels / p.groups < k.lanes || p.dilation != Spatial{1, 1, 1}) return {};
  const int64_t most_rows = k.max_rows[vectors_index(plan.vectors)];
  if (capped_product(p.stride[0], p.stride[1], p.stride[2]) > kMostPhases) return {};
  plan.modulus = p.stride;
  // Several output rows at a time, as long as the rows of a tile are not filled.
  const int64_t rows = plan.channels * p.stride[0] * p.stride[1] * p.stride[2];
  plan.modulus[1] *= std::clamp<int64_t>(most_rows / rows, 1, ceil_div(p.src[1], p.stride[1]));
  if (plan.modulus[0] * plan.modulus[1] * plan.modulus[2] > kMostPhases) return {};
  plan.rows = plan.channels * plan.modulus[0] * plan.modulus[1] * plan.modulus[2];
  if (plan.rows < 4) return {};  // a single row of outputs without a stride
  const EvenSplit panels(plan.rows, most_rows);
  plan.panels = panels.parts;
  plan.panel_rows = panels.size(0);

  for (std::size_t a = 0; a < 3; ++a) {
    plan.first[a] = -((p.kernel[a] - 1 - p.pad_low[a] >= 0) ? (p.kernel[a] - 1 - p.pad_low[a]) / p.stride[a]
                                                            : -ceil_div(p.pad_low[a] - p.kernel[a] + 1, p.stride[a]));
    const int64_t last = (plan.modulus[a] - 1 + p.pad_low[a]) / p.stride[a];
    plan.window[a] = {.out = ceil_div(p.src[a], plan.modulus[a]),
                      .in = problem.diff_dst.shape[a + 2],
                      .taps = last - plan.first[a] + 1,
                      .stride = plan.modulus[a] / p.stride[a],
                      .dilation = 1,
                      .offset = plan.first[a]};
    if (plan.window[a].taps < 1) return {};
  }
  if (plan.window[2].out < k.lanes) return {};
  const int64_t in_channels = p.out_channels / p.groups;
  plan.packed_numbers = capped_product(p.groups, plan.rows, plan.window_size(), in_channels);
  if (capped_product(plan.packed_numbers, element) > kMostPackedBytes) return {};

  // Blocks: whole rows if they fit, then several of them.
  std::array<int64_t, 3> block{1, 1, plan.window[2].out};
  const auto layout = [&] {
    std::array<BandAxis, 3> axis;
    for (std::size_t a = 0; a < 3; ++a) axis[a] = band_axis(plan.window[a], block[a], a == 2);
    return band_layout(axis, Inner::pixels, in_channels, 1, element);
  };
  const int64_t tile = plan.vectors * k.lanes;
  while (layout().bytes > kRowsBandBytes && block[2] > tile) block[2] = round_up(ceil_div(block[2], 2), tile);
  if (layout().bytes > kMostBandBytes) return {};
  const auto pieces = [&] {
    int64_t count = capped_product(p.batch, p.groups);
    for (std::size_t a = 0; a < 3; ++a) count *= ceil_div(plan.window[a].out, block[a]);
    return count;
  };
  while (block[2] == plan.window[2].out && block[1] < plan.window[1].out && block[1] < 32) {
    ++block[1];
    if (layout().bytes <= kRowsBandBytes && pieces() >= kEnoughItems) continue;
    --block[1];
    break;
  }
  plan.block = block;
  for (std::size_t a = 0; a < 3; ++a) plan.blocks[a] = ceil_div(plan.window[a].out, block[a]);
  plan.band = layout();
  plan.padding_read = meets_padding(plan.window[2]);
  plan.items = pieces();
  plan.scratch_bytes = round_up(plan.runs() * int64_t{sizeof(Run)}, kCacheLine) +
                       round_up(plan.panel_rows * tile * element, kCacheLine) +
                       band_room(plan.band.bytes + kVectorSlack, static_cast<bool>(problem.through));
  return plan;
}

template <class T>
void run_few_channels(const BackwardData<T>& problem, const FewChannelsPlan& plan, const kernels::Kernels<T>& k,
                      Bias<T> bias, const Options& options, int threads, byte* workspace) {
  T* const packed = reinterpret_cast<T*>(workspace);
  const int64_t group_numbers = plan.packed_numbers / problem.p.groups;
  parallel_for(options.parallel, problem.p.groups, threads,
               [&](int64_t group, int) { pack_group(problem, plan, group, packed + group * group_numbers); });
  byte* const scratch = workspace + round_up(plan.packed_numbers * int64_t{sizeof(T)}, kCacheLine);
  const Scatter<T> scatter{problem, plan, bias, options};
  parallel_for(options.parallel, plan.items, threads, [&](int64_t item, int thread) {
    run_block(problem, plan, k, scatter, item, packed, scratch + thread * plan.scratch_bytes);
  });
}

#if !defined(TAPWISE_HEADER_ONLY)
#define TAPWISE_INSTANTIATE(T)                                                                                      \
  template std::optional<FewChannelsPlan> plan_few_channels<T>(const BackwardData<T>&, const kernels::Kernels<T>&); \
  template void run_few_channels<T>(const BackwardData<T>&, const FewChannelsPlan&, const kernels::Kernels<T>&,     \
                                    Bias<T>, const Options&, int, byte*);
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE
#endif

}  // namespace tapwise::inline TAPWISE_NAMESPACE
