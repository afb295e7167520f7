#include "overlap.hpp"

#include <algorithm>
#include <numeric>

#include "checked.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {
inline namespace TAPWISE_PRIVATE {
// A byte that both views have solves
//   a.low + sum of |stride| * i + byte  =  b.low + sum of |stride| * j + byte
// with i, j within the shapes. With j counted from the other end all coefficients are positive, which leaves one
// bounded linear equation: sum of step * x = total, 0 <= x <= most.
struct Term {
  std::int64_t step, most;
};

constexpr int kMostTerms = 32;
constexpr int kMostSteps = 20'000;

struct Equation {
  Term term[kMostTerms];
  int count = 0;
  std::int64_t reach[kMostTerms + 1] = {}, divisor[kMostTerms + 1] = {};  // of terms from here on
  int steps = 0;

  // Equal steps are one term.
  bool add(std::int64_t step, std::int64_t most) noexcept {
    if (most == 0 || step == 0) return true;
    for (int i = 0; i < count; ++i)
      if (term[i].step == step) return term[i].most += most, true;
    if (count == kMostTerms) return false;
    term[count++] = {step, most};
    return true;
  }

  void prepare() noexcept {
    std::sort(term, term + count, [](const Term& a, const Term& b) { return a.step > b.step; });
    for (int i = count; i-- > 0;) {
      reach[i] = reach[i + 1] + term[i].step * term[i].most;
      divisor[i] = std::gcd(divisor[i + 1], term[i].step);
    }
  }

  // Largest steps first: what the smaller ones can reach leaves few choices, one or two in slices of one array.
  bool solvable(std::int64_t total, int i = 0) noexcept {
    if (total == 0) return true;
    if (total < 0 || total > reach[i] || total % divisor[i] != 0) return false;
    if (++steps > kMostSteps) return true;
    const std::int64_t last = std::min(term[i].most, total / term[i].step);
    const std::int64_t first = std::max<std::int64_t>(0, ceil_div(total - reach[i + 1], term[i].step));
    for (std::int64_t x = first; x <= last; ++x)
      if (solvable(total - x * term[i].step, i + 1)) return true;
    return false;
  }
};

struct Extent {
  std::intptr_t low, high;  // the first byte and the one after the last
};

inline bool empty(const MemoryView& v) noexcept {
  return v.data == nullptr || std::find(v.shape.begin(), v.shape.end(), 0) != v.shape.end();
}

inline Extent extent_of(const MemoryView& v) noexcept {
  Extent e{reinterpret_cast<std::intptr_t>(v.data), reinterpret_cast<std::intptr_t>(v.data) + v.element_bytes};
  for (std::size_t a = 0; a < v.shape.size(); ++a) {
    const std::int64_t reach = v.shape[a] > 1 ? (v.shape[a] - 1) * v.stride[a] : 0;
    (reach < 0 ? e.low : e.high) += reach;
  }
  return e;
}

}  // namespace TAPWISE_PRIVATE

bool share_memory(const MemoryView& a, const MemoryView& b) noexcept {
  if (empty(a) || empty(b)) return false;
  const Extent of_a = extent_of(a), of_b = extent_of(b);
  if (of_a.low >= of_b.high || of_b.low >= of_a.high) return false;
  Equation equation;
  for (const MemoryView* v : {&a, &b}) {
    for (std::size_t axis = 0; axis < v->shape.size(); ++axis) {
      const std::int64_t stride = v->stride[axis];
      if (v->shape[axis] > 1 && !equation.add(stride < 0 ? -stride : stride, v->shape[axis] - 1)) return true;
    }
    if (!equation.add(1, v->element_bytes - 1)) return true;
  }
  equation.prepare();
  return equation.solvable(of_b.high - 1 - of_a.low);
}

Status check_apart(const char* result, const MemoryView& a, const char* operand, const MemoryView& b) noexcept {
  if (!share_memory(a, b)) return {};
  return Status::error(Code::invalid_argument, "%s shares memory with %s", result, operand);
}

}  // namespace tapwise::inline TAPWISE_NAMESPACE
