// What an instruction set offers to the core: plain structs of arguments and one table of function pointers.
// This is the only header that both sides of the dispatch see. All strides and offsets are in bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tapwise/config.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE::kernels {

using std::byte;
using std::int64_t;

inline constexpr int kMaxRows = 14;  // of a register tile

/// Steps of a sum that follow each other at a fixed distance in both operands. Only rows [first_row, last_row) of the
/// tile take part: the others would meet padding, or have no such tap.
struct Run {
  int64_t a, b, steps;
  int first_row = 0, last_row = kMaxRows;
};

/// One register tile: acc[i][j] = sum over runs r, steps t of A[i] * B[j], then stored to c.
///
///   broadcast  A[i] is the number at a + r.a + t * a_step + i * a_row, copied to all lanes
///   wide       A[i] is the vector there, and the next for the next j: every lane has a number of its own
///   dot        A[i] is the vector there for all j; the lanes lie along the summed axis, t advances by a whole vector,
///              steps counts numbers, and c gets the sum of the lanes
///   always     B[j] is the vector at b + r.b + t * b_step + j * b_vector
template <class T>
struct Tile {
  const byte* a;
  const byte* b;
  int64_t a_row, a_step;
  int64_t b_vector, b_step;
  const Run* runs;
  int64_t run_count;

  const byte* ahead;  // null, or what later tiles read: each step asks for two lines, ahead_step after those before;
  int64_t ahead_step, ahead_run;  // each run begins ahead_run after the one before
  int64_t store_ahead;            // how far beyond c the lines are that the tile asks for before it writes there

  byte* c;
  int64_t c_row, c_lane;  // dot: c_lane is the distance between vectors j
  int lanes;              // valid lanes, at most vectors * Vec::size (dot: valid vectors)
  const T* bias;          // null, or per lane (padded to whole vectors), or per row
  bool bias_per_row;
  bool accumulate;  // c += instead of c =
  bool relu;        // applied last
};

/// cols numbers of each of rows rows, from anywhere to dense rows of dst; zeros up to cols_padded.
struct Copy {
  byte* dst;
  int64_t dst_row;
  const byte* src;
  int64_t src_row, src_col;
  int64_t rows, cols, cols_padded;
  int64_t group = 0, dst_group = 0;  // if group > 0, every `group` rows begin dst_group further on in dst
  bool accumulate = false;           // dst += instead of dst =
};

/// Sums of a matrix along one of its axes, to dense numbers of dst; see reduce-inl.hpp.
struct Sum {
  byte* dst;
  const byte* src;
  int64_t src_col, src_row;
  int64_t cols, rows;
  bool accumulate;
};

/// n numbers of up to three operands, each with its own step.
struct Map {
  byte* dst;
  const byte* a;
  const byte* b;
  int64_t dst_step, a_step, b_step;
  int64_t count;
};

/// A run of outputs whose windows meet the same taps: output i's tap k is the number at src + i * src_step + taps[k].
struct Window {
  byte* dst;
  int64_t dst_step;
  const byte* src;
  int64_t src_step;
  const int64_t* taps;
  int tap_count;
  bool more;  // dst holds what earlier taps gave
  int64_t count;

  double divisor;  // of a mean

  byte* winners;  // null, or where the index of the first largest goes: first_index + i * index_step + tap_index[k]
  int64_t winners_step;
  const int64_t* tap_index;
  int64_t first_index, index_step;
  bool far;  // some tap_index may not fit into 31 bits
};

/// The reverse of a mean: src[i] / divisor, added to all numbers of output i's window in dst.
struct Share {
  byte* dst;
  const byte* src;
  int64_t dst_step, src_step;
  const int64_t* taps;
  int tap_count;
  int64_t count;
  double divisor;
};

enum class Operand { broadcast, wide, dot };
inline constexpr int kOperands = 3;
inline constexpr int kVectorCounts = 3;  // 1, 2 or 4 vectors wide

template <class T>
struct Kernels {
  int lanes;                    // numbers in a vector
  int max_rows[kVectorCounts];  // rows that the register file holds beside 1, 2, 4 vectors
  void (*tile[kOperands][kVectorCounts][kMaxRows])(const Tile<T>&);  // [..][log2(vectors)][rows - 1]
  void (*copy)(const Copy&);
  void (*add_rows)(const Sum&);            // dst[col] (+)= sum over rows, cols dense
  void (*add_columns)(const Sum&);         // dst[row] (+)= sum over cols, cols dense
  void (*relu)(const Map&);                // dst = max(0, a)
  void (*relu_grad)(const Map&);           // dst = b <= 0 ? 0 : a
  void (*max_window)(const Window&);       // dst = the largest of its window, NaN above all
  void (*mean_window)(const Window&);      // dst = the sum of its window / divisor
  void (*add_shares)(const Share&);        // dst += src / divisor, at each tap
  void (*triad)(const Map&);               // dst = a + b / 2, to measure bandwidth
  double (*fma_loop)(int64_t iterations);  // returns the operations done
};

struct IsaTable {
  const char* name;
  int vector_bytes;
  Kernels<float> f32;
  Kernels<double> f64;
};

}  // namespace tapwise::inline TAPWISE_NAMESPACE::kernels
