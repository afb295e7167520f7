// A band: the piece of an activation tensor that one piece of work reads, with its zeros, in per-thread scratch.
//
// Along each axis a band holds either every position between the first and the last that the piece of work touches
// (neighbouring outputs share them), or, where the dilation or stride makes that wasteful, the positions of each tap
// apart ("split"). Either way the position of output q and tap k is q * row + k * tap: all that a kernel needs to know.
#pragma once

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "../kernels/table.hpp"
#include "checked.hpp"
#include "correlation.hpp"
#include "machine.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

struct BandAxis {
  int64_t tile = 1;       // output positions
  int64_t positions = 1;  // entries
  int64_t row = 1, tap = 1;
  bool split = false;
};

/// `dense_rows`: neighbouring outputs must be neighbours in the band, as vectors of pixels need them.
inline BandAxis band_axis(const Axis& axis, int64_t tile, bool dense_rows) {
  const int64_t whole = (tile - 1) * axis.stride + (axis.taps - 1) * axis.dilation + 1;
  const int64_t apart = capped_product(axis.taps, tile);
  if (whole <= apart && !(dense_rows && axis.stride != 1)) return {tile, whole, axis.stride, axis.dilation, false};
  return {tile, apart, 1, tile, true};
}

/// What lies innermost: `lanes` channels (or groups), or the pixels of a row.
enum class Inner { lanes, pixels };

struct BandLayout {
  std::array<BandAxis, 3> axis;
  Inner inner = Inner::lanes;
  int64_t planes = 1;         // channels, one after the other
  int64_t lanes = 1;          // channels or groups, side by side (1 where pixels are innermost)
  int64_t plane_bytes = 0;    // distance between planes
  int64_t channel_bytes = 0;  // distance between channels: planes, or lanes if there is one plane
  std::array<int64_t, 3> position_bytes{};
  int64_t bytes = 0;
};

inline BandLayout band_layout(const std::array<BandAxis, 3>& axis, Inner inner, int64_t planes, int64_t lanes,
                              int64_t element_bytes) {
  BandLayout b{axis, inner, planes, lanes};
  if (inner == Inner::lanes) {
    b.plane_bytes = lanes * element_bytes;
    b.position_bytes[2] = capped_product(planes, b.plane_bytes);
    // Positions a multiple of 512 bytes apart would share sets of the cache.
    if (b.position_bytes[2] % 512 == 0) b.position_bytes[2] += kCacheLine;
  } else {
    b.position_bytes[2] = element_bytes;
  }
  b.position_bytes[1] = capped_product(axis[2].positions, b.position_bytes[2]);
  b.position_bytes[0] = capped_product(axis[1].positions, b.position_bytes[1]);
  b.bytes = capped_product(axis[0].positions, b.position_bytes[0]);
  if (inner == Inner::pixels) {
    b.plane_bytes = b.bytes;
    b.bytes = capped_product(b.bytes, planes);
  }
  b.channel_bytes = inner == Inner::pixels || planes > 1 ? b.plane_bytes : element_bytes;
  return b;
}

/// Vectors of pixels read past the end of a band's last row by less than a tile.
inline constexpr int64_t kVectorSlack = 4 * kCacheLine;

/// Where the activations lie: one plane or lane apart, one position apart.
struct BandSource {
  const byte* data;
  int64_t plane, lane;
  std::array<int64_t, 3> space;
};

/// The input index of position `p` of a band that starts at output `first`.
inline int64_t input_index(const Axis& axis, const BandAxis& band, int64_t first, int64_t p) {
  if (!band.split) return first * axis.stride + axis.offset + p;
  return (first + p % band.tile) * axis.stride + p / band.tile * axis.dilation + axis.offset;
}

/// Whether some position of the band lies outside of the input.
inline bool band_meets_padding(const std::array<Axis, 3>& axis, const BandLayout& layout,
                               const std::array<int64_t, 3>& first) {
  for (std::size_t a = 0; a < 3; ++a)
    if (axis[a].index(first[a], 0) < 0 ||
        axis[a].index(first[a] + layout.axis[a].tile - 1, axis[a].taps - 1) >= axis[a].in)
      return true;
  return false;
}

