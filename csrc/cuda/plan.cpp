#include "cuda/plan.hpp"

#include <algorithm>
#include <cstdlib>

#include "core/checked.hpp"
#include "cuda/sizes.hpp"

namespace tapwise::cuda {
namespace {

using std::int64_t;

// What a multiprocessor does in a clock: multiply-adds in float32, TF32 and float64, and bytes from the second-level
// cache. From NVIDIA's whitepapers of each architecture; they only have to rank the possibilities.
struct Architecture {
  int capability;
  double float32, tf32, float64, bytes;
};
constexpr Architecture kArchitectures[] = {{80, 64, 512, 32, 64},  {86, 128, 128, 2, 32},   {89, 128, 128, 2, 32},
                                           {90, 128, 640, 64, 64}, {100, 128, 640, 64, 64}, {120, 128, 128, 2, 32}};

const Architecture& architecture(int capability) {
  const Architecture* found = kArchitectures;
  for (const Architecture& a : kArchitectures)
    if (a.capability <= capability) found = &a;
  return *found;
}

// Instructions that a multiprocessor starts in a clock, times the lanes of a warp, and what our loops take of them, as
// counted in their machine code for 8.0 (the loops that tests/cuda/machine_code.py finds).
constexpr double kIssue = 128;
constexpr double kFusedInstructions = 1.2;   // for one multiply-add of the ordinary cores, with its loads
constexpr double kTensorInstructions = 250;  // of each thread to load, round and multiply a step on tensor cores
constexpr double kCopyInstructions = 30;     // to find and start one copy
constexpr double kStepInstructions = 90;     // of each thread for a step, a tile of the depth, beside those
constexpr double kTapInstructions = 14;      // of direct for one tap,
constexpr double kOutputInstructions = 8;    // and for each of its outputs
constexpr double kPixelInstructions = 100;   // of sum_pixels for one pixel
constexpr double kLaunchClocks = 4000;
constexpr int kLeastSteps = 4;                           // of a split
constexpr int64_t kMostPartialBytes = int64_t{1} << 26;  // of all splits' sums

double ceil_of(double a, double b) {
  return static_cast<double>(ceil_div(static_cast<int64_t>(a), static_cast<int64_t>(b)));
}

// The stride along the fastest digit that moves; 2^62 where none does.
int64_t fastest(const Space& space, const Map& map) {
  for (int i = 0; i < 4; ++i)
    if (space.size[i] > 1) return std::abs(map.stride[i]);
  return int64_t{1} << 62;
}

template <class T>
Along along(const Operand<const T>& o, const Space& outer, const Space& depth) {
  return fastest(outer, o.outer) < fastest(depth, o.inner) ? Along::rows : Along::depth;
}

// Whether positions that are kVector apart in the first digit are 16-byte aligned, and those between them contiguous
// and all inside or all outside.
template <class T>
bool vectors(const Operand<const T>& o, int groups, const Space& along_space, const Map& along_map,
             const Space& other_space, const Map& other_map) {
  constexpr int kVector = 16 / sizeof(T);
  const auto whole = [](int64_t n) { return n % kVector == 0; };
  bool yes = reinterpret_cast<std::uintptr_t>(o.data) % 16 == 0 && (groups == 1 || whole(o.group)) &&
             whole(along_map.start) && whole(other_map.start) && along_map.stride[0] == 1 && whole(along_space.size[0]);
  for (int i = 0; i < 4; ++i) {
    if (i > 0 && along_space.size[i] > 1) yes = yes && whole(along_map.stride[i]);
    if (other_space.size[i] > 1) yes = yes && whole(other_map.stride[i]);
  }
  return yes && (along_map.width > 0 || along_map.move[2] == 0);
}

template <class T>
bool vectors(const Operand<const T>& o, int groups, const Space& outer, const Space& depth) {
  return along(o, outer, depth) == Along::depth ? vectors(o, groups, depth, o.inner, outer, o.outer)
                                                : vectors(o, groups, outer, o.outer, depth, o.inner);
}

// The multiply-adds, copies and instructions of one tile for one step of the depth; whichever lasts longest.
template <class T>
double step_clocks(const Kernel<T>& k, const Architecture& a) {
  const double fused = 1.0 * k.rows * k.cols * k.depth, numbers = 1.0 * (k.rows + k.cols) * k.depth;
  const double rate = sizeof(T) == 8 ? a.float64 : k.tensor_cores ? a.tf32 : a.float32;
  const double math = k.tensor_cores ? kTensorInstructions * k.threads : kFusedInstructions * fused;
  const double instructions = math + kCopyInstructions * numbers / k.copy + kStepInstructions * k.threads;
  return std::max({fused / rate, numbers * sizeof(T) / a.bytes, instructions / kIssue});
}

// The blocks that the busiest multiprocessor gets, one after the other.
double turns(double blocks, const Device& device) { return ceil_of(blocks, device.multiprocessors); }

template <class T>
void add_gemms(const Pass<T>& pass, const Device& device, std::span<const Kernel<T>> kernels,
               std::vector<Choice<T>>& found) {
  const Product<T>& first = pass.products.front();
  const Along a = along(first.a, first.rows, first.depth), b = along(first.b, first.cols, first.depth);
  const Architecture& arch = architecture(device.capability);
  for (const Kernel<T>& k : kernels) {
    if (k.a != a || k.b != b || k.shared > device.shared_bytes) continue;
    double blocks = 0, depth = 0, sums = 0;
    bool able = true;
    for (const Product<T>& p : pass.products) {
      able =
          able && (k.copy == 1 || (vectors(p.a, p.groups, p.rows, p.depth) && vectors(p.b, p.groups, p.cols, p.depth) &&
                                   along(p.a, p.rows, p.depth) == a && along(p.b, p.cols, p.depth) == b));
      blocks += p.groups * ceil_of(p.rows.total, k.rows) * ceil_of(p.cols.total, k.cols);
      depth = std::max(depth, 1.0 * p.depth.total);
      sums += static_cast<double>(sums_of(p));
    }
    if (!able) continue;
    const double steps = std::max(1.0, ceil_of(depth, k.depth));
    for (int splits = 1; splits == 1 || (steps / splits >= kLeastSteps && splits <= 1024 &&
                                         sums * splits * sizeof(T) <= kMostPartialBytes);
         splits *= 2) {
      Choice<T> candidate;
      candidate.kernel = &k;
      candidate.splits = splits;
      candidate.clocks = turns(blocks * splits, device) * (ceil_of(steps, splits) + 3) * step_clocks(k, arch);
      if (splits > 1)
        candidate.clocks += kLaunchClocks + sums * (splits + 1) * sizeof(T) / arch.bytes / device.multiprocessors;
      found.push_back(candidate);
    }
  }
}

// Threads that compute few outputs of one group each; it pays where groups are narrow.
template <class T>
void add_direct(const Pass<T>& pass, const Device& device, std::vector<Choice<T>>& found) {
  Choice<T> candidate;
  candidate.method = Method::direct;
  candidate.cols = pass.products.front().cols.total == 1 ? 1 : kDirectCols;
  for (const Product<T>& p : pass.products) {
    const double threads = 1.0 * p.groups * p.rows.total * ceil_of(p.cols.total, candidate.cols);
    candidate.clocks +=
        turns(ceil_of(threads, kDirectThreads), device) * kDirectThreads *
        (p.depth.total * (kTapInstructions + kOutputInstructions * candidate.cols) + kStepInstructions) / kIssue;
  }
  found.push_back(candidate);
}

template <class T>
void add_sums(const Pass<T>& pass, const Device& device, std::vector<Choice<T>>& found) {
  const Product<T>& p = pass.products.front();
  Choice<T> candidate;
  candidate.method = Method::sum_pixels;
  // Neighbouring channels, of one group or of several.
  const int64_t next = p.rows.total > 1 ? p.a.outer.stride[0] : p.a.group;
  candidate.lanes =
      std::abs(next) <= fastest(p.depth, p.a.inner) && p.groups * int64_t{p.rows.total} > 1 ? kSumLanes : 1;
  const double blocks = ceil_of(1.0 * p.groups * p.rows.total, candidate.lanes) * p.cols.total;
  const double pixels = 1.0 * p.depth.total * candidate.lanes / kSumThreads;
  for (int splits = 1; splits == 1 || (pixels / splits >= kLeastSteps && splits <= 1024 &&
                                       sums_of(p) * splits * int64_t{sizeof(T)} <= kMostPartialBytes);
       splits *= 2) {
    candidate.clocks = turns(blocks * splits, device) * kSumThreads *
                       (ceil_of(pixels, splits) * kPixelInstructions + kStepInstructions) / kIssue;
    if (splits > 1) candidate.clocks += kLaunchClocks;
    candidate.splits = splits;
    found.push_back(candidate);
  }
}

// `stride` in the digits of a space; what the digits cannot hold is beyond its end in any case.
void set_stride(Space& space, int stride) {
  space.stride = stride;
  const Counter c = Counter::at(space, stride);
  std::copy(c.digit, c.digit + 4, space.step);
}

template <class T>
std::span<const Kernel<T>> kernels_of(bool tensor_cores) {
  if constexpr (sizeof(T) == 8)
    return tensor_cores ? std::span<const Kernel<T>>{} : double_kernels();
  else
    return tensor_cores ? tf32_kernels() : float_kernels();
}

}  // namespace

template <class T>
std::vector<Choice<T>> possibilities(const Pass<T>& pass, const Device& device, bool tf32) {
  std::vector<Choice<T>> found;
  if (pass.products.empty()) return found;
  if (pass.direction != Direction::backward_bias) {
    add_gemms(pass, device, kernels_of<T>(false), found);
    if (tf32) add_gemms(pass, device, kernels_of<T>(true), found);
  }
  if (pass.direction == Direction::forward || pass.direction == Direction::backward_data)
    add_direct(pass, device, found);
  else
    add_sums(pass, device, found);
  return found;
}

template <class T>
Plan<T> plan(Pass<T> pass, const Choice<T>& choice) {
  Plan<T> plan{std::move(pass), choice, 0};
  const int stride = choice.method == Method::implicit_gemm ? choice.kernel->depth : kSumThreads / choice.lanes;
  for (Product<T>& p : plan.pass.products) {
    set_stride(p.depth, stride);
    p.splits = choice.splits;
    p.split_depth = static_cast<int>(round_up(ceil_div(p.depth.total, choice.splits), stride));
    if (p.splits > 1) plan.workspace_bytes += sums_of(p) * p.splits * int64_t{sizeof(T)};
  }
  return plan;
}

template <class T>
Plan<T> plan(Pass<T> pass, const Device& device, bool tf32) {
  const std::vector<Choice<T>> found = possibilities(pass, device, tf32);
  if (found.empty()) return {std::move(pass), {}, 0};
  const auto faster = [](const Choice<T>& a, const Choice<T>& b) { return a.clocks < b.clocks; };
  return plan(std::move(pass), *std::min_element(found.begin(), found.end(), faster));
}

template std::vector<Choice<float>> possibilities(const Pass<float>&, const Device&, bool);
template std::vector<Choice<double>> possibilities(const Pass<double>&, const Device&, bool);
template Plan<float> plan(Pass<float>, const Choice<float>&);
template Plan<double> plan(Pass<double>, const Choice<double>&);
template Plan<float> plan(Pass<float>, const Device&, bool);
template Plan<double> plan(Pass<double>, const Device&, bool);

}  // namespace tapwise::cuda
