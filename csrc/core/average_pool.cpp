// Average pooling and its gradient.
#include "dispatch.hpp"
#include "pool_check.hpp"
#include "pool_zero.hpp"
#include "tapwise/layers.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {
inline namespace TAPWISE_PRIVATE {
// How many positions a window's mean is taken over.
struct Divisors {
  const Windows& w;
  Averaging averaging;
  Spatial end;  // of the padded input

  Divisors(const Windows& windows, const ConvProblem& p, const Averaging& a) : w(windows), averaging(a) {
    for (std::size_t i = 0; i < 3; ++i) end[i] = p.src[i] + p.pad_high[i] - a.overhang[i];
  }

  double of(const PoolRun& run) const {
    double positions = 1;
    for (std::size_t a = 0; a < 3; ++a) {
      const Axis& axis = w.axis[a];
      const int64_t start = axis.index(run.first[a], 0);
      const Range with_padding = range_inside(start, axis.dilation, axis.taps, end[a]);
      positions *= static_cast<double>(averaging.count_padding ? with_padding.last : run.taps[a].size());
    }
    return positions;
  }
};

inline Status check_averaging(const ConvProblem& p, const Averaging& averaging) noexcept {
  if (Status s = check_pooling(p); !s) return s;
  for (std::size_t a = 0; a < 3; ++a)
    if (averaging.overhang[a] < 0 || averaging.overhang[a] > p.pad_high[a])
      return Status::error(Code::invalid_argument, "overhang is a part of pad_high");
  return {};
}

}  // namespace TAPWISE_PRIVATE

template <class T>
Status average_pool(const ConvProblem& p, ConstTensorView<T> src, TensorView<T> dst, const Averaging& averaging,
                    const Options& options) {
  const Status checked = first_error([&] { return check_averaging(p, averaging); },
                                     [&] { return check_view("src", src, src_shape(p), Use::read); },
                                     [&] { return check_view("dst", dst, dst_shape(p), Use::write); },
                                     [&] { return check_apart("dst", memory_of(dst), "src", memory_of(src)); });
  if (!checked) return checked;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr) return status;
  const auto& k = kernels_of<T>(*table);
  const Windows w = Windows::of(p, src);
  const Divisors divisors(w, p, averaging);
  const auto from = pool_operand(TensorView<const T>(src));
  const auto to = pool_operand(dst);
  for_each_window(w, from, options, flops(p),
                  [&](WindowRuns& runs, int64_t image, int64_t channel, const PoolRun& run) {
                    kernels::Window window{};
                    window.dst = to.at(image, channel, run.first);
                    window.dst_step = w.by_channels ? to.c : to.space[2];
                    window.divisor = divisors.of(run);
                    runs(k.mean_window, run, image, channel, window);
                  });
  return {};
}

template <class T>
Status average_pool_backward(const ConvProblem& p, ConstTensorView<T> diff_dst, TensorView<T> diff_src,
                             const Averaging& averaging, const Options& options) {
  const Status checked =
      first_error([&] { return check_averaging(p, averaging); },
                  [&] { return check_view("diff_dst", diff_dst, dst_shape(p), Use::read); },
                  [&] { return check_view("diff_src", diff_src, src_shape(p), Use::write); },
                  [&] { return check_apart("diff_src", memory_of(diff_src), "diff_dst", memory_of(diff_dst)); });
  if (!checked) return checked;
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr) return status;
  const auto& k = kernels_of<T>(*table);
  const Windows w = Windows::of(p, diff_src);
  const Divisors divisors(w, p, averaging);
  const auto gradient = pool_operand(TensorView<const T>(diff_dst));
  const auto to = pool_operand(diff_src);
  // No two pieces write to one place: a plane each, or some channels of an image.
  for_each_block_of_channels(w, options, flops(p), [&](int64_t image, int64_t channel, int64_t channels) {
    clear<T>(w, to, image, channel, channels);
    WindowTaps taps(w, to.space);
    for (int64_t d = 0; d < w.axis[0].out; ++d)
      for (int64_t h = 0; h < w.axis[1].out; ++h)
        for_each_run(w, d, h, channels, [&](const PoolRun& run) {
          kernels::Share share{};
          share.dst = to.at(image, channel, taps.first_tap(run));
          share.dst_step = w.by_channels ? to.c : w.axis[2].stride * to.space[2];
          share.src = gradient.at(image, channel, run.first);
          share.src_step = w.by_channels ? gradient.c : gradient.space[2];
          share.count = run.count;
          share.divisor = divisors.of(run);
          taps.for_each_part(run, [&](const WindowTaps::Part& part) {
            share.taps = part.taps;
            share.tap_count = part.count;
            k.add_shares(share);
          });
        });
  });
  return {};
}

#if !defined(TAPWISE_HEADER_ONLY)
#define TAPWISE_INSTANTIATE(T)                                                                                      \
  template Status average_pool<T>(const ConvProblem&, ConstTensorView<T>, TensorView<T>, const Averaging&,          \
                                  const Options&);                                                                  \
  template Status average_pool_backward<T>(const ConvProblem&, ConstTensorView<T>, TensorView<T>, const Averaging&, \
                                           const Options&);
TAPWISE_INSTANTIATE(float)
TAPWISE_INSTANTIATE(double)
#undef TAPWISE_INSTANTIATE
#endif

}  // namespace tapwise::inline TAPWISE_NAMESPACE
