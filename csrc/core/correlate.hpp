// Forward pass and input gradient: plan, pack the weights, run.
#pragma once

#include "../kernels/table.hpp"
#include "band.hpp"
#include "correlation.hpp"
#include "lanes.hpp"
#include "taps.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {

/// Everything that is decided before a correlation runs. Decided from shapes and strides alone, never from the number
/// of threads, so that the order of every sum, and so every bit, is the same for any.
struct CorrelatePlan {
  LaneSpeed lane_speed;
  Lanes lanes = Lanes::channels;
  kernels::Operand operand = kernels::Operand::broadcast;
  int vectors = 1;  // the register tile is rows x vectors
  int64_t rows = 1;
  int64_t width = 1;  // numbers that the packed weights hold for one step of the sum

  // Work is divided into units (groups, blocks of groups, or all groups), panels of output channels (of some groups)
  // within a unit, and pieces: blocks of output positions of one image. The sum over input channels is taken c_block
  // channels at a time.
  int64_t units = 1, panels = 1;
  int64_t unit_groups = 1;
  int64_t c_block = 1, c_blocks = 1;
  std::array<int64_t, 3> block{1, 1, 1}, blocks{1, 1, 1};
  int64_t panels_per_item = 1, panel_chunks = 1;
  int64_t pieces_per_item = 1;
  bool panels_inside = false;  // all panels of a tile, then the next tile; else all tiles of a panel

  BandLayout band;
  bool in_place = false;       // activations are read where they lie, not from a band
  bool through = false;        // src is a gradient that comes through a ReLU
  bool padding_read = false;   // padding is read as zeros, so that weights must be finite; else it is left out
  bool sum_over_taps = false;  // the inner loop runs over the taps of a row instead of channels
  bool pack_in_item = false;   // each item packs its one panel of weights for itself
  int64_t panel_numbers = 0;   // bias, then the weights of all channel blocks

  /// Pixels in the lanes and a single output channel: the rows of a tile are rows of the outputs.
  bool rows_of_pixels() const { return lanes == Lanes::pixels && operand == kernels::Operand::wide; }
  int64_t pieces(const Correlation& c) const { return c.batch * blocks[0] * blocks[1] * blocks[2]; }
  int64_t items(const Correlation& c) const { return units * panel_chunks * ceil_div(pieces(c), pieces_per_item); }
  int64_t packed_numbers() const { return capped_product(units, panels, panel_numbers); }
  TAPWISE_FUNCTION int64_t band_bytes() const;
  TAPWISE_FUNCTION int64_t scratch_bytes(int64_t element_bytes) const;
};

/// The order of the packed weights of one block of input channels.
inline Steps steps_of(const Correlation& c, const CorrelatePlan& p, int64_t c_block) {
  const int64_t channels = std::min(p.c_block, c.in_channels - c_block * p.c_block);
  return {channels, {c.axis[0].taps, c.axis[1].taps, c.axis[2].taps}, p.sum_over_taps};
}

/// `packed_as`, if any, is the plan of weights that are packed already: what concerns their order is taken from it, so
/// that activations with other strides than those planned for meet the same packed weights. `phases`: this is the
/// largest of several, which take turns with each piece. `finite`: no weight is NaN or infinite; else padding is left
/// out of every sum.
template <class T>
CorrelatePlan plan_correlate(const Correlation& c, const kernels::Kernels<T>& k,
                             const CorrelatePlan* packed_as = nullptr, bool phases = false, bool finite = true);

/// The plan for weights of which `finite()` says whether all are finite; asked only if it matters.
template <class T, class Finite>
CorrelatePlan plan_for(const Correlation& c, const kernels::Kernels<T>& k, Finite&& finite, bool phases = false) {
  const CorrelatePlan plan = plan_correlate(c, k, nullptr, phases);
  return !plan.padding_read || finite() ? plan : plan_correlate(c, k, nullptr, phases, false);
}

/// The plan of one phase of several, given that of the largest: the same division of the work, so that piece i of each
/// phase lies among the outputs of piece i of the others.
template <class T>
CorrelatePlan plan_phase(const Correlation& phase, const CorrelatePlan& largest);

/// What an item of one piece writes to: channels of one image, in a block of positions.
struct ItemOutputs {
  int64_t image, first_channel, channels;
  Block block;
};
TAPWISE_FUNCTION ItemOutputs outputs_of(const Correlation& c, const CorrelatePlan& plan, int64_t item);

/// Packs panel `panel` of unit `unit`.
template <class T>
void pack_panel(const Correlation& c, const CorrelatePlan& plan, const kernels::Kernels<T>& k, int64_t unit,
                int64_t panel, Bias<T> bias, T* packed);

struct StoreOptions {
  bool bias = false, relu = false, accumulate = false;
};

/// Computes one item. `packed`: all panels, or null if the item is to pack its own. `scratch` is the calling thread's
/// own.
template <class T>
void run_correlate_item(const Correlation& c, const CorrelatePlan& plan, const kernels::Kernels<T>& k, int64_t item,
                        const T* packed, Bias<T> bias, StoreOptions options, byte* scratch);

}  // namespace tapwise::inline TAPWISE_NAMESPACE
