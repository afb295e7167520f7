// Max pooling, and its gradient by the winners: those that the forward pass gave, or found again.
#include <algorithm>
#include <atomic>

#include "dispatch.hpp"
#include "pool_check.hpp"
#include "pool_zero.hpp"
#include "tapwise/layers.hpp"
#include "unaligned.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {
inline namespace TAPWISE_PRIVATE {
// Winners are found again for so many outputs at a time, with their values, which nobody wants.
constexpr int64_t kFoundAgain = 256;
static_assert(kFoundAgain >= kChannelsTogether);

// Where an index of a plane lies.
struct Plane {
  int64_t height, width;
  std::array<int64_t, 3> space;
  std::uint64_t last;  // index
  bool flat;           // as one run

  Plane(const Windows& w, const std::array<int64_t, 3>& strides)
      : height(w.axis[1].in),
        width(w.axis[2].in),
        space(strides),
        last(static_cast<std::uint64_t>(w.plane() - 1)),
        flat((height == 1 || strides[1] == width * strides[2]) &&
             (w.axis[0].in == 1 || strides[0] == height * width * strides[2])) {}

  int64_t offset(int64_t index) const {
    if (flat) return index * space[2];
    return index / width / height * space[0] + index / width % height * space[1] + index % width * space[2];
  }
};

// Whether rows of outputs follow each other in memory, and planes of rows.
inline bool rows_follow(const Windows& w, const std::array<int64_t, 3>& space) {
  const bool rows = w.axis[1].out == 1 || space[1] == w.axis[2].out * space[2];
  return rows && (w.axis[0].out == 1 || space[0] == w.axis[1].out * w.axis[2].out * space[2]);
}

// What the indices of winners may be is for the caller to say; they are looked at before anything is written. Whether
// one lies outside shows in the sign of the index or of what is left to the last one.
inline bool all_inside(const Windows& w, const PoolOperand<const byte>& winners, const Options& options) {
  std::atomic<std::int64_t> signs{0};
  constexpr int64_t dense = sizeof(int64_t);
  const auto last = static_cast<std::uint64_t>(w.plane() - 1);
  const auto look = [&](const byte* from, int64_t count, int64_t step) {
    int64_t sign = 0;
    for (int64_t i = 0; i < count; ++i) {
      const auto index = load<std::uint64_t>(from + i * step);
      sign |= static_cast<int64_t>(index | (last - index));
    }
    if (sign < 0) signs.fetch_or(sign, std::memory_order_relaxed);
  };
  // Rows of outputs with all their channels, those that follow each other in memory as one run.
  const int64_t lines = w.by_channels ? w.axis[2].out : w.channels, length = w.by_channels ? w.channels : w.axis[2].out;
  const int64_t line = w.by_channels ? winners.space[2] : winners.c,
                step = w.by_channels ? winners.c : winners.space[2];
  const int64_t rows = w.axis[0].out * w.axis[1].out, items = w.batch * rows;
  const bool planes_dense =
      !w.by_channels && step == dense && rows_follow(w, winners.space) && line == rows * length * dense;
  const double work = static_cast<double>(w.batch * w.channels) * static_cast<double>(w.positions());
  const int64_t together = planes_dense ? rows : 1;
  parallel_for(options.parallel, items / together, threads_for(options, work, items / together),
               [&](int64_t item, int) {
                 if (planes_dense) return look(winners.at(item, 0), rows * lines * length, dense);
                 const int64_t h = item % w.axis[1].out, d = item / w.axis[1].out % w.axis[0].out;
                 const byte* from = winners.at(item / rows, 0, {d, h, 0});
                 if (step == dense && line == length * dense) return look(from, lines * length, dense);
                 for (int64_t i = 0; i < lines; ++i, from += line) look(from, length, step);
               });
  return signs.load() == 0;
}

// to[winner of each output] += gradient of the output, for a row of outputs, or the channels of one. Nothing outside of
// the plane is written even if somebody changes the winners after they were looked at.
template <class T>
void scatter(const Plane& plane, const byte* winners, int64_t winners_step, const byte* gradient, int64_t gradient_step,
             byte* to, int64_t to_step, int64_t count) {
  constexpr int64_t element = sizeof(T), index = sizeof(int64_t);
  const auto add = [](byte* at, const byte* from) { store<T>(at, load<T>(at) + load<T>(from)); };
  const auto winner = [&](int64_t i, int64_t step) {
    return static_cast<int64_t>(std::min(load<std::uint64_t>(winners + i * step), plane.last));
  };
  const int64_t step = plane.space[2];
  if (plane.flat && winners_step == index && gradient_step == element && to_step == 0 && step == element) {
    for (int64_t i = 0; i < count; ++i) add(to + winner(i, index) * element, gradient + i * element);
  } else if (plane.flat && winners_step == index && gradient_step == element && to_step == element) {
    for (int64_t i = 0; i < count; ++i) add(to + i * element + winner(i, index) * step, gradient + i * element);
  } else {
    for (int64_t i = 0; i < count; ++i)
      add(to + i * to_step + plane.offset(winner(i, winners_step)), gradient + i * gradient_step);
  }
}

}  // namespace TAPWISE_PRIVATE

