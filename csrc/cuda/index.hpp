// Where the numbers of a matrix product lie in tensors.
//
// Each direction of the product (rows, columns, depth) runs over pixels, over taps and input channels, or over output
// channels. Its positions are counted in up to four digits; what a position adds to an offset in some tensor, and to a
// place in the padded space of src, is linear in the digits.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace tapwise::cuda {

/// One direction of a product.
struct Space {
  int size[4] = {1, 1, 1, 1};  // of the digits, the fastest first
  int total = 1;               // their product
  int stride = 1;              // how far a counter moves at a time,
  int step[4] = {1, 0, 0, 0};  // and the same in digits
};

/// What the digits of a direction mean in one tensor.
struct Map {
  std::int64_t start = 0, stride[4] = {};  // in elements
  int origin[3] = {}, move[3] = {};        // in the space of src: depth, height, width
  int width = 0;                           // the digit that moves along width: 0 or 1; those after it, height and depth
};

/// What one position contributes: an element of a tensor is at the sum of two offsets, inside of src if the sum of two
/// places is. Aligned for loads of 16 bytes.
struct alignas(16) Position {
  std::int64_t offset;
  int at[3];
};

/// Places are below 2^29, so that no sum with this one is inside of anything.
inline constexpr int kOutside = -(1 << 30);

__host__ __device__ inline Position nowhere() { return {0, {kOutside, 0, 0}}; }

/// Whether the sum of two places is inside; without branches.
__device__ inline bool inside(const Position& a, const Position& b, const int (&extent)[3]) {
  bool yes = true;
#pragma unroll
  for (int x = 0; x < 3; ++x) yes &= static_cast<unsigned>(a.at[x] + b.at[x]) < static_cast<unsigned>(extent[x]);
  return yes;
}

/// A position in digits. Only the start divides.
struct Counter {
  int digit[4], index;

  __host__ __device__ static Counter at(const Space& space, int index) {
    Counter c{};
    c.index = index;
    for (int i = 0; i < 3; ++i) {
      c.digit[i] = index % space.size[i];
      index /= space.size[i];
    }
    c.digit[3] = index;
    return c;
  }

  /// Moves on by space.stride.
  __host__ __device__ void advance(const Space& space) {
    int carry = 0;
    for (int i = 0; i < 4; ++i) {
      digit[i] += space.step[i] + carry;
      carry = i < 3 && digit[i] >= space.size[i] ? 1 : 0;
      digit[i] -= carry * space.size[i];
    }
    index += space.stride;
  }
};

__host__ __device__ inline std::int64_t offset(const Map& map, const Counter& c) {
  std::int64_t offset = map.start;
  for (int i = 0; i < 4; ++i) offset += c.digit[i] * map.stride[i];
  return offset;
}

__host__ __device__ inline Position position(const Map& map, const Counter& c) {
  Position p{offset(map, c), {}};
  for (int a = 0; a < 3; ++a)  // digits by constants: an index that is not known would put them into memory
    p.at[a] = map.origin[a] + map.move[a] * (map.width == 0 ? c.digit[2 - a] : c.digit[3 - a]);
  return p;
}

template <class T>
__host__ __device__ Position in_bytes(Position p) {
  p.offset *= static_cast<std::int64_t>(sizeof(T));
  return p;
}

}  // namespace tapwise::cuda
