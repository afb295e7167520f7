// tapwise-bench: checks and times convolutions without Python, on whatever the library was built for.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bench/descriptor.hpp"
#include "tapwise/tapwise.hpp"

namespace {

using namespace tapwise;
using Shape = std::array<std::int64_t, 5>;
using Clock = std::chrono::steady_clock;

constexpr const char* kUsage = R"(tapwise-bench: checks and times convolutions

  tapwise-bench [options] descriptor...     such as 'mb8_ic64ih56_oc64oh56_kh3_ph1n"3x3"'

  --check            compare with plain loops instead of timing
  --dir LIST         of fwd,bwd_d,bwd_w,bwd_b (default: fwd,bwd_d,bwd_w)
  --layout LIST      of first,last: channels first (NCHW) or last (NHWC) (default: both)
  --threads N        (default: as many as the process may use)
  --float64          (default: float32)
  --batch N          instead of the descriptor's
  --seconds S        of timing for each row (default: 0.5)
  --peak             print the FMA peak and the read bandwidth first

A row: time of the median call, its operations per second (products with padding are not counted), and the share of the
FMA peak, measured in between. TAPWISE_ISA names another instruction set. Exit status: 0, 1 if a result is wrong, 2 if
an argument is.
)";

struct Settings {
  std::vector<std::string> descriptors;
  std::string directions = "fwd,bwd_d,bwd_w", layouts = "first,last";
  int threads = 0;
  std::int64_t batch = 0;
  double seconds = 0.5;
  bool check = false, float64 = false, peak = false;
};

constexpr const char* kDirections[] = {"fwd", "bwd_d", "bwd_w", "bwd_b"};

double now() { return std::chrono::duration<double>(Clock::now().time_since_epoch()).count(); }

bool lists(const std::string& list, const std::string& word) {
  return (',' + list + ',').find(',' + word + ',') != std::string::npos;
}

// Whether a list has words, and knows them.
bool known(const std::string& list, std::initializer_list<const char*> words) {
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    if (std::ranges::find(words, list.substr(at, end - at)) == words.end()) return false;
    at = end + 1;
  }
  return true;
}

// A dense tensor on its own memory, whole pages, as large arrays are.
template <class T>
struct Tensor {
  std::unique_ptr<T, decltype(&std::free)> memory{nullptr, &std::free};
  TensorView<T> view;
  std::int64_t count = 1;

  Tensor(const Shape& shape, bool channels_last) {
    for (const std::int64_t size : shape) count *= size;
    const std::size_t bytes = (static_cast<std::size_t>(count) * sizeof(T) + 4095) / 4096 * 4096;
    memory.reset(static_cast<T*>(std::aligned_alloc(4096, std::max<std::size_t>(bytes, 4096))));
    if (memory == nullptr) std::fprintf(stderr, "out of memory\n"), std::exit(2);
    view = dense_view(memory.get(), shape,
                      channels_last ? std::array<int, 5>{0, 2, 3, 4, 1} : std::array<int, 5>{0, 1, 2, 3, 4});
  }
  void fill(std::minstd_rand& random) {
    for (std::int64_t i = 0; i < count; ++i)
      memory.get()[i] = static_cast<T>(static_cast<int>(random() % 2049) - 1024) / T{1024};
  }
  T& at(const Shape& i) const {
    std::int64_t offset = 0;
    for (std::size_t a = 0; a < 5; ++a) offset += i[a] * view.stride[a];
    return view.data[offset / std::int64_t{sizeof(T)}];
  }
};

template <class T>
struct Case {
  const ConvProblem p;
  const Spatial out;
  Tensor<T> src, weights, dst, result;
  std::vector<T> diff_bias;
  const int direction;

  static Shape result_shape(const ConvProblem& p, const Spatial& o, int direction) {
    if (direction == 1) return {p.batch, p.in_channels, p.src[0], p.src[1], p.src[2]};
    if (direction == 2) return {p.out_channels, p.in_channels / p.groups, p.kernel[0], p.kernel[1], p.kernel[2]};
    return {p.batch, p.out_channels, o[0], o[1], o[2]};
  }

  Case(const ConvProblem& problem, int dir, bool last)
      : p(problem),
        out(dst_size(problem)),
        src(result_shape(p, out, 1), last),
        weights(result_shape(p, out, 2), false),
        dst(result_shape(p, out, 0), last),
        result(result_shape(p, out, dir), last && dir != 2),
        diff_bias(static_cast<std::size_t>(p.out_channels)),
        direction(dir) {
    std::minstd_rand random(1);
    src.fill(random), weights.fill(random), dst.fill(random);
  }

  Status call(const Options& options) {
    switch (direction) {
      case 0:
        return forward<T>(p, src.view, weights.view, nullptr, result.view, options);
      case 1:
        return backward_data<T>(p, dst.view, weights.view, nullptr, result.view, options);
      case 2:
        return backward_weights<T>(p, dst.view, src.view, result.view, options);
      default:
        return backward_bias<T>(dst.view, diff_bias.data(), options);
    }
  }

