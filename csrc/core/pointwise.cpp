// Functions of every number on its own.
#include "call.hpp"
#include "check.hpp"
#include "checked.hpp"
#include "dispatch.hpp"
#include "overlap.hpp"
#include "tapwise/layers.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {
inline namespace TAPWISE_PRIVATE {
using kernels::byte;
using kernels::int64_t;
using kernels::Map;

// A nest of loops over up to three operands, axes that lie in memory as one merged. The last is the longest run.
struct Nest {
  std::vector<int64_t> size;
  std::vector<std::array<int64_t, 3>> step;  // dst, a, b

  Nest(const std::vector<int64_t>& shape, const std::array<const std::vector<int64_t>*, 3>& strides) {
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      if (shape[axis] == 1) continue;
      std::array<int64_t, 3> s{};
      bool mergeable = !size.empty();
      for (std::size_t i = 0; i < 3; ++i) {
        if (strides[i] != nullptr) s[i] = (*strides[i])[axis];
        if (mergeable && step.back()[i] != s[i] * shape[axis]) mergeable = false;
      }
      if (mergeable) {
        size.back() *= shape[axis];
        step.back() = s;
      } else {
        size.push_back(shape[axis]);
        step.push_back(s);
      }
    }
    if (size.empty()) size.push_back(1), step.push_back({});
  }
};

// Numbers of a run that one piece of work handles at least.
constexpr int64_t kPiece = 16384;

// What a number costs, in operations of a call that says how many it is worth a team for: mostly its way from memory.
constexpr double kNumberWork = 40;

template <class T>
void run_map(const Nest& nest, byte* dst, const byte* a, const byte* b, void (*function)(const Map&),
             const Options& options) {
  const std::size_t last = nest.size.size() - 1;
  int64_t runs = 1;
  for (std::size_t axis = 0; axis < last; ++axis) runs *= nest.size[axis];
  const double numbers = static_cast<double>(runs) * static_cast<double>(nest.size[last]);
  const int threads = threads_for(options, kNumberWork * numbers, runs * ceil_div(nest.size[last], kPiece));
  // A single run is divided among the threads: what lies together stays with one of them.
  const int64_t length = runs > threads ? kPiece : std::max(kPiece, round_up(ceil_div(nest.size[last], threads), 64));
  const int64_t pieces = ceil_div(nest.size[last], length);
  parallel_for(options.parallel, runs * pieces, threads, [&](int64_t item, int) {
    const int64_t first = item % pieces * length;
    const auto& step = nest.step[last];
    std::array<int64_t, 3> offset{first * step[0], first * step[1], first * step[2]};
    item /= pieces;
    for (std::size_t axis = last; axis-- > 0;) {
      for (std::size_t i = 0; i < 3; ++i) offset[i] += item % nest.size[axis] * nest.step[axis][i];
      item /= nest.size[axis];
    }
    function({dst + offset[0], a + offset[1], b == nullptr ? nullptr : b + offset[2], step[0], step[1], step[2],
              std::min(length, nest.size[last] - first)});
  });
}

template <class T>
const byte* bytes(const AnyView<const T>& view) {
  return reinterpret_cast<const byte*>(view.data);
}

inline Status check_shape(const std::vector<int64_t>& shape) {
  Checked bytes{8};
  for (const int64_t size : shape) {
    if (size < 0) return Status::error(Code::invalid_argument, "shape: a size is negative");
    bytes = bytes * std::max<int64_t>(size, 1);
  }
  if (bytes.overflowed || bytes.value > kMostBytes)
    return Status::error(Code::overflow, "shape is too large: its bytes are more than 2^52");
  return {};
}

template <class T>
Status check_any(const char* operand, const AnyView<T>& view, const std::vector<int64_t>& shape, Use use) {
  return check_view(operand, view.data, shape, view.stride, shape, sizeof(T), use);
}

// In place is fine; anything else that two views share would be overwritten before it is read.
template <class T>
Status check_in_place_or_apart(const char* result, const AnyView<T>& a, const char* operand, const AnyView<const T>& b,
                               const std::vector<int64_t>& shape) {
  if (a.data == b.data && a.stride == b.stride) return {};
  return check_apart(result, {a.data, shape, a.stride, sizeof(T)}, operand, {b.data, shape, b.stride, sizeof(T)});
}

inline bool empty(const std::vector<int64_t>& shape) { return std::find(shape.begin(), shape.end(), 0) != shape.end(); }

}  // namespace TAPWISE_PRIVATE

template <class T>
Status relu(const std::vector<int64_t>& shape, const AnyView<const T>& src, const AnyView<T>& dst,
            const Options& options) {
  if (Status s = check_shape(shape); !s) return s;
  if (Status s = check_any("src", src, shape, Use::read); !s) return s;
  if (Status s = check_any("dst", dst, shape, Use::write); !s) return s;
  if (Status s = check_in_place_or_apart("dst", dst, "src", src, shape); !s) return s;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr || empty(shape)) return status;
  return guarded([&]() -> Status {
    run_map<T>(Nest(shape, {&dst.stride, &src.stride, nullptr}), reinterpret_cast<byte*>(dst.data), bytes(src), nullptr,
               kernels_of<T>(*table).relu, options);
    return {};
  });
}

template <class T>
Status relu_backward(const std::vector<int64_t>& shape, const AnyView<const T>& diff_dst, const AnyView<const T>& src,
                     const AnyView<T>& diff_src, const Options& options) {
  if (Status s = check_shape(shape); !s) return s;
  if (Status s = check_any("diff_dst", diff_dst, shape, Use::read); !s) return s;
  if (Status s = check_any("src", src, shape, Use::read); !s) return s;
  if (Status s = check_any("diff_src", diff_src, shape, Use::write); !s) return s;
  if (Status s = check_in_place_or_apart("diff_src", diff_src, "diff_dst", diff_dst, shape); !s) return s;
  if (Status s = check_in_place_or_apart("diff_src", diff_src, "src", src, shape); !s) return s;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr || empty(shape)) return status;
  return guarded([&]() -> Status {
    run_map<T>(Nest(shape, {&diff_src.stride, &diff_dst.stride, &src.stride}), reinterpret_cast<byte*>(diff_src.data),
               bytes(diff_dst), bytes(src), kernels_of<T>(*table).relu_grad, options);
    return {};
  });
}

#if !defined(TAPWISE_HEADER_ONLY)
#define TAPWISE_INSTANTIATE(T)                                                                                      \
  template Status relu<T>(const std::vector<int64_t>&, const AnyView<const T>&, const AnyView<T>&, const Options&); \
  template Status relu_backward<T>(const std::vector<int64_t>&, const AnyView<const T>&, const AnyView<const T>&,   \
                                   const AnyView<T>&, const Options&);
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE
#endif

}  // namespace tapwise::inline TAPWISE_NAMESPACE
