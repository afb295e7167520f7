// Views of every kind of memory, calls that take their number type from the result, and what a Status says.
#include <array>
#include <cstdio>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "tapwise/tapwise.hpp"

namespace {

using namespace tapwise;
using Shape = std::array<std::int64_t, 5>;

int failures = 0;

void expect(bool holds, const char* what) {
  if (holds) return;
  std::printf("not so: %s\n", what);
  ++failures;
}

constexpr Shape kFour{1, 1, 1, 2, 2}, kFive{1, 1, 1, 1, 5};

// A view of T's on these four numbers, and one without data for a fifth.
template <class T, class Memory>
void four(Memory&& memory, T* data, const char* what) {
  static_assert(std::is_same_v<decltype(dense_view(memory, kFour)), TensorView<T>>);
  expect(dense_view(memory, kFour).data == data, what);
  expect(
      dense_view(memory, kFour).stride == Shape{4 * sizeof(T), 4 * sizeof(T), 4 * sizeof(T), 2 * sizeof(T), sizeof(T)},
      what);
  expect(dense_view(memory, kFive).data == nullptr, what);
  using Const = const std::remove_const_t<T>;
  static_assert(std::is_same_v<decltype(dense_view<Const>(memory, kFour)), TensorView<Const>>);
  expect(dense_view<Const>(memory, kFour).data == data && dense_view<Const>(memory, kFive).data == nullptr, what);
}

template <class Memory>
concept Viewable = requires(Memory&& memory) { dense_view<float>(static_cast<Memory&&>(memory), kFour); };

void memory_of_every_kind() {
  std::vector<float> vector(4);
  const std::vector<double> constant(4);
  std::array<double, 4> array{};
  const std::array<float, 4> fixed{};
  float numbers[4] = {};
  const double constants[4] = {};
  four<float>(vector, vector.data(), "a vector");
  four<const double>(constant, constant.data(), "a const vector");
  four<double>(array, array.data(), "an array");
  four<const float>(fixed, fixed.data(), "a const array");
  four<float>(numbers, numbers, "a C array");
  four<const double>(constants, constants, "a const C array");
  four<float>(std::span(vector), vector.data(), "a span");
  four<float>(std::span(numbers), numbers, "a span of known size");
  four<const float>(std::span<const float>(vector), vector.data(), "a span of const numbers");

  expect(dense_view(vector.data(), kFive).data == vector.data(), "a pointer is taken at its word");
  expect(dense_view<const float>(nullptr, kFive).data == nullptr, "null");
  expect(dense_view(vector, {1, 2, 1, 1, 2}, {0, 2, 3, 4, 1}).stride == Shape{16, 4, 16, 16, 8}, "channels last");
  expect(dense_view(std::span(vector).first(0), {0, 3, 1, 1, 1}).stride[0] == 12, "nothing is enough for nothing");
  expect(dense_view(vector, {1, -1, 1, 1, -4}).data == nullptr, "sizes below 0 have no memory");
  expect(dense_view(vector, {std::int64_t{1} << 32, std::int64_t{1} << 32, 1, 1, 1}).data == nullptr, "2^64 numbers");

  static_assert(!Viewable<std::vector<float>>, "the memory would be gone");
  static_assert(!Viewable<const std::vector<float>&>, "it must not be written to");
  static_assert(!Viewable<std::vector<double>&> && !Viewable<double*>, "numbers of another type");
  static_assert(Viewable<std::vector<float>&> && Viewable<float*> && Viewable<std::nullptr_t>);
}

void calls_without_a_type() {
  const ConvProblem p{.src = {1, 1, 4}, .kernel = {1, 1, 2}};
  std::vector<float> x{1, 2, 3, 4}, w{1, 10}, y(3), dx(4), dw(2), bias{100}, db(1);
  const auto src = dense_view(x, {1, 1, 1, 1, 4}), weights = dense_view(w, {1, 1, 1, 1, 2});
  const auto dst = dense_view(y, {1, 1, 1, 1, 3}), diff_src = dense_view(dx, {1, 1, 1, 1, 4});
  const auto diff_weights = dense_view(dw, {1, 1, 1, 1, 2});
  const TensorView<const float> read_only = src;

  expect(forward(p, src, weights, nullptr, dst).ok() && y == std::vector<float>{21, 32, 43}, "forward");
  expect(forward(p, read_only, weights, bias.data(), dst).ok() && y == std::vector<float>{121, 132, 143},
         "with a bias");
  y = {1, 2, 3};
  expect(backward_data(p, dst, weights, nullptr, diff_src).ok() && dx == std::vector<float>{1, 12, 23, 30}, "data");
  expect(transposed(p, dst, weights, nullptr, diff_src, {.accumulate = true}).ok() &&
             dx == std::vector<float>{2, 24, 46, 60},
         "transposed");
  expect(backward_weights(p, dst, src, diff_weights).ok() && dw == std::vector<float>{14, 20}, "weights");
  expect(backward_bias<float>(dst, db.data()).ok() && db[0] == 6, "bias");
  const Gradients<float> gradients{diff_src, diff_weights, db.data()};
  dx = {0, 0, 0, 0}, dw = {0, 0}, db = {0};
  expect(backward(p, dst, src, weights, gradients).ok() && dx[3] == 30 && dw[1] == 20 && db[0] == 6, "all gradients");
  expect(max_pool(p, src, dst).ok() && y == std::vector<float>{2, 3, 4}, "max_pool");
  expect(max_pool_backward(p, dst, src, diff_src).ok() && dx == std::vector<float>{0, 2, 3, 4}, "max_pool_backward");

  std::vector<double> wide(3);
  const double x2[] = {1, 2, 3, 4}, w2[] = {0.5, 0.25};
  expect(forward(p, dense_view(x2, src.shape), dense_view(w2, weights.shape), nullptr, dense_view(wide, dst.shape)) &&
             wide == std::vector<double>{1, 1.75, 2.5},
         "float64");
}

void what_a_status_says() {
  const Status fine;
  expect(fine.ok() && fine && fine.code == Code::ok && std::string(fine.message()).empty(), "success");
  std::vector<float> x(4), w(2), y(2);
  const Status refused = forward({.src = {1, 1, 4}, .kernel = {1, 1, 2}}, dense_view(x, {1, 1, 1, 1, 4}),
                                 dense_view(w, {1, 1, 1, 1, 2}), nullptr, dense_view(y, {1, 1, 1, 1, 3}));
  expect(!refused.ok() && !refused && refused.code == Code::invalid_argument, "a vector that is too short is refused");
  expect(std::string(refused.message()).find("dst") != std::string::npos, "and its name is said");
}

}  // namespace

int main() {
  memory_of_every_kind();
  calls_without_a_type();
  what_a_status_says();
  std::printf("views, %d failures\n", failures);
  return failures == 0 ? 0 : 1;
}
