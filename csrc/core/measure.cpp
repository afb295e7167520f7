#include "tapwise/measure.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

#include "call.hpp"
#include "checked.hpp"
#include "dispatch.hpp"
#include "tapwise/parallel.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE {
inline namespace TAPWISE_PRIVATE {
using kernels::byte;
using kernels::int64_t;
using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Small arrays are gone through several times in a row: waking the team takes longer than one pass.
constexpr double kPassBytes = 8 << 20;

// Bytes a second of the best of many passes. pass(thread) works on that thread's share.
template <class Pass>
double best_rate(double bytes, double seconds, int threads, const Pass& pass) {
  double best = 0;
  const auto repeats = static_cast<int64_t>(std::max(1.0, kPassBytes / bytes));
  const auto start = Clock::now();
  for (int i = 0; i < 2 || seconds_since(start) < seconds; ++i) {
    const auto begin = Clock::now();
    parallel_for(nullptr, threads, threads, [&](int64_t share, int) {
      for (int64_t again = 0; again < repeats; ++again) pass(share);
    });
    best = std::max(best, bytes * static_cast<double>(repeats) / seconds_since(begin));
  }
  return best;
}

}  // namespace TAPWISE_PRIVATE

template <class T>
double measure_fma_peak(double seconds, int threads) {
  threads = startable(std::max(threads, 1));
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr) return 0;
  std::vector<double> rate(static_cast<std::size_t>(threads));
  parallel_for(nullptr, threads, threads, [&](int64_t item, int) {
    double operations = 0, elapsed = 0;
    const auto start = Clock::now();
    do {
      operations += kernels_of<T>(*table).fma_loop(100'000);
      elapsed = seconds_since(start);
    } while (elapsed < seconds);
    rate[static_cast<std::size_t>(item)] = operations / elapsed;
  });
  double sum = 0;
  for (const double r : rate) sum += r;
  return sum;
}
#if !defined(TAPWISE_HEADER_ONLY)
template double measure_fma_peak<float>(double, int);
template double measure_fma_peak<double>(double, int);
#endif

double measure_read_bandwidth(int64_t bytes, double seconds, int threads) {
  threads = startable(std::max(threads, 1));
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr) return 0;
  constexpr auto element = int64_t{sizeof(float)};
  const int64_t share = std::max<int64_t>(1, bytes / element / threads);
  const std::vector<float> data(static_cast<std::size_t>(share * threads), 1.0f);
  std::vector<float> sums(static_cast<std::size_t>(threads));
  return best_rate(static_cast<double>(share * threads * element), seconds, threads, [&](int64_t i) {
    table->f32.add_columns({reinterpret_cast<byte*>(&sums[static_cast<std::size_t>(i)]),
                            reinterpret_cast<const byte*>(data.data() + i * share), element, 0, share, 1, false});
  });
}

double measure_triad_bandwidth(int64_t bytes, double seconds, int threads) {
  threads = startable(std::max(threads, 1));
  Status status;
  const auto* table = active_table(status);
  if (table == nullptr) return 0;
  constexpr auto element = int64_t{sizeof(float)};
  const int64_t share = std::max<int64_t>(1, bytes / 3 / element / threads);
  const auto count = static_cast<std::size_t>(share * threads);
  std::vector<float> a(count), b(count, 1.0f), c(count, 2.0f);
  return best_rate(static_cast<double>(3 * share * threads * element), seconds, threads, [&](int64_t i) {
    const auto at = [&](std::vector<float>& v) { return reinterpret_cast<byte*>(v.data() + i * share); };
    table->f32.triad({at(a), at(b), at(c), element, element, element, share});
  });
}

}  // namespace tapwise::inline TAPWISE_NAMESPACE
