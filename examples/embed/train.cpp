// Training in C++: two layers learn what a hidden filter bank does to noise. The loss falls.
#include <tapwise/tapwise.hpp>

#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

namespace {

using namespace tapwise;
constexpr std::int64_t kBatch = 8, kSize = 16, kChannels = 3, kHidden = 16, kOut = 4;

struct Tensor {
  std::vector<float> numbers;
  TensorView<float> view;
  explicit Tensor(std::array<std::int64_t, 5> shape)
      : numbers(static_cast<std::size_t>(shape[0] * shape[1] * shape[2] * shape[3] * shape[4])),
        view(dense_view(numbers, shape)) {}
};

// Convolution of 3x3, same size, with its weights, their gradients and its result.
struct Layer {
  ConvProblem problem;
  Tensor weights, diff_weights, dst, diff_dst;
  std::vector<float> bias, diff_bias;
  bool relu;

  Layer(std::int64_t in, std::int64_t out, bool with_relu, std::mt19937& random)
      : problem{.batch = kBatch,
                .in_channels = in,
                .out_channels = out,
                .src = {1, kSize, kSize},
                .kernel = {1, 3, 3},
                .pad_low = {0, 1, 1},
                .pad_high = {0, 1, 1}},
        weights({out, in, 1, 3, 3}),
        diff_weights({out, in, 1, 3, 3}),
        dst({kBatch, out, 1, kSize, kSize}),
        diff_dst({kBatch, out, 1, kSize, kSize}),
        bias(static_cast<std::size_t>(out)),
        diff_bias(static_cast<std::size_t>(out)),
        relu(with_relu) {
    std::normal_distribution<float> normal(0, std::sqrt(2 / (9 * static_cast<float>(in))));
    for (float& w : weights.numbers) w = normal(random);
  }

  Status forward(const Tensor& src) {
    return tapwise::forward(problem, src.view, weights.view, bias.data(), dst.view, {.relu = relu});
  }

  // From diff_dst to the gradients by the weights and the bias and, if it is wanted, by the input.
  Status backward(const Tensor& src, Tensor* diff_src) {
    if (relu)
      for (std::size_t i = 0; i < dst.numbers.size(); ++i)
        if (dst.numbers[i] <= 0) diff_dst.numbers[i] = 0;
    Gradients<float> gradients{.diff_weights = diff_weights.view, .diff_bias = diff_bias.data()};
    if (diff_src != nullptr) gradients.diff_src = diff_src->view;
    return tapwise::backward(problem, diff_dst.view, src.view, weights.view, gradients);
  }

  void step(float rate) {
    for (std::size_t i = 0; i < weights.numbers.size(); ++i) weights.numbers[i] -= rate * diff_weights.numbers[i];
    for (std::size_t i = 0; i < bias.size(); ++i) bias[i] -= rate * diff_bias[i];
  }
};

}  // namespace

int main() {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  Layer hidden_bank(kChannels, kOut, false, random), first(kChannels, kHidden, true, random),
      second(kHidden, kOut, false, random);
  Tensor src({kBatch, kChannels, 1, kSize, kSize});
  double begin = 0, loss = 0;
  for (int step = 0; step < 300; ++step) {
    for (float& x : src.numbers) x = normal(random);
    for (Layer* layer : {&hidden_bank, &first})
      if (const Status s = layer->forward(src); !s.ok()) return std::fprintf(stderr, "%s\n", s.message()), 1;
    if (const Status s = second.forward(first.dst); !s.ok()) return std::fprintf(stderr, "%s\n", s.message()), 1;

    loss = 0;
    const auto count = static_cast<float>(second.dst.numbers.size());
    for (std::size_t i = 0; i < second.dst.numbers.size(); ++i) {
      const float off = second.dst.numbers[i] - hidden_bank.dst.numbers[i];
      loss += off * off / count;
      second.diff_dst.numbers[i] = 2 * off / count;
    }
    if (step == 0) begin = loss;
    if (const Status s = second.backward(first.dst, &first.diff_dst); !s.ok())
      return std::fprintf(stderr, "%s\n", s.message()), 1;
    if (const Status s = first.backward(src, nullptr); !s.ok()) return std::fprintf(stderr, "%s\n", s.message()), 1;
    second.step(0.3f);
    first.step(0.3f);
    if (step % 60 == 0) std::printf("step %3d: loss %.4f\n", step, loss);
  }
  std::printf("loss %.4f at first, %.4f at last\n", begin, loss);
  return loss < begin / 5 ? 0 : 1;
}
