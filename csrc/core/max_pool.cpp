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
  bool flat;  // as one run

  Plane(const Windows& w, const std::array<int64_t, 3>& strides)
      : height(w.axis[1].in),
        width(w.axis[2].in),
        space(strides),
        flat((height == 1 || strides[1] == width * strides[2]) &&
             (w.axis[0].in == 1 || strides[0] == height * width * strides[2])) {}

  int64_t offset(int64_t index) const {
    if (flat) return index * space[2];
    return index / width / height * space[0] + index / width % height * space[1] + index % width * space[2];
  }
};

// What the indices of winners may be is for the caller to say; they are looked at before anything is written.
inline bool all_inside(const Windows& w, const PoolOperand<const byte>& winners, const Options& options) {
  std::atomic<bool> inside{true};
  const auto plane = static_cast<std::uint64_t>(w.plane());
  const double work = static_cast<double>(w.batch * w.channels) * static_cast<double>(w.positions());
  for_each_window(w, options, work, [&](int64_t image, int64_t channel, const PoolRun& run) {
    const byte* const from = winners.at(image, channel, run.first);
    const int64_t step = w.by_channels ? winners.c : winners.space[2];
    bool outside = false;
    for (int64_t i = 0; i < run.count; ++i)
      outside |= static_cast<std::uint64_t>(load<int64_t>(from + i * step)) >= plane;
    if (outside) inside.store(false, std::memory_order_relaxed);
  });
  return inside.load();
}

// to[winner of each output] += gradient of the output, for the outputs of a run.
template <class T>
void scatter(const Plane& plane, const byte* winners, int64_t winners_step, const byte* gradient, int64_t gradient_step,
             byte* to, int64_t to_step, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    byte* const at = to + i * to_step + plane.offset(load<int64_t>(winners + i * winners_step));
    store<T>(at, load<T>(at) + load<T>(gradient + i * gradient_step));
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
  const Windows w = Windows::of(p, dst_size(p), src);
  const auto from = pool_operand(TensorView<const T>(src));
  const auto to = pool_operand(dst), index = pool_operand(winners);
  for_each_window(w, options, flops(p), [&](int64_t image, int64_t channel, const PoolRun& run) {
    kernels::Window window{};
    window.dst = to.at(image, channel, run.first);
    window.dst_step = w.by_channels ? to.c : to.space[2];
    window.winners_step = w.by_channels ? index.c : index.space[2];
    if (index.data != nullptr) window.winners = index.at(image, channel, run.first);
    run_windows(k.max_window, w, run, from, from.at(image, channel), window);
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
  const Windows w = Windows::of(p, dst_size(p), diff_src);
  const auto index = pool_operand(winners);
  if (given && !all_inside(w, index, options))
    return Status::error(Code::invalid_argument, "winners: an index lies outside of its plane");

  const auto from = pool_operand(TensorView<const T>(src)), gradient = pool_operand(TensorView<const T>(diff_dst));
  const auto to = pool_operand(diff_src);
  const Plane plane(w, to.space);
  // Winners that are not given are found again, some at a time.
  const auto add_run = [&](const PoolRun& run, int64_t image, int64_t channel) {
    alignas(kCacheLine) T values[kFoundAgain];
    std::int64_t found[kFoundAgain];
    const byte* which = reinterpret_cast<const byte*>(found);
    if (given) {
      which = index.at(image, channel, run.first);
    } else {
      kernels::Window window{};
      window.dst = reinterpret_cast<byte*>(values);
      window.dst_step = sizeof(T);
      window.winners = reinterpret_cast<byte*>(found);
      window.winners_step = sizeof(int64_t);
      run_windows(k.max_window, w, run, from, from.at(image, channel), window);
    }
    const int64_t which_step = !given ? int64_t{sizeof(int64_t)} : w.by_channels ? index.c : index.space[2];
    scatter<T>(plane, which, which_step, gradient.at(image, channel, run.first),
               w.by_channels ? gradient.c : gradient.space[2], to.at(image, channel), w.by_channels ? to.c : 0,
               run.count);
  };
  // No two pieces write to one place: a plane each, or some channels of an image.
  for_each_block_of_channels(w, options, flops(p), [&](int64_t image, int64_t channel, int64_t channels) {
    clear<T>(w, to, image, channel, channels);
    for (int64_t d = 0; d < w.axis[0].out; ++d)
      for (int64_t h = 0; h < w.axis[1].out; ++h)
        for_each_run(w, d, h, channels, [&](PoolRun run) {
          const int64_t last = run.first[2] + run.count;  // of a row; channels together are fewer
          for (; run.count > kFoundAgain; run.first[2] += kFoundAgain, run.count = last - run.first[2]) {
            PoolRun part = run;
            part.count = kFoundAgain;
            add_run(part, image, channel);
          }
          add_run(run, image, channel);
        });
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
