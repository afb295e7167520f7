// Gradient by the weights: plan, run the pieces of work, add up their partial sums.
#pragma once

#include "../kernels/table.hpp"
#include "band.hpp"
#include "correlation.hpp"
#include "lanes.hpp"
#include "tapwise/operations.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

/// Decided from shapes and strides alone, never from the number of threads: see CorrelatePlan.
///
/// The sums of a block of output channels x a block of input channels x all taps are kept in a small buffer, in
/// which a pass over the pixels accumulates tile by tile. Where there are too few such blocks to share out, the pixels
/// are divided into chunks too, each with buffers of its own, which are added in the order of the chunks.
struct WeightGradientPlan {
  /// What the rows of a tile run over: input channels, taps of a row, or both, as they lie in a band of few channels.
  enum class Rows { channels, taps, taps_and_channels };

  LaneSpeed lane_speed;
  Lanes lanes = Lanes::channels;
  kernels::Operand operand = kernels::Operand::broadcast;
  Rows rows_over = Rows::channels;
  int vectors = 1;
  int64_t rows = 1;
  int64_t width = 1;           // numbers of a buffer row: lanes of a tile, or 1 where they are summed
  int64_t panel_channels = 1;  // output channels that share a buffer row

  int64_t units = 1, unit_groups = 1;  // of groups: one, a vector of them, or all
  int64_t panels = 1, panels_per_item = 1, o_blocks = 1;
  int64_t c_block = 1, c_blocks = 1;
  int64_t images = 1, image_blocks = 1;  // of a block
  std::array<int64_t, 3> block{1, 1, 1}, blocks{1, 1, 1};
  int64_t chunks = 1;

  BandLayout src_band, dst_band;  // of one image
  bool src_in_place = false, dst_in_place = false;
  bool through = false;  // diff_dst comes through a ReLU
  int64_t runs_per_row = 1;
  int64_t buffer_numbers = 0;

  int64_t buffers() const { return units * o_blocks * c_blocks; }
  int64_t items() const { return buffers() * chunks; }
  int64_t dst_bytes() const { return band_room(images * dst_band.bytes, through); }
  int64_t bands() const { return image_blocks * blocks[0] * blocks[1] * blocks[2]; }
  int64_t runs() const { return images * block[0] * block[1] * runs_per_row; }
  /// Shared by all threads; sums of a single chunk stay with the thread, which stores them at once.
  int64_t sum_numbers() const { return chunks == 1 ? 0 : capped_product(buffers(), chunks, buffer_numbers); }
  TAPWISE_FUNCTION int64_t scratch_bytes(int64_t element_bytes) const;
  TAPWISE_FUNCTION int64_t workspace_bytes(int threads, int64_t element_bytes) const;

  /// The row of a buffer's panel that has the sums of an input channel and a tap.
  int64_t buffer_row(int64_t channel, int64_t tap, int64_t taps) const {
    return rows_over == Rows::taps_and_channels ? tap * c_block + channel : channel * taps + tap;
  }
};

/// diff_dst is read position by position: an axis with one tap.
inline std::array<Axis, 3> dst_axes(const Correlation& c) {
  std::array<Axis, 3> axis;
  for (std::size_t a = 0; a < 3; ++a) axis[a] = Axis{.out = c.axis[a].out, .in = c.axis[a].out};
  return axis;
}

/// Decides, from shapes and strides alone.
template <class T>
WeightGradientPlan plan_weight_gradient(const Correlation& c, const kernels::Kernels<T>& k);

/// Plans and runs. c.dst is diff_dst, c.weights is diff_weights.
template <class T>
Status run_weight_gradient(const Correlation& c, const kernels::Kernels<T>& k, const Options& options);

}  // namespace tapwise::inline TAPWISE_NAMESPACE
