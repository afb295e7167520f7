// The runs of a register tile: which taps meet input, and for which rows of the tile. What would meet padding is left
// out rather than multiplied by zero.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "../kernels/table.hpp"
#include "band.hpp"
#include "correlation.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

/// The taps of one axis that meet input at output q.
inline Range taps_inside(const Axis& axis, int64_t q) {
  return range_inside(axis.index(q, 0), axis.dilation, axis.taps, axis.in);
}

/// The order in which the packed weights hold the steps of a sum, and the runs that walk it:
/// [tap][channel], or [channel][tap].
struct Steps {
  int64_t channels, taps[3];
  bool over_taps;

  /// The position in that order.
  int64_t index(int64_t c, int64_t d, int64_t h, int64_t w) const {
    return over_taps ? ((c * taps[0] + d) * taps[1] + h) * taps[2] + w
                     : ((d * taps[1] + h) * taps[2] + w) * channels + c;
  }
};

/// Taps [tap, tap + count) of a row meet input in rows [first_row, last_row) of a tile.
struct ColumnRun {
  int64_t tap, count;
  int first_row, last_row;
};

/// Makes the runs of one tile after the other, in a list of bounded length. A tile that needs more takes several
/// pieces, each of which adds to what the ones before it stored.
class TapRuns {
 public:
  static constexpr int64_t kRuns = 512, kTapsAtOnce = 256;
  static constexpr int64_t kBytes = kRuns * int64_t{sizeof(kernels::Run)} + kTapsAtOnce * int64_t{sizeof(ColumnRun)};

  /// `step_bytes`: of the packed weights. `weights_first`: the weights are operand A of the kernel. `skip_columns`:
  /// padding along the last axis is left out, too; otherwise (pixels in the lanes) it is read, as zeros.
  TapRuns(const Correlation& correlation, const Steps& order, const Reading& from, int64_t step_bytes,
          bool weights_first, bool skip_columns, std::byte* room)
      : c(correlation),
        steps(order),
        reading(from),
        step(step_bytes),
        swap(weights_first),
        skip(skip_columns),
        runs(reinterpret_cast<kernels::Run*>(room)),
        columns(reinterpret_cast<ColumnRun*>(room + kRuns * int64_t{sizeof(kernels::Run)})),
        joined(steps.over_taps || reading.tap[2] == steps.channels * reading.channel) {}

  /// The tiles that follow are in rows [h, h + rows) of plane d of the outputs: all taps that any of them meets.
  void enter_rows(int64_t d, int64_t h, int64_t rows = 1) {
    wanted.d = taps_inside(c.axis[0], d);
    wanted.h = {taps_inside(c.axis[1], h + rows - 1).first, taps_inside(c.axis[1], h).last};
  }

  /// body(runs, count, first, last) for each piece of the tile whose first output in the row is w.
  template <class Body>
  void for_each_piece(int64_t w, int64_t rows, Body&& body) {
    const bool whole = !skip || interior(w, rows);
    wanted.w = whole ? -1 : w;
    wanted.rows = whole ? -1 : rows;
    if (made_count > 0 && wanted == made) return body(runs, made_count, true, true);
    made_count = 0;
    int64_t count = 0;
    bool first = true;
    for (int64_t tap = 0; tap < c.axis[2].taps; tap += kTapsAtOnce) {
      const int64_t taps = std::min(kTapsAtOnce, c.axis[2].taps - tap);
      const int64_t column_count = whole ? all_columns(tap, taps) : some_columns(tap, taps, w, rows);
      for (int64_t ch = 0; ch < (steps.over_taps ? steps.channels : 1); ++ch) {
        for (int64_t kd = wanted.d.first; kd < wanted.d.last; ++kd) {
          for (int64_t kh = wanted.h.first; kh < wanted.h.last; ++kh) {
            const int64_t a = ch * reading.channel + kd * reading.tap[0] + kh * reading.tap[1];
            for (int64_t i = 0; i < column_count; ++i) {
              if (count == kRuns) {
                body(runs, count, first, false);
                first = false;
                count = 0;
              }
              const ColumnRun& column = columns[i];
              const int64_t activations = a + column.tap * reading.tap[2];
              const int64_t weights = steps.index(ch, kd, kh, column.tap) * step;
              runs[count++] = {swap ? weights : activations, swap ? activations : weights,
                               steps.over_taps ? column.count : column.count * steps.channels, column.first_row,
                               column.last_row};
            }
          }
        }
      }
    }
    body(runs, count, first, true);
    if (first) {
      made = wanted;
      made_count = count;
    }
  }

 private:
  struct Key {
    Range d, h;
    int64_t w = -1, rows = -1;  // if only some of the rows meet all taps
    bool operator==(const Key&) const = default;
  };

  bool interior(int64_t w, int64_t rows) const {
    const Axis& axis = c.axis[2];
    return axis.index(w, 0) >= 0 && axis.index(w + rows - 1, axis.taps - 1) < axis.in;
  }

  int64_t all_columns(int64_t tap, int64_t taps) {
    if (joined) {
      columns[0] = {tap, taps, 0, kernels::kMaxRows};
      return 1;
    }
    for (int64_t i = 0; i < taps; ++i) columns[i] = {tap + i, 1, 0, kernels::kMaxRows};
    return taps;
  }

  int64_t some_columns(int64_t tap, int64_t taps, int64_t w, int64_t rows) {
    int64_t count = 0;
    for (int64_t k = tap; k < tap + taps; ++k) {
      const Range r = range_inside(c.axis[2].index(w, k), c.axis[2].stride, rows, c.axis[2].in);
      if (r.size() == 0) continue;
      const int first = static_cast<int>(r.first), last = r.last == rows ? kernels::kMaxRows : static_cast<int>(r.last);
      ColumnRun* const before = count > 0 ? &columns[count - 1] : nullptr;
      if (joined && before != nullptr && before->tap + before->count == k && before->first_row == first &&
          before->last_row == last) {
        ++before->count;
      } else {
        columns[count++] = {k, 1, first, last};
      }
    }
    return count;
  }

  const Correlation& c;
  const Steps steps;
  const Reading reading;
  const int64_t step;
  const bool swap, skip;
  kernels::Run* const runs;
  ColumnRun* const columns;
  const bool joined;
  Key made, wanted;
  int64_t made_count = 0;
};

}  // namespace tapwise::inline TAPWISE_NAMESPACE
