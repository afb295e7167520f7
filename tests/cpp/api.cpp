// What the C++ and C interfaces promise beside results: interleaved views are no overlap, a workspace means no
// allocation, views come from spans, all gradients come in one call, and every status of the C functions can be had.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <thread>
#include <vector>

#include "tapwise/tapwise.h"
#include "tapwise/tapwise.hpp"

namespace {

std::atomic<long> allocations{0};
int failures = 0;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::printf("not so: %s\n", what);
  ++failures;
}

}  // namespace

// Every allocation of the program, where no sanitizer has allocators of its own.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if !defined(SANITIZED) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTED 1
void* operator new(std::size_t bytes) {
  ++allocations;
  void* const block = std::malloc(bytes);
  if (block == nullptr) std::abort();
  return block;
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
#if defined(__GLIBC__)
extern "C" void* __libc_memalign(std::size_t alignment, std::size_t bytes);
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  ++allocations;
  return __libc_memalign(alignment, bytes);
}
#endif
#endif

namespace {

using namespace tapwise;
using Shape = std::array<std::int64_t, 5>;

struct Memory {
  std::unique_ptr<void, decltype(&std::free)> block{nullptr, &std::free};
  explicit Memory(std::int64_t bytes)
      : block(std::aligned_alloc(64, static_cast<std::size_t>((bytes + 127) / 64 * 64)), &std::free) {}
};

std::vector<float> numbers(std::int64_t count) {
  std::vector<float> v(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(i * 7 % 11) - 5;
  return v;
}

const ConvProblem kProblem{.batch = 2,
                           .in_channels = 6,
                           .out_channels = 8,
                           .src = {1, 9, 11},
                           .kernel = {1, 3, 3},
                           .stride = {1, 2, 2},
                           .pad_low = {0, 1, 1},
                           .pad_high = {0, 1, 1}};
const Shape kSrc{2, 6, 1, 9, 11}, kWeights{8, 6, 1, 3, 3}, kDst{2, 8, 1, 5, 6};
constexpr std::int64_t kSrcCount = 2 * 6 * 9 * 11, kWeightsCount = 8 * 6 * 9, kDstCount = 2 * 8 * 5 * 6;

void interleaved_views() {
  // src and dst are the first and the last channels of one array, channels last: their memory interleaves.
  std::vector<float> both = numbers(2 * 9 * 11 * 14);
  const ConvProblem p{.batch = 2, .in_channels = 6, .out_channels = 8, .src = {1, 9, 11}};
  const auto all = dense_view(both.data(), {2, 14, 1, 9, 11}, {0, 2, 3, 4, 1});
  TensorView<float> src = all, dst = all;
  src.shape[1] = 6;
  dst.shape[1] = 8;
  dst.data += 6;
  const std::vector<float> w = numbers(8 * 6), before = both;
  const auto weights = dense_view<const float>(w.data(), {8, 6, 1, 1, 1});
  expect(static_cast<bool>(forward<float>(p, src, weights, nullptr, dst)), "channels of one array are no overlap");
  bool kept = true;
  for (std::size_t i = 0; i < both.size(); ++i) kept = kept && (i % 14 >= 6 || both[i] == before[i]);
  expect(kept, "src is as it was");
  dst.data -= 1;
  expect(forward<float>(p, src, weights, nullptr, dst).code == Code::invalid_argument, "one channel of both is one");
}

void nothing_is_allocated() {
  const std::vector<float> x = numbers(kSrcCount), w = numbers(kWeightsCount), dy = numbers(kDstCount);
  std::vector<float> y(kDstCount), dx(kSrcCount), dw(kWeightsCount), db(8);
  const auto src = dense_view<const float>(x.data(), kSrc), weights = dense_view<const float>(w.data(), kWeights),
             diff_dst = dense_view<const float>(dy.data(), kDst);
  Options options{.threads = 1};
  std::int64_t most = 0;
  for (const Direction direction :
       {Direction::forward, Direction::backward_data, Direction::backward_weights, Direction::backward_bias}) {
    std::int64_t bytes = 0;
    expect(static_cast<bool>(workspace_size<float>(kProblem, direction, options, bytes)), "a workspace has a size");
    most = std::max(most, bytes);
  }
  const Memory memory(most);
  options.workspace = {memory.block.get(), most};
  const Gradients<float> gradients{dense_view(dx.data(), kSrc), dense_view(dw.data(), kWeights), db.data()};
  [[maybe_unused]] const long before = allocations;
  const Status ran = forward<float>(kProblem, src, weights, nullptr, dense_view(y.data(), kDst), options);
  const Status back = backward<float>(kProblem, diff_dst, src, weights, gradients, options);
#if defined(COUNTED)
  expect(allocations == before, "nothing is allocated");
#endif
  expect(ran && back, "a workspace of the size that was asked for is enough");

  std::vector<float> dx1(kSrcCount), dw1(kWeightsCount), db1(8);
  expect(backward_data<float>(kProblem, diff_dst, weights, nullptr, dense_view(dx1.data(), kSrc)) &&
             backward_weights<float>(kProblem, diff_dst, src, dense_view(dw1.data(), kWeights)) &&
             backward_bias<float>(diff_dst, VectorView<float>(db1.data())),
         "gradients one by one");
  expect(dx == dx1 && dw == dw1 && db == db1, "backward() is its three parts");
  std::vector<float> again(kSrcCount);
  expect(transposed<float>(kProblem, diff_dst, weights, nullptr, dense_view(again.data(), kSrc)) && again == dx,
         "transposed() is the gradient by the input");
}

void views() {
  std::vector<float> room(kSrcCount);
  expect(dense_view(std::span(room), kSrc).data == room.data(), "a span that is long enough has data");
  expect(dense_view(std::span(room).first(kSrcCount - 1), kSrc).data == nullptr, "one that is too short has none");
  expect(dense_view(std::span(room).first(0), kSrc).data == nullptr, "nor has an empty one");
}

void workspaces() {
  // Of a gradient in another layout than its input, alone, and of a transposed convolution that lacks a position.
  const std::vector<float> w = numbers(kWeightsCount), dy = numbers(kDstCount);
  std::vector<float> dx(kSrcCount);
  const auto weights = dense_view<const float>(w.data(), kWeights), diff_dst = dense_view<const float>(dy.data(), kDst);
  const auto last = dense_view(dx.data(), kSrc, {0, 2, 3, 4, 1});
  Options options{.threads = 2};
  std::int64_t bytes = 0;
  expect(static_cast<bool>(workspace_size<float>(kProblem, Direction::backward_data, last, diff_dst, options, bytes)),
         "a gradient's workspace has a size");
  const Memory memory(bytes);
  options.workspace = {memory.block.get(), bytes};
  expect(static_cast<bool>(backward<float>(kProblem, diff_dst, {}, weights, {last, {}, {}}, options)),
         "the gradient by the input needs no input");

  const ConvProblem dilated{.src = {1, 1, 12}, .kernel = {1, 1, 2}, .dilation = {1, 1, 4}};
  const float x[6] = {1, 2, 3, 4, 5, 6}, taps[2] = {1, 1};
  float y[12];
  const auto few = dense_view<const float>(x, {1, 1, 1, 1, 6});
  const auto whole = dense_view<float>(y, {1, 1, 1, 1, 12});
  options = {.threads = 1};
  expect(static_cast<bool>(workspace_size<float>(dilated, Direction::backward_data, whole, few, options, bytes)),
         "so has a transposed convolution's");
  const Memory other(bytes);
  options.workspace = {other.block.get(), bytes};
  expect(transposed<float>(dilated, few, dense_view<const float>(taps, {1, 1, 1, 1, 2}), nullptr, whole, options) &&
             y[0] == 1 && y[4] == 6,
         "and it is enough");

  // What grows with a dilation is no list of a thread.
  const ConvProblem far{.in_channels = 64,
                        .out_channels = 64,
                        .groups = 64,
                        .src = {1, 1, 16},
                        .kernel = {1, 1, 2},
                        .dilation = {1, 1, 1'000'000},
                        .pad_low = {0, 0, 1'000'000}};
  expect(workspace_size<float>(far, Direction::backward_weights, {.threads = 1}, bytes) && bytes < (2 << 20),
         "a huge dilation needs no more");
}

void default_workspace() {
  std::int64_t bytes = 0;
  expect(workspace_size<float>(kProblem, Direction::forward, Options{}, bytes) &&
             workspace_size<float>(kProblem, Direction::forward, Algorithm::direct) == bytes && bytes > 0,
         "a workspace for the default options");
  expect(workspace_size<double>({.groups = 0}, Direction::backward_weights) == -1, "no workspace without a problem");
}

void sizes_that_wrap() {
  // Strides whose product is 2^64, and an empty batch of images whose pixels are 2^80.
  const ConvProblem strided{
      .out_channels = 16, .src = {1, 3, 5}, .stride = {1, std::int64_t{1} << 32, std::int64_t{1} << 32}};
  std::vector<float> x(15), w(16), y(16);
  expect(static_cast<bool>(backward_data<float>(strided, dense_view<const float>(y.data(), {1, 16, 1, 1, 1}),
                                                dense_view<const float>(w.data(), {16, 1, 1, 1, 1}), nullptr,
                                                dense_view(x.data(), {1, 1, 1, 3, 5}))),
         "huge strides");
  constexpr std::int64_t kHuge = std::int64_t{1} << 40;
  const ConvProblem empty{.batch = 0, .in_channels = 8, .out_channels = 8, .src = {kHuge, kHuge, kHuge}};
  Plan<float> plan;
  const Shape shape{0, 8, kHuge, kHuge, kHuge};
  expect(Plan<float>::create(empty, dense_view<const float>(nullptr, shape), dense_view<const float>(nullptr, shape),
                             false, plan)
                 .code == Code::overflow,
         "an empty batch of images that cannot be");
}

void nobody_s_threads() {
  // A ParallelFor without a function, and the default number of threads changing all the time.
  const std::vector<float> x = numbers(kSrcCount), w = numbers(kWeightsCount);
  std::vector<float> y(kDstCount);
  const ParallelFor none{.workers = 1 << 30};
  expect(static_cast<bool>(forward<float>(kProblem, dense_view<const float>(x.data(), kSrc),
                                          dense_view<const float>(w.data(), kWeights), nullptr,
                                          dense_view(y.data(), kDst), {.parallel = &none})),
         "without a function it is OpenMP");

  const ConvProblem phases{.batch = 4,
                           .in_channels = 8,
                           .out_channels = 16,
                           .src = {1, 68, 68},
                           .kernel = {1, 17, 17},
                           .stride = {1, 17, 17}};
  const std::vector<float> w2 = numbers(8 * 16 * 17 * 17), dy = numbers(4 * 16 * 4 * 4);
  std::vector<float> dx(4 * 8 * 68 * 68);
  std::int64_t bytes = 0;
  set_num_threads(1);
  expect(static_cast<bool>(workspace_size<float>(phases, Direction::backward_data, {}, bytes)), "phases have a size");
  const Memory memory(bytes);
  auto* const guard = static_cast<std::byte*>(memory.block.get()) + bytes;
  std::atomic<bool> stop{false};
  std::thread other([&] {
    for (int threads = 1; !stop; threads = 3 - threads) set_num_threads(threads);
  });
  bool kept = true;
  for (int i = 0; i < 50; ++i) {
    *guard = std::byte{77};
    static_cast<void>(backward_data<float>(phases, dense_view<const float>(dy.data(), {4, 16, 1, 4, 4}),
                                           dense_view<const float>(w2.data(), {16, 8, 1, 17, 17}), nullptr,
                                           dense_view(dx.data(), {4, 8, 1, 68, 68}),
                                           {.workspace = {memory.block.get(), bytes}}));
    kept = kept && *guard == std::byte{77};
  }
  stop = true;
  other.join();
  set_num_threads(0);
  expect(kept, "a call keeps to the threads that its workspace was measured for");
}

tapwise_problem c_problem() {
  tapwise_problem p = TAPWISE_PROBLEM_INIT;
  p.batch = 2, p.in_channels = 6, p.out_channels = 8;
  p.src[1] = 9, p.src[2] = 11;
  p.kernel[1] = p.kernel[2] = 3;
  p.stride[1] = p.stride[2] = 2;
  p.pad_low[1] = p.pad_low[2] = p.pad_high[1] = p.pad_high[2] = 1;
  return p;
}

void c_functions() {
  std::vector<float> x = numbers(kSrcCount), w = numbers(kWeightsCount), dy = numbers(kDstCount), b = numbers(8);
  std::vector<float> y(kDstCount), expected(kDstCount), dx(kSrcCount), dw(kWeightsCount), db(8);
  tapwise_problem problem = c_problem();
  const tapwise_tensor src = tapwise_dense(x.data(), TAPWISE_FLOAT32, kSrc.data(), 0),
                       weights = tapwise_dense(w.data(), TAPWISE_FLOAT32, kWeights.data(), 0),
                       dst = tapwise_dense(y.data(), TAPWISE_FLOAT32, kDst.data(), 0),
                       diff_dst = tapwise_dense(dy.data(), TAPWISE_FLOAT32, kDst.data(), 0),
                       diff_src = tapwise_dense(dx.data(), TAPWISE_FLOAT32, kSrc.data(), 0),
                       diff_weights = tapwise_dense(dw.data(), TAPWISE_FLOAT32, kWeights.data(), 0);
  const tapwise_vector bias{b.data(), sizeof(float)}, diff_bias{db.data(), sizeof(float)};
  int64_t size[3];
  expect(tapwise_dst_size(&problem, size) == TAPWISE_OK && size[0] == 1 && size[1] == 5 && size[2] == 6, "dst's size");
  tapwise_options options = TAPWISE_OPTIONS_INIT;
  options.relu = 1;
  expect(tapwise_forward(TAPWISE_FLOAT32, &problem, &src, &weights, &bias, &dst, &options) == TAPWISE_OK, "forward");
  expect(static_cast<bool>(forward<float>(kProblem, dense_view<const float>(x.data(), kSrc),
                                          dense_view<const float>(w.data(), kWeights), b.data(),
                                          dense_view(expected.data(), kDst), {.relu = true})) &&
             y == expected,
         "C and C++ give the same");
  expect(
      tapwise_backward_data(TAPWISE_FLOAT32, &problem, &diff_dst, &weights, nullptr, &diff_src, nullptr) ==
              TAPWISE_OK &&
          tapwise_backward_weights(TAPWISE_FLOAT32, &problem, &diff_dst, &src, &diff_weights, nullptr) == TAPWISE_OK &&
          tapwise_backward_bias(TAPWISE_FLOAT32, &diff_dst, &diff_bias, nullptr) == TAPWISE_OK,
      "gradients");

  tapwise_plan* plan = nullptr;
  expect(tapwise_plan_create(TAPWISE_FLOAT32, &problem, &src, &dst, 1, &plan) == TAPWISE_OK, "a plan");
  expect(tapwise_plan_update(plan, &weights, &bias) == TAPWISE_OK, "its weights");
  std::fill(y.begin(), y.end(), 0.0f);
  expect(tapwise_plan_run(plan, &src, &dst, nullptr) == TAPWISE_OK && y == expected, "a run of it");
  tapwise_plan_destroy(plan);

  // Every status.
  const auto run = [&](const tapwise_tensor* to) {
    return tapwise_forward(TAPWISE_FLOAT32, &problem, &src, &weights, nullptr, to, &options);
  };
  expect(run(nullptr) == TAPWISE_INVALID_ARGUMENT && std::strlen(tapwise_last_error()) > 0, "null");
  expect(run(&src) == TAPWISE_INVALID_ARGUMENT, "a wrong shape");
  options.workspace = y.data();
  options.workspace_bytes = 1;
  expect(run(&dst) == TAPWISE_BAD_WORKSPACE, "a small workspace");
  options = TAPWISE_OPTIONS_INIT;
  expect(tapwise_forward(7, &problem, &src, &weights, nullptr, &dst, nullptr) == TAPWISE_INVALID_ARGUMENT, "no type");
  problem.struct_size = 0;
  expect(run(&dst) == TAPWISE_INVALID_ARGUMENT, "a structure without a size");
  problem = c_problem();
  problem.src[2] = std::int64_t{1} << 39;
  problem.batch = std::int64_t{1} << 39;
  expect(run(&dst) == TAPWISE_OVERFLOW, "sizes that overflow");
  // A caller of an older version knows fewer fields.
  problem = c_problem();
  problem.flip = 1;
  problem.struct_size = offsetof(tapwise_problem, flip);
  expect(run(&dst) == TAPWISE_OK, "a shorter structure");
  problem = TAPWISE_PROBLEM_INIT;
  problem.in_channels = std::int64_t{1} << 30;
  problem.src[2] = problem.kernel[2] = 1 << 18;
  const int64_t huge[5] = {1, std::int64_t{1} << 30, 1, 1, 1 << 18}, one[5] = {1, 1, 1, 1, 1};
  tapwise_tensor wide = tapwise_dense(x.data(), TAPWISE_FLOAT32, huge, 0);
  std::memset(wide.stride, 0, sizeof wide.stride);
  const tapwise_tensor single = tapwise_dense(y.data(), TAPWISE_FLOAT32, one, 0);
  expect(tapwise_forward(TAPWISE_FLOAT32, &problem, &wide, &wide, nullptr, &single, nullptr) == TAPWISE_OUT_OF_MEMORY,
         "too little memory");
  expect(std::strcmp(tapwise_version(), TAPWISE_VERSION) == 0 && tapwise_abi_version() == TAPWISE_ABI, "versions");
}

}  // namespace

int main() {
  const char* isa = nullptr;
  if (const Status status = active_isa(&isa); !status) {
    // TAPWISE_ISA names one that is not there: every call says so, and nothing else happens.
    float number = 0;
    const auto one = dense_view<float>(&number, {1, 1, 1, 1, 1});
    float result = 5;
    const Status refused = forward<float>({}, one, one, nullptr, dense_view<float>(&result, {1, 1, 1, 1, 1}));
    expect(refused.code == Code::unsupported && result == 5, "an unusable instruction set is refused");
    std::printf("unsupported: %s\n", status.message());
    return failures == 0 ? 3 : 1;
  }
  interleaved_views();
  nothing_is_allocated();
  views();
  workspaces();
  default_workspace();
  sizes_that_wrap();
  nobody_s_threads();
  c_functions();
  std::printf("the interfaces on %s, %d failures\n", isa, failures);
  return failures == 0 ? 0 : 1;
}
