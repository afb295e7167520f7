#include "check.hpp"

#include <algorithm>
#include <cinttypes>

#include "checked.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {
inline namespace TAPWISE_PRIVATE {
constexpr std::int64_t kMostReach = std::int64_t{1} << 61;

inline std::int64_t magnitude(std::int64_t stride) noexcept { return stride < 0 ? -stride : stride; }

}  // namespace TAPWISE_PRIVATE

bool overlaps_itself(std::span<const std::int64_t> shape, std::span<const std::int64_t> stride,
                     std::int64_t element_bytes) noexcept {
  for (const std::int64_t size : shape)
    if (size == 0) return false;
  // Axes from the smallest stride on: each must step over all that those before it cover.
  std::int64_t extent = element_bytes;
  std::int64_t last = -1;
  for (;;) {
    std::int64_t next = -1;
    for (std::size_t a = 0; a < shape.size(); ++a)
      if (shape[a] > 1 && magnitude(stride[a]) > last && (next < 0 || magnitude(stride[a]) < next))
        next = magnitude(stride[a]);
    if (next < 0) return false;
    last = next;
    for (std::size_t a = 0; a < shape.size(); ++a) {
      if (shape[a] <= 1 || magnitude(stride[a]) != next) continue;
      if (next < extent) return true;
      extent += (shape[a] - 1) * next;
    }
  }
}

Status check_view(const char* operand, const void* data, std::span<const std::int64_t> shape,
                  std::span<const std::int64_t> stride, std::span<const std::int64_t> expected,
                  std::int64_t element_bytes, Use use) noexcept {
  if (shape.size() != expected.size() || stride.size() != expected.size())
    return Status::error(Code::invalid_argument, "%s: there must be %zu sizes and strides", operand, expected.size());
  bool empty = false;
  for (std::size_t a = 0; a < shape.size(); ++a) {
    if (shape[a] != expected[a])
      return Status::error(Code::invalid_argument, "%s: size along axis %zu must be %" PRId64 ", got %" PRId64, operand,
                           a, expected[a], shape[a]);
    empty = empty || shape[a] == 0;
  }
  if (empty) return {};
  if (use != Use::describe && data == nullptr)
    return Status::error(Code::invalid_argument, "%s: data is null", operand);
  std::int64_t reach = 0;
  for (std::size_t a = 0; a < shape.size(); ++a) {
    if (shape[a] <= 1) continue;
    const bool far = stride[a] == INT64_MIN;
    const Checked step = Checked{shape[a]} * (far ? 0 : magnitude(stride[a])) + reach;
    if (far || step.overflowed || step.value > kMostReach)
      return Status::error(Code::overflow, "%s: the stride along axis %zu, %" PRId64 ", reaches too far", operand, a,
                           stride[a]);
    reach = step.value;
  }
  if (use == Use::write && overlaps_itself(shape, stride, element_bytes))
    return Status::error(Code::invalid_argument, "%s: two of its positions share memory", operand);
  return {};
}

}  // namespace tapwise::inline TAPWISE_NAMESPACE
