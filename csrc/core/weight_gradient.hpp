// Gradient by the weights: plan, run the pieces of work, add up their partial sums.
#pragma once

#include "core/band.hpp"
#include "core/correlation.hpp"
#include "core/lanes.hpp"
#include "kernels/table.hpp"

namespace tapwise {

/// Decided from shapes and strides alone, never from the number of threads: see CorrelatePlan.
///
/// The sums of a block of output channels x a block of input channels x all taps are kept in a small buffer, in
/// which a pass over the pixels accumulates tile by tile. Where there are too few such blocks to share out, the pixels
/// are divided into chunks too, each with buffers of its own, which are added in the order of the chunks.
struct WeightGradientPlan {
  Lanes lanes = Lanes::channels;
  kernels::Operand operand = kernels::Operand::broadcast;
  int vectors = 1;
  int64_t rows = 1;
  int64_t width = 1;           // numbers of a buffer row: lanes of a tile, or 1 where they are summed
  int64_t panel_channels = 1;  // output channels that share a buffer row

  int64_t units = 1, unit_groups = 1;
  int64_t panels = 1, panels_per_item = 1, o_blocks = 1;
  int64_t c_block = 1, c_blocks = 1;
  std::array<int64_t, 3> block{1, 1, 1}, blocks{1, 1, 1};
  int64_t chunks = 1;

  BandLayout src_band, dst_band;
  bool src_in_place = false, dst_in_place = false;
  int64_t buffer_numbers = 0;

  int64_t buffers() const { return units * o_blocks * c_blocks; }
  int64_t items() const { return buffers() * chunks; }
  int64_t sum_numbers() const { return buffers() * chunks * buffer_numbers; }
  int64_t scratch_bytes() const;
};

template <class T>
WeightGradientPlan plan_weight_gradient(const Correlation& c, const kernels::Kernels<T>& k);

/// c.dst is diff_dst; c.weights is not touched. `sums` holds plan.sum_numbers().
template <class T>
void run_weight_gradient_item(const Correlation& c, const WeightGradientPlan& plan, const kernels::Kernels<T>& k,
                              int64_t item, T* sums, byte* scratch);

/// Adds up the chunks of one buffer and stores it to diff_weights (c.weights).
template <class T>
void store_weight_gradient(const Correlation& c, const WeightGradientPlan& plan, int64_t buffer, bool accumulate,
                           const T* sums);

}  // namespace tapwise