/// Whether a row of the band is a row of the input.
inline bool whole_rows(const Axis& axis, const BandAxis& band, int64_t first) {
  return !band.split && band.positions == axis.in && input_index(axis, band, first, 0) == 0;
}

/// Fills `band` for the outputs from `first` on, with `lanes` <= layout.lanes valid ones (the others become zero).
template <class T>
void gather_band(const kernels::Kernels<T>& k, const std::array<Axis, 3>& axis, const BandLayout& layout,
                 const BandSource& source, const std::array<int64_t, 3>& first, int64_t lanes, byte* band) {
  const auto& width = layout.axis[2];
  const bool by_lanes = layout.inner == Inner::lanes;

  // Planes of pixels have their zeros in many places, so all of them are cleared beforehand.
  if (!by_lanes && band_meets_padding(axis, layout, first))
    std::memset(band, 0, static_cast<std::size_t>(layout.planes * layout.plane_bytes));
  const auto clear = [&](byte* row, int64_t from, int64_t to) {
    if (!by_lanes || from >= to) return;
    const auto bytes = static_cast<std::size_t>((to - from) * layout.position_bytes[2]);
    std::memset(row + from * layout.position_bytes[2], 0, bytes);
  };
  const auto copy = [&](byte* to, const byte* from, int64_t step, int64_t count) {
    if (by_lanes && lanes == layout.lanes && layout.planes == 1 && source.lane == int64_t{sizeof(T)} &&
        step == layout.position_bytes[2]) {
      k.copy({to, 0, from, 0, source.lane, 1, count * lanes, count * lanes});
    } else if (by_lanes) {
      for (int64_t p = 0; p < layout.planes; ++p)
        k.copy({to + p * layout.plane_bytes, layout.position_bytes[2], from + p * source.plane, step, source.lane,
                count, lanes, layout.lanes});
    } else {
      k.copy({to, layout.plane_bytes, from, source.plane, step, layout.planes, count, count});
    }
  };

  // Whole rows that follow each other in memory are one.
  if (whole_rows(axis[2], width, first[2]) && !layout.axis[1].split &&
      source.space[1] == axis[2].in * source.space[2]) {
    const int64_t top = input_index(axis[1], layout.axis[1], first[1], 0), rows = layout.axis[1].positions;
    if (top >= 0 && top + rows <= axis[1].in && layout.axis[0].positions == 1) {
      const int64_t in_d = input_index(axis[0], layout.axis[0], first[0], 0);
      if (in_d >= 0 && in_d < axis[0].in) {
        copy(band, source.data + in_d * source.space[0] + top * source.space[1], source.space[2],
             rows * width.positions);
        return;
      }
    }
  }

  // A row of the band is one run of neighbouring input positions, or one run per tap.
  const int64_t runs = width.split ? axis[2].taps : 1;
  const int64_t run_length = width.positions / runs;
  const int64_t step = width.split ? axis[2].stride : 1;
  // Which positions of a run lie inside the input; the first is input position `at`.
  struct Inside {
    Range columns;
    int64_t at;
  };
  const auto inside_run = [&](int64_t run) {
    const int64_t start = input_index(axis[2], width, first[2], run * run_length);
    const Range columns = range_inside(start, step, run_length, axis[2].in);
    return Inside{columns, start + columns.first * step};
  };

  for (int64_t d = 0; d < layout.axis[0].positions; ++d) {
    const int64_t in_d = input_index(axis[0], layout.axis[0], first[0], d);
    const bool outside = in_d < 0 || in_d >= axis[0].in;
    if (!by_lanes && !layout.axis[1].split && std::abs(source.plane) > std::abs(source.space[1])) {
      // Plane after plane, the rows of each together, as they lie in memory. The zeros are there already.
      if (outside) continue;
      const int64_t top = input_index(axis[1], layout.axis[1], first[1], 0);
      const int64_t h = std::max<int64_t>(0, -top), rows = std::min(layout.axis[1].positions, axis[1].in - top) - h;
      for (int64_t run = 0; run < runs && rows > 0; ++run) {
        const auto [columns, at] = inside_run(run);
        if (columns.size() == 0) continue;
        byte* to = band + d * layout.position_bytes[0] + h * layout.position_bytes[1] +
                   (run * run_length + columns.first) * layout.position_bytes[2];
        const byte* from = source.data + in_d * source.space[0] + (top + h) * source.space[1] + at * source.space[2];
        const int64_t count = columns.size();
        for (int64_t p = 0; p < layout.planes; ++p, to += layout.plane_bytes, from += source.plane)
          k.copy({to, layout.position_bytes[1], from, source.space[1], step * source.space[2], rows, count, count});
      }
      continue;
    }
    for (int64_t h = 0; h < layout.axis[1].positions; ++h) {
      const int64_t in_h = input_index(axis[1], layout.axis[1], first[1], h);
      byte* row = band + d * layout.position_bytes[0] + h * layout.position_bytes[1];
      if (outside || in_h < 0 || in_h >= axis[1].in) {
        clear(row, 0, width.positions);
        continue;
      }
      const byte* from = source.data + in_d * source.space[0] + in_h * source.space[1];
      for (int64_t run = 0; run < runs; ++run) {
        const auto [columns, at] = inside_run(run);
        const int64_t begin = run * run_length;
        clear(row, begin, begin + columns.first);
        if (columns.size() > 0)
          copy(row + (begin + columns.first) * layout.position_bytes[2], from + at * source.space[2],
               step * source.space[2], columns.size());
        clear(row, begin + columns.last, begin + run_length);
      }
    }
  }
}

