// Calls that must be refused with a status, before any memory is touched: every buffer here is null or too small.
#include <cstdint>
#include <cstdio>
#include <functional>

#include "tapwise/tapwise.hpp"

namespace {

using namespace tapwise;
using Shape = std::array<std::int64_t, 5>;

struct Call {
  const char* name;
  Code code;
  std::function<Status()> make;
};

float number = 0;

TensorView<float> one(const Shape& shape) { return {&number, shape, {}}; }  // all of it in one place
TensorView<float> dense(float* data, const Shape& shape) { return dense_view(data, shape); }

// A 1-D problem: 4 channels to 6, 8 positions, 3 taps.
ConvProblem small() { return {.in_channels = 4, .out_channels = 6, .src = {1, 1, 8}, .kernel = {1, 1, 3}}; }
const Shape kSrc{1, 4, 1, 1, 8}, kWeights{6, 4, 1, 1, 3}, kDst{1, 6, 1, 1, 6};
ConvProblem pooling() {
  return {.in_channels = 4, .out_channels = 4, .groups = 4, .src = {1, 1, 8}, .kernel = {1, 1, 3}};
}
const Shape kPooled{1, 4, 1, 1, 6};

// Sizes whose products do not fit, on views that need no memory.
ConvProblem huge(std::int64_t channels, std::int64_t taps) {
  return {.in_channels = channels, .out_channels = 1, .src = {1, 1, taps}, .kernel = {1, 1, taps}};
}

Status call_forward(const ConvProblem& p, const TensorView<float>& src, const TensorView<float>& weights,
                    const TensorView<float>& dst) {
  return forward<float>(p, src, weights, nullptr, dst);
}

Status huge_forward(std::int64_t channels, std::int64_t taps) {
  const Shape shape{1, channels, 1, 1, taps};
  static float result = 0;
  return call_forward(huge(channels, taps), one(shape), one(shape), dense(&result, {1, 1, 1, 1, 1}));
}

ConvProblem with(void (*change)(ConvProblem&)) {
  ConvProblem p = small();
  change(p);
  return p;
}

Status invalid(void (*change)(ConvProblem&)) { return validate(with(change)); }

// All gradients, one of them into memory that another reads.
enum Into { kWeightsAt, kBiasOfWeights, kBiasOfSrc, kDataOfDst };
Status backward_into(Into into) {
  static float x[32], w[72], y[36], dx[32], dw[72], db[6], relu[36];
  Gradients<float> g{dense(dx, kSrc), dense(dw, kWeights), {db}};
  if (into == kWeightsAt) g.diff_weights.data = w;
  if (into == kBiasOfWeights) g.diff_bias.data = w + 3;
  if (into == kBiasOfSrc) g.diff_bias.data = x + 3;
  if (into == kDataOfDst) g.diff_src.data = relu;
  return backward<float>(small(), dense(y, kDst), dense(x, kSrc), dense(w, kWeights), g, {}, dense(relu, kDst));
}

constexpr std::int64_t kHuge = std::int64_t{1} << 62;

const Call kCalls[] = {
    {"groups that do not divide", Code::invalid_argument, [] { return invalid([](auto& p) { p.groups = 3; }); }},
    {"stride 0", Code::invalid_argument, [] { return invalid([](auto& p) { p.stride[2] = 0; }); }},
    {"stride 2^62", Code::invalid_argument, [] { return invalid([](auto& p) { p.stride[2] = kHuge; }); }},
    {"dilation 2^62", Code::invalid_argument, [] { return invalid([](auto& p) { p.dilation[2] = kHuge; }); }},
    {"padding 2^62", Code::invalid_argument, [] { return invalid([](auto& p) { p.pad_low[2] = kHuge; }); }},
    {"negative padding", Code::invalid_argument, [] { return invalid([](auto& p) { p.pad_high[2] = -1; }); }},
    {"no output", Code::invalid_argument, [] { return invalid([](auto& p) { p.src[2] = 2; }); }},
    {"negative batch", Code::invalid_argument, [] { return invalid([](auto& p) { p.batch = -1; }); }},
    {"null src", Code::invalid_argument,
     [] { return call_forward(small(), dense(nullptr, kSrc), one(kWeights), dense(nullptr, kDst)); }},
    {"null dst", Code::invalid_argument,
     [] { return call_forward(small(), one(kSrc), one(kWeights), dense(nullptr, kDst)); }},
    {"wrong src", Code::invalid_argument,
     [] { return call_forward(small(), one({1, 4, 1, 1, 9}), one(kWeights), dense(&number, kDst)); }},
    {"wrong weights", Code::invalid_argument,
     [] { return call_forward(small(), one(kSrc), one({6, 3, 1, 1, 3}), dense(&number, kDst)); }},
    {"dst in one place", Code::invalid_argument,
     [] { return call_forward(small(), one(kSrc), one(kWeights), one(kDst)); }},
    {"a stride that reaches too far", Code::overflow,
     [] {
       TensorView<float> src = one(kSrc);
       src.stride[4] = kHuge;
       return call_forward(small(), src, one(kWeights), dense(&number, kDst));
     }},
    {"diff_dst of a negative size", Code::invalid_argument,
     [] {
       ConvProblem p = small();
       p.src[2] = 30;
       p.dilation[2] = 14;
       return backward_data<float>(p, one({1, 6, 1, 1, -11}), one(kWeights), nullptr, dense(&number, {1, 4, 1, 1, 30}));
     }},
    {"src of 2^60 bytes", Code::overflow, [] { return huge_forward(std::int64_t{1} << 40, 1 << 18); }},
    {"a workspace that cannot be", Code::out_of_memory, [] { return huge_forward(std::int64_t{1} << 30, 1 << 18); }},
    {"a plan that cannot be", Code::out_of_memory,
     [] {
       Plan<double> plan;
       const Shape shape{1, std::int64_t{1} << 31, 1, 1, 1 << 18};
       return Plan<double>::create(huge(shape[1], shape[4]), {nullptr, shape, {}}, {}, false, plan);
     }},
    {"a plan that was not created", Code::invalid_argument,
     [] { return Plan<float>{}.run(one(kSrc), dense(&number, kDst)); }},
    {"an update of it", Code::invalid_argument, [] { return Plan<float>{}.update(one(kWeights), nullptr); }},
    {"dst that is src", Code::invalid_argument,
     [] {
       static float numbers[64];
       return call_forward(small(), dense(numbers, kSrc), one(kWeights), dense(numbers + 8, kDst));
     }},
    {"diff_weights in diff_dst", Code::invalid_argument,
     [] {
       static float numbers[100];
       return backward_weights<float>(small(), dense(numbers, kDst), one(kSrc), dense(numbers + 20, kWeights));
     }},
    {"gradients in one place", Code::invalid_argument,
     [] {
       static float numbers[100];
       return backward<float>(small(), one(kDst), one(kSrc), one(kWeights),
                              {dense(numbers, kSrc), dense(numbers, kWeights), {}});
     }},
    {"a bias gradient of one stride too small", Code::invalid_argument,
     [] {
       static float numbers[8];
       return backward_bias<float>(one(kDst), {numbers, 2});
     }},
    {"a workspace that is too small", Code::bad_workspace,
     [] {
       alignas(64) static std::byte room[64];
       static float numbers[64];
       return forward<float>(small(), one(kSrc), one(kWeights), nullptr, dense(numbers, kDst),
                             {.workspace = {room, sizeof room}});
     }},
    {"a workspace between lines", Code::bad_workspace,
     [] {
       alignas(64) static std::byte room[1 << 16];
       static float numbers[64];
       return forward<float>(small(), one(kSrc), one(kWeights), nullptr, dense(numbers, kDst),
                             {.workspace = {room + 4, sizeof room - 4}});
     }},
    {"a workspace too small for the second gradient", Code::bad_workspace,
     [] {
       alignas(64) static std::byte room[1 << 16];
       static float numbers[200];
       Options options{.workspace = {room, 0}};
       if (Status s = workspace_size<float>(small(), Direction::backward_bias, options, options.workspace.bytes); !s)
         return s;
       numbers[0] = 3;
       const Status s = backward<float>(small(), one(kDst), one(kSrc), one(kWeights),
                                        {dense(numbers, kSrc), dense(numbers + 100, kWeights), {}}, options);
       return numbers[0] == 3 ? s : Status{};
     }},
    {"pooling into itself", Code::invalid_argument,
     [] {
       static float numbers[64];
       return max_pool<float>(pooling(), dense(numbers, {1, 4, 1, 1, 8}), dense(numbers + 1, kPooled));
     }},
    {"relu into its neighbours", Code::invalid_argument,
     [] {
       static float numbers[8];
       return relu<float>({5}, AnyView<const float>{numbers, {4}}, AnyView<float>{numbers + 1, {4}});
     }},
    {"pooling into less", Code::invalid_argument,
     [] {
       return max_pool_backward<float>(pooling(), one(kPooled), one({1, 4, 1, 1, 8}), dense(&number, {1, 4, 1, 1, 7}));
     }},
    {"pooling of nothing", Code::invalid_argument,
     [] { return max_pool<float>(pooling(), dense(nullptr, {1, 4, 1, 1, 8}), dense(&number, kPooled)); }},
    {"pooling of padding", Code::invalid_argument,
     [] {
       ConvProblem p = pooling();
       p.pad_low[2] = 3;
       return max_pool<float>(p, one({1, 4, 1, 1, 8}), dense(&number, {1, 4, 1, 1, 9}));
     }},
    {"relu of nothing", Code::invalid_argument,
     [] { return relu<float>({5}, AnyView<const float>{nullptr, {4}}, AnyView<float>{&number, {4}}); }},
    {"relu with too few strides", Code::invalid_argument,
     [] { return relu<float>({5, 2}, AnyView<const float>{&number, {4}}, AnyView<float>{&number, {8, 4}}); }},
    {"relu of 2^80 numbers", Code::overflow,
     [] {
       const std::int64_t n = std::int64_t{1} << 40;
       return relu<float>({n, n}, AnyView<const float>{&number, {0, 0}}, AnyView<float>{&number, {n * 4, 4}});
     }},
    {"relu of a negative size", Code::invalid_argument,
     [] { return relu<float>({-5}, AnyView<const float>{&number, {4}}, AnyView<float>{&number, {4}}); }},
    {"a gradient into the weights", Code::invalid_argument, [] { return backward_into(kWeightsAt); }},
    {"a gradient by the bias into the weights", Code::invalid_argument, [] { return backward_into(kBiasOfWeights); }},
    {"a gradient by the bias into src", Code::invalid_argument, [] { return backward_into(kBiasOfSrc); }},
    {"a gradient through a ReLU into its result", Code::invalid_argument, [] { return backward_into(kDataOfDst); }},
    {"a result of the ReLU of another shape", Code::invalid_argument,
     [] {
       static float x[32], w[72], y[36], dw[72];
       const Gradients<float> g{{}, dense(dw, kWeights), {}};
       return backward<float>(small(), dense(y, kDst), dense(x, kSrc), dense(w, kWeights), g, {},
                              dense(y, {1, 6, 1, 1, 5}));
     }},
    {"a transposed gradient of another shape", Code::invalid_argument,
     [] {
       static float x[32], w[72], y[36], dw[72];
       const Gradients<float> g{{}, dense(dw, kWeights), {}};
       return transposed_backward<float>(small(), dense(x, {1, 4, 1, 1, 7}), dense(y, kDst), dense(w, kWeights), g);
     }},
    {"diff_dst of a size that has no negative", Code::invalid_argument,
     [] {
       ConvProblem p = small();
       p.dilation[2] = 2;
       return backward_data<float>(p, one({1, 6, 1, 1, INT64_MIN}), one(kWeights), nullptr, dense(&number, kSrc));
     }},
    {"a workspace of 2^66 bytes", Code::overflow,
     [] {
       ConvProblem p{.batch = 512, .src = {1, 1, std::int64_t{1} << 40}};
       p.kernel = {1, 1, (std::int64_t{1} << 40) - 64};
       const ParallelFor many{[](auto...) {}, nullptr, 1 << 20};
       std::int64_t bytes = 0;
       return workspace_size<double>(p, Direction::forward, Options{.threads = 1 << 20, .parallel = &many}, bytes);
     }},
    {"an index of a winner beyond its plane", Code::invalid_argument,
     [] {
       static float y[24], x[32];
       static const std::int64_t winners[24] = {8};
       return max_pool_backward<float>(pooling(), dense(y, kPooled), {}, dense(x, {1, 4, 1, 1, 8}), {},
                                       dense_view(winners, kPooled));
     }},
    {"a mean over more than the padding", Code::invalid_argument,
     [] {
       static float y[24], x[32];
       return average_pool<float>(pooling(), dense(x, {1, 4, 1, 1, 8}), dense(y, kPooled), {true, {0, 0, 1}});
     }},
    {"a bias gradient into nothing", Code::invalid_argument, [] { return backward_bias<float>(one(kDst), nullptr); }},
};

// Of an empty batch no stride is looked at.
int count_empty_batches() {
  ConvProblem p = small();
  p.batch = 0;
  const auto far = [](Shape shape) {
    shape[0] = 0;
    return TensorView<float>{&number, shape, {kHuge, kHuge, kHuge, kHuge, kHuge}};
  };
  static float dw[72], db[6];
  const Gradients<float> g{far(kSrc), dense(dw, kWeights), {db}};
  const Status statuses[] = {forward<float>(p, far(kSrc), one(kWeights), nullptr, far(kDst)),
                             backward_data<float>(p, far(kDst), one(kWeights), nullptr, far(kSrc)),
                             backward_weights<float>(p, far(kDst), far(kSrc), dense(dw, kWeights)),
                             backward<float>(p, far(kDst), far(kSrc), one(kWeights), g),
                             transposed_backward<float>(p, far(kSrc), far(kDst), one(kWeights),
                                                        {far(kDst), dense(dw, kWeights), {nullptr, 0}})};
  int failures = 0;
  for (const Status& status : statuses) {
    if (status.ok()) continue;
    std::printf("an empty batch: %s\n", status.message());
    ++failures;
  }
  return failures;
}

}  // namespace

int main() {
  int failures = count_empty_batches();
  for (const Call& call : kCalls) {
    const Status status = call.make();
    if (status.code == call.code && *status.message() != '\0') continue;
    std::printf("%s: code %d, message \"%s\"\n", call.name, static_cast<int>(status.code), status.message());
    ++failures;
  }
  std::printf("%zu calls to refuse, %d failures\n", std::size(kCalls), failures);
  return failures == 0 ? 0 : 1;
}