template <class T>
Status max_pool(const ConvProblem& p, ConstTensorView<T> src, TensorView<T> dst, const Options& options,
                TensorView<int64_t> winners) {
  const Status checked = first_error(
      [&] { return check_pooling(p); }, [&] { return check_view("src", src, src_shape(p), Use::read); },
      [&] { return check_view("dst", dst, dst_shape(p), Use::write); },
      [&] { return check_apart("dst", memory_of(dst), "src", memory_of(src)); },
      [&] { return winners.data == nullptr ? Status{} : check_view("winners", winners, dst_shape(p), Use::write); },
      [&] { return check_apart("winners", memory_of(winners), "src", memory_of(src)); },
      [&] { return check_apart("winners", memory_of(winners), "dst", memory_of(dst)); });
  if (!checked) return checked;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr) return status;
  const auto& k = kernels_of<T>(*table);
  const Windows w = Windows::of(p, src);
  const auto from = pool_operand(TensorView<const T>(src));
  const auto to = pool_operand(dst), index = pool_operand(winners);
  for_each_window(w, from, options, flops(p),
                  [&](WindowRuns& runs, int64_t image, int64_t channel, const PoolRun& run) {
                    kernels::Window window{};
                    window.dst = to.at(image, channel, run.first);
                    window.dst_step = w.by_channels ? to.c : to.space[2];
                    window.winners_step = w.by_channels ? index.c : index.space[2];
                    if (index.data != nullptr) window.winners = index.at(image, channel, run.first);
                    runs(k.max_window, run, image, channel, window);
                  });
  return {};
}

template <class T>
Status max_pool_backward(const ConvProblem& p, ConstTensorView<T> diff_dst, ConstTensorView<T> src,
                         TensorView<T> diff_src, const Options& options, TensorView<const int64_t> winners) {
  const bool given = winners.data != nullptr;
  const Status checked = first_error(
      [&] { return check_pooling(p); }, [&] { return check_view("diff_dst", diff_dst, dst_shape(p), Use::read); },
      [&] { return given ? Status{} : check_view("src", src, src_shape(p), Use::read); },
      [&] { return given ? check_view("winners", winners, dst_shape(p), Use::read) : Status{}; },
      [&] { return check_view("diff_src", diff_src, src_shape(p), Use::write); },
      [&] { return check_apart("diff_src", memory_of(diff_src), "src", memory_of(src)); },
      [&] { return check_apart("diff_src", memory_of(diff_src), "diff_dst", memory_of(diff_dst)); },
      [&] { return check_apart("diff_src", memory_of(diff_src), "winners", memory_of(winners)); });
  if (!checked) return checked;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr || p.batch == 0) return status;
  const auto& k = kernels_of<T>(*table);
  const Windows w = Windows::of(p, diff_src);
  const auto index = pool_operand(winners);
  if (given && !all_inside(w, index, options))
    return Status::error(Code::invalid_argument, "an index lies outside of its plane");

  const auto from = pool_operand(TensorView<const T>(src)), gradient = pool_operand(TensorView<const T>(diff_dst));
  const auto to = pool_operand(diff_src);
  const Plane plane(w, to.space);
  // Winners: those of a row of outputs, or of the channels of one.
  const auto add = [&](const byte* which, int64_t which_step, int64_t image, int64_t channel,
                       const std::array<int64_t, 3>& at, int64_t count) {
    scatter<T>(plane, which, which_step, gradient.at(image, channel, at),
               w.by_channels ? gradient.c : gradient.space[2], to.at(image, channel), w.by_channels ? to.c : 0, count);
  };
  // As one row, where a plane's rows follow each other in memory.
  const bool one_row = !w.by_channels && rows_follow(w, index.space) && rows_follow(w, gradient.space);
  const auto add_given = [&](int64_t image, int64_t channel, int64_t channels, int64_t d, int64_t h) {
    if (!w.by_channels) {
      const int64_t count = one_row ? w.positions() : w.axis[2].out;
      return add(index.at(image, channel, {d, h, 0}), index.space[2], image, channel, {d, h, 0}, count);
    }
    for (int64_t q = 0; q < w.axis[2].out; ++q)
      add(index.at(image, channel, {d, h, q}), index.c, image, channel, {d, h, q}, channels);
  };
  const auto add_found = [&](WindowRuns& runs, const PoolRun& run, int64_t image, int64_t channel) {
    alignas(kCacheLine) T values[kFoundAgain];
    int64_t found[kFoundAgain];
    kernels::Window window{};
    window.dst = reinterpret_cast<byte*>(values);
    window.dst_step = sizeof(T);
    window.winners = reinterpret_cast<byte*>(found);
    window.winners_step = sizeof(int64_t);
    runs(k.max_window, run, image, channel, window);
    add(window.winners, window.winners_step, image, channel, run.first, run.count);
  };
  // No two pieces write to one place: a plane each, or some channels of an image.
  for_each_block_of_channels(w, options, flops(p), [&](int64_t image, int64_t channel, int64_t channels) {
    clear<T>(w, to, image, channel, channels);
    if (given && one_row) return add_given(image, channel, channels, 0, 0);
    WindowRuns runs(w, from);
    for (int64_t d = 0; d < w.axis[0].out; ++d)
      for (int64_t h = 0; h < w.axis[1].out; ++h) {
        if (given) {
          add_given(image, channel, channels, d, h);
          continue;
        }
        for_each_run(w, d, h, channels, [&](PoolRun run) {
          // Of a row as many as there is room for; channels together are fewer.
          for (int64_t left = run.count; left > 0; left -= run.count, run.first[2] += run.count) {
            run.count = std::min(left, kFoundAgain);
            add_found(runs, run, image, channel);
          }
        });
      }
  });
  return {};
}

#if !defined(TAPWISE_HEADER_ONLY)
#define TAPWISE_INSTANTIATE(T)                                                                                    \
  template Status max_pool<T>(const ConvProblem&, ConstTensorView<T>, TensorView<T>, const Options&,              \
                              TensorView<int64_t>);                                                               \
  template Status max_pool_backward<T>(const ConvProblem&, ConstTensorView<T>, ConstTensorView<T>, TensorView<T>, \
                                       const Options&, TensorView<const int64_t>);
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE
#endif

}  // namespace tapwise::inline TAPWISE_NAMESPACE