  // What the result at `i` must be, and the sum of its products' magnitudes.
  std::pair<double, double> expected(const Shape& i) const {
    double sum = 0, magnitude = 0;
    const std::int64_t in_group = p.in_channels / p.groups, out_group = p.out_channels / p.groups;
    const auto add = [&](double product) { sum += product, magnitude += std::abs(product); };
    // body(position, other position) for the taps or outputs that meet; `of` computes the other one along an axis.
    if (direction == 0) {
      for (std::int64_t c = 0; c < in_group; ++c)
        for_each_tap([&](const Spatial& k) {
          Shape s{i[0], i[1] / out_group * in_group + c, 0, 0, 0};
          for (std::size_t a = 0; a < 3; ++a) {
            s[a + 2] = i[a + 2] * p.stride[a] + k[a] * p.dilation[a] - p.pad_low[a];
            if (s[a + 2] < 0 || s[a + 2] >= p.src[a]) return;
          }
          add(static_cast<double>(src.at(s)) * static_cast<double>(weights.at({i[1], c, k[0], k[1], k[2]})));
        });
    } else if (direction == 1) {
      for (std::int64_t o = 0; o < out_group; ++o)
        for_each_tap([&](const Spatial& k) {
          const std::int64_t channel = i[1] / in_group * out_group + o;
          Shape d{i[0], channel, 0, 0, 0};
          for (std::size_t a = 0; a < 3; ++a) {
            const std::int64_t at = i[a + 2] + p.pad_low[a] - k[a] * p.dilation[a];
            d[a + 2] = at / p.stride[a];
            if (at < 0 || at % p.stride[a] != 0 || d[a + 2] >= out[a]) return;
          }
          add(static_cast<double>(dst.at(d)) *
              static_cast<double>(weights.at({channel, i[1] % in_group, k[0], k[1], k[2]})));
        });
    } else {
      Shape d{0, i[0], 0, 0, 0};
      for (d[0] = 0; d[0] < p.batch; ++d[0])
        for (d[2] = 0; d[2] < out[0]; ++d[2])
          for (d[3] = 0; d[3] < out[1]; ++d[3])
            for (d[4] = 0; d[4] < out[2]; ++d[4]) {
              if (direction == 3) {
                add(static_cast<double>(dst.at(d)));
                continue;
              }
              Shape s{d[0], i[0] / out_group * in_group + i[1], 0, 0, 0};
              bool inside = true;
              for (std::size_t a = 0; a < 3; ++a) {
                s[a + 2] = d[a + 2] * p.stride[a] + i[a + 2] * p.dilation[a] - p.pad_low[a];
                inside = inside && s[a + 2] >= 0 && s[a + 2] < p.src[a];
              }
              if (inside) add(static_cast<double>(dst.at(d)) * static_cast<double>(src.at(s)));
            }
    }
    return {sum, magnitude};
  }

  // The largest error of some results, in units of the sum of magnitudes times the precision.
  double worst_error() const {
    constexpr int kSamples = 500;
    std::minstd_rand random(2);
    double worst = 0;
    for (int n = 0; n < kSamples; ++n) {
      Shape i{};
      const Shape& shape = direction == 3 ? Shape{p.out_channels, 1, 1, 1, 1} : result.view.shape;
      for (std::size_t a = 0; a < 5; ++a) i[a] = static_cast<std::int64_t>(random()) % shape[a];
      const auto [sum, magnitude] = expected(i);
      const double got = static_cast<double>(direction == 3 ? diff_bias[static_cast<std::size_t>(i[0])] : result.at(i));
      const double unit = std::max(magnitude, 1e-30) * static_cast<double>(std::numeric_limits<T>::epsilon());
      worst = std::max(worst, std::isfinite(got) ? std::abs(got - sum) / unit : INFINITY);
    }
    return worst;
  }

 private:
  template <class Body>
  void for_each_tap(Body&& body) const {
    for (std::int64_t d = 0; d < p.kernel[0]; ++d)
      for (std::int64_t h = 0; h < p.kernel[1]; ++h)
        for (std::int64_t w = 0; w < p.kernel[2]; ++w) body(Spatial{d, h, w});
  }
};

struct Timing {
  double seconds, peak;  // of the median call; FLOP/s
};

// Calls in batches of a tenth of a second or less, with the peak measured before each.
template <class T>
Timing time_calls(Case<T>& c, const Options& options, int threads, double seconds) {
  std::vector<double> samples;
  double peak = 0;
  for (const double end = now() + seconds; now() < end || samples.size() < 9;) {
    peak = std::max(peak, measure_fma_peak<T>(0.004, threads));
    static_cast<void>(c.call(options));
    for (const double batch_end = now() + 0.02; samples.size() < 100'000;) {
      const double start = now();
      static_cast<void>(c.call(options));
      samples.push_back(now() - start);
      if (now() > batch_end) break;
    }
  }
  std::nth_element(samples.begin(), samples.begin() + std::ptrdiff_t(samples.size() / 2), samples.end());
  return {samples[samples.size() / 2], peak};
}