/// Bytes of a band, rounded up; with y beside it if it is a gradient's that comes through a ReLU.
inline int64_t band_room(int64_t bytes, bool through) { return round_up(bytes, kCacheLine) * (through ? 2 : 1); }

/// The same for a gradient that comes through a ReLU: `y` goes to `y_band`, and the gradient becomes zero where it is.
template <class T>
void gather_through(const kernels::Kernels<T>& k, const std::array<Axis, 3>& axis, const BandLayout& layout,
                    const BandSource& source, const BandSource& y, const std::array<int64_t, 3>& first, int64_t lanes,
                    byte* band, byte* y_band) {
  constexpr auto element = int64_t{sizeof(T)};
  gather_band(k, axis, layout, source, first, lanes, band);
  gather_band(k, axis, layout, y, first, lanes, y_band);
  k.relu_grad({band, band, y_band, element, element, element, layout.bytes / element});
}

/// How a kernel walks activations, in a band or where they lie.
struct Reading {
  const byte* base = nullptr;  // output 0 of the piece of work, tap 0, channel 0
  int64_t channel = 0;         // from channel to channel
  std::array<int64_t, 3> row{}, tap{};
};

inline Reading read_band(const BandLayout& layout, const byte* band) {
  Reading r{band, layout.channel_bytes, {}, {}};
  for (std::size_t a = 0; a < 3; ++a) {
    r.row[a] = layout.axis[a].row * layout.position_bytes[a];
    r.tap[a] = layout.axis[a].tap * layout.position_bytes[a];
  }
  return r;
}

inline Reading read_in_place(const std::array<Axis, 3>& axis, const BandSource& source,
                             const std::array<int64_t, 3>& first) {
  Reading r{source.data, source.plane, {}, {}};
  for (std::size_t a = 0; a < 3; ++a) {
    r.base += (first[a] * axis[a].stride + axis[a].offset) * source.space[a];
    r.row[a] = axis[a].stride * source.space[a];
    r.tap[a] = axis[a].dilation * source.space[a];
  }
  return r;
}

/// Block `index` of those that `out` is divided into; `index` becomes what is left of it.
inline Block take_block(int64_t& index, const std::array<Axis, 3>& axis, const std::array<int64_t, 3>& blocks,
                        const std::array<int64_t, 3>& most) {
  Block b{};
  for (std::size_t a = 3; a-- > 0;) {
    b.first[a] = index % blocks[a] * most[a];
    b.size[a] = std::min(most[a], axis[a].out - b.first[a]);
    index /= blocks[a];
  }
  return b;
}

}  // namespace tapwise::inline TAPWISE_NAMESPACE
