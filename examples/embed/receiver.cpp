// A radio receiver in one file, without a library: a station's signal is shifted to frequency 0, a filter of 255 taps
// keeps its band and drops fifteen of sixteen samples, and the amplitude is the sound.
//
//   g++ -std=c++20 -O3 -march=native -fopenmp -I"$(python -m tapwise --includes)" receiver.cpp -o receiver
#ifndef TAPWISE_HEADER_ONLY
#define TAPWISE_HEADER_ONLY
#endif
#include <tapwise/tapwise.hpp>

#include <cmath>
#include <cstdio>
#include <numbers>
#include <vector>

namespace {

constexpr double kTurn = 2 * std::numbers::pi;
constexpr std::int64_t kSamples = 1 << 18, kTaps = 255, kDecimation = 16;
constexpr double kRate = 1e6, kStation = 180e3, kOther = 240e3, kTone = 1e3;  // in Hz

// A low pass: the sinc function under a Hamming window.
std::vector<float> low_pass(double cutoff) {
  std::vector<float> taps(kTaps);
  double sum = 0;
  for (std::int64_t i = 0; i < kTaps; ++i) {
    const double t = static_cast<double>(i - kTaps / 2);
    const double sinc = t == 0 ? 2 * cutoff : std::sin(kTurn * cutoff * t) / (std::numbers::pi * t);
    const double window = 0.54 + 0.46 * std::cos(kTurn * t / (kTaps - 1));
    taps[static_cast<std::size_t>(i)] = static_cast<float>(sinc * window);
    sum += sinc * window;
  }
  for (float& tap : taps) tap = static_cast<float>(tap / sum);
  return taps;
}

}  // namespace

int main() {
  // What the antenna hears: a station that sends a tone, and a stronger one beside it. I and Q are two signals of a
  // batch, which the same filter meets.
  std::vector<float> iq(2 * kSamples);
  for (std::int64_t n = 0; n < kSamples; ++n) {
    const double t = static_cast<double>(n) / kRate;
    const double station = (1 + 0.5 * std::sin(kTurn * kTone * t)) * std::cos(kTurn * kStation * t);
    const double antenna = station + 3 * std::cos(kTurn * kOther * t);
    iq[static_cast<std::size_t>(n)] = static_cast<float>(2 * antenna * std::cos(kTurn * kStation * t));
    iq[static_cast<std::size_t>(kSamples + n)] = static_cast<float>(-2 * antenna * std::sin(kTurn * kStation * t));
  }
  const std::vector<float> taps = low_pass(10e3 / kRate);

  const tapwise::ConvProblem filter{
      .batch = 2, .src = {1, 1, kSamples}, .kernel = {1, 1, kTaps}, .stride = {1, 1, kDecimation}};
  const std::int64_t sounds = tapwise::dst_size(filter)[2];
  std::vector<float> base(static_cast<std::size_t>(2 * sounds));
  const tapwise::Status status = tapwise::forward(filter, tapwise::dense_view(iq, {2, 1, 1, 1, kSamples}),
                                                  tapwise::dense_view(taps, {1, 1, 1, 1, kTaps}), nullptr,
                                                  tapwise::dense_view(base, {2, 1, 1, 1, sounds}));
  if (!status.ok()) return std::fprintf(stderr, "%s\n", status.message()), 1;

  // How much of the sound is the tone that was sent?
  double tone_sin = 0, tone_cos = 0, power = 0, mean = 0;
  std::vector<double> sound(static_cast<std::size_t>(sounds));
  for (std::int64_t n = 0; n < sounds; ++n) {
    const auto i = static_cast<std::size_t>(n);
    sound[i] = std::hypot(base[i], base[i + static_cast<std::size_t>(sounds)]);
    mean += sound[i] / static_cast<double>(sounds);
  }
  for (std::int64_t n = 0; n < sounds; ++n) {
    const double s = sound[static_cast<std::size_t>(n)] - mean;
    const double phase = kTurn * kTone * static_cast<double>(n * kDecimation + kTaps / 2) / kRate;
    tone_sin += s * std::sin(phase);
    tone_cos += s * std::cos(phase);
    power += s * s;
  }
  const double share = 2 * (tone_sin * tone_sin + tone_cos * tone_cos) / (static_cast<double>(sounds) * power);
  std::printf("%lld samples of sound, %.2f %% of them the tone of %.0f Hz\n", static_cast<long long>(sounds),
              100 * share, kTone);
  return share > 0.99 ? 0 : 1;
}
