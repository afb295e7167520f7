// Everything that one instruction set compiles. A file such as avx2.cpp defines TAPWISE_ISA (its name),
// TAPWISE_VECTOR_BYTES, TAPWISE_VECTOR_REGISTERS and TAPWISE_VECTOR_CONSTRAINT (the asm constraint of a vector
// register), includes its intrinsics and then this file.
//
// Rules for what is included here, which a test holds it to: no standard library beyond <cstddef> and <cstdint>, no
// statics, no allocation, nothing outside of the unnamed namespace but the one constant-initialised table. Anything
// else could be merged by the linker with code for other CPUs, or run before dispatch.

#include "table.hpp"

namespace tapwise::inline TAPWISE_NAMESPACE::TAPWISE_ISA {
inline namespace TAPWISE_PRIVATE {
using namespace kernels;

constexpr int kVectorBytes = TAPWISE_VECTOR_BYTES;

#include "vec.hpp"
//
#include "transpose-inl.hpp"
//
#include "copy-inl.hpp"
#include "map-inl.hpp"
#include "peak-inl.hpp"
#include "pool-inl.hpp"
#include "reduce-inl.hpp"
#include "tile-inl.hpp"

// Rows of a register tile `vectors` wide: accumulators, one row of B and one A must fit. Measured (docs): with 32
// registers 14 x 2 and 6 x 4, with 16 registers 6 x 2 and 3 x 4 reach the FMA peak.
constexpr int max_rows(int vectors) {
  constexpr int registers = TAPWISE_VECTOR_REGISTERS;
  if (vectors == 1) return registers == 32 ? 14 : 12;
  if (vectors == 2) return registers == 32 ? 14 : 6;
  return registers == 32 ? 6 : 3;
}

template <class T, class A, int rows, int vectors>
constexpr auto tile_function() -> void (*)(const Tile<T>&) {
  if constexpr (rows > max_rows(vectors)) {
    return nullptr;
  } else if constexpr (A::is_dot) {
    return dot_tile<T, rows, vectors>;
  } else {
    return multiply_tile<T, A, rows, vectors>;
  }
}

template <class T, class A, int vectors, int... I>
constexpr void fill_rows(void (*(&row)[kMaxRows])(const Tile<T>&), Indices<I...>) {
  ((row[I] = tile_function<T, A, I + 1, vectors>()), ...);
}

template <class T, class A>
constexpr void fill_tiles(void (*(&tiles)[kVectorCounts][kMaxRows])(const Tile<T>&)) {
  using Rows = MakeIndices<kMaxRows>::Type;
  fill_rows<T, A, 1>(tiles[0], Rows{});
  fill_rows<T, A, 2>(tiles[1], Rows{});
  if constexpr (!A::is_wide) fill_rows<T, A, 4>(tiles[2], Rows{});
}

template <class T>
constexpr Kernels<T> make_kernels() {
  Kernels<T> k{};
  k.lanes = Vec<T>::size;
  for (int i = 0; i < kVectorCounts; ++i) k.max_rows[i] = max_rows(1 << i);
  fill_tiles<T, Broadcast>(k.tile[static_cast<int>(Operand::broadcast)]);
  fill_tiles<T, Wide>(k.tile[static_cast<int>(Operand::wide)]);
  fill_tiles<T, Dot>(k.tile[static_cast<int>(Operand::dot)]);
  k.copy = copy<T>;
  k.add_rows = add_rows<T>;
  k.add_columns = add_columns<T>;
  k.relu = relu<T>;
  k.relu_grad = relu_grad<T>;
  k.max_window = max_window<T>;
  k.mean_window = mean_window<T>;
  k.add_shares = add_shares<T>;
  k.triad = triad<T>;
  k.fma_loop = fma_loop<T>;
  return k;
}

}  // namespace TAPWISE_PRIVATE

#define TAPWISE_STRING_OF(name) #name
#define TAPWISE_STRING(name) TAPWISE_STRING_OF(name)

#if defined(TAPWISE_HEADER_ONLY)
#define TAPWISE_TABLE inline constinit const
#else
extern const kernels::IsaTable table;
#define TAPWISE_TABLE constinit const
#endif
TAPWISE_TABLE kernels::IsaTable table{TAPWISE_STRING(TAPWISE_ISA), kVectorBytes, make_kernels<float>(),
                                      make_kernels<double>()};

}  // namespace tapwise::inline TAPWISE_NAMESPACE::TAPWISE_ISA