// What rounding may cost, in units of the precision: a sum of many products, in some order.
constexpr double kTolerance = 32;

template <class T>
bool run_problem(const bench::Described& described, const Settings& settings) {
  bool good = true;
  ConvProblem p = described.problem;
  if (settings.batch > 0) p.batch = settings.batch;
  const int threads = settings.threads > 0 ? settings.threads : get_num_threads();
  const Options options{.threads = settings.threads};
  for (int direction = 0; direction < 4; ++direction) {
    if (!lists(settings.directions, kDirections[direction])) continue;
    for (const bool last : {false, true}) {
      if (!lists(settings.layouts, last ? "last" : "first")) continue;
      Case<T> c(p, direction, last);
      const Status status = c.call(options);
      const double error = status ? c.worst_error() : INFINITY;
      const bool right = status && error <= kTolerance;
      good = good && right;
      std::printf("%-32s %-5s %-5s ", described.name.c_str(), kDirections[direction], last ? "last" : "first");
      if (!right) {
        std::printf("WRONG: %s (error %.3g)\n", status.message(), error);
      } else if (settings.check) {
        std::printf("right, error %.2g\n", error);
      } else {
        const Timing timing = time_calls(c, options, threads, settings.seconds);
        const double count = direction == 3 ? static_cast<double>(c.dst.count) : flops(p);
        std::printf("%10.4g ms %9.4g GFLOP/s %6.1f %% of peak\n", timing.seconds * 1e3, count / timing.seconds / 1e9,
                    100 * count / timing.seconds / timing.peak);
      }
      std::fflush(stdout);
    }
  }
  return good;
}

// What is no number, or a large one, becomes -1.
double number(const char* text) {
  char* end = nullptr;
  const double value = std::strtod(text, &end);
  return end != text && *end == '\0' && value <= 1e6 ? value : -1;
}

int usage(const std::string& what) {
  std::fprintf(stderr, "tapwise-bench: %s\n\n%s", what.c_str(), kUsage);
  return 2;
}

}  // namespace

int main(int count, char** arguments) {
  Settings settings;
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    const auto value = [&]() -> const char* { return i + 1 < count ? arguments[++i] : ""; };
    if (argument == "--help" || argument == "-h") return std::fputs(kUsage, stdout), 0;
    if (argument == "--check")
      settings.check = true;
    else if (argument == "--float64")
      settings.float64 = true;
    else if (argument == "--peak")
      settings.peak = true;
    else if (argument == "--dir")
      settings.directions = value();
    else if (argument == "--layout")
      settings.layouts = value();
    else if (argument == "--threads")
      settings.threads = static_cast<int>(number(value()));
    else if (argument == "--batch")
      settings.batch = static_cast<std::int64_t>(number(value()));
    else if (argument == "--seconds")
      settings.seconds = number(value());
    else if (argument.starts_with("-"))
      return usage("unknown option " + argument);
    else
      settings.descriptors.push_back(argument);
  }
  if (!known(settings.directions, {"fwd", "bwd_d", "bwd_w", "bwd_b"})) return usage("--dir " + settings.directions);
  if (!known(settings.layouts, {"first", "last"})) return usage("--layout " + settings.layouts);
  if (settings.threads < 0 || settings.batch < 0 || !(settings.seconds >= 0)) return usage("a number is not one");
  std::vector<bench::Described> problems;
  for (const std::string& text : settings.descriptors) {
    problems.push_back(bench::parse(text));
    if (problems.back().error.empty()) continue;
    std::fprintf(stderr, "tapwise-bench: %s\n", problems.back().error.c_str());
    return 2;
  }
  if (problems.empty() && !settings.peak) return usage("no descriptor");
  const char* isa = "";
  if (const Status status = active_isa(&isa); !status) {
    std::fprintf(stderr, "tapwise-bench: %s\n", status.message());
    return 2;
  }
  const int threads = settings.threads > 0 ? settings.threads : get_num_threads();
  std::printf("tapwise %s, %s, %s, %d thread(s)\n", TAPWISE_VERSION, isa, settings.float64 ? "float64" : "float32",
              threads);
  if (settings.peak) {
    const double peak =
        settings.float64 ? measure_fma_peak<double>(0.5, threads) : measure_fma_peak<float>(0.5, threads);
    std::printf("FMA peak %.1f GFLOP/s, reads %.1f GB/s from memory\n", peak / 1e9,
                measure_read_bandwidth(std::int64_t{256} << 20, 0.5, threads) / 1e9);
  }
  bool good = true;
  for (const bench::Described& problem : problems)
    good = (settings.float64 ? run_problem<double>(problem, settings) : run_problem<float>(problem, settings)) && good;
  return good ? 0 : 1;
}
