// A square of vectors, transposed in registers: log2(size) rounds, each swapping the off-diagonal halves of ever
// smaller blocks. The compiler picks the shuffle instructions.

template <int... I>
struct Indices {};
template <int N, int... I>
struct MakeIndices : MakeIndices<N - 1, N - 1, I...> {};
template <int... I>
struct MakeIndices<0, I...> {
  using Type = Indices<I...>;
};

// Lanes of `a` and `b` (numbered after those of `a`) that stay in the upper row, or move to the lower one, when
// blocks of `half` lanes are swapped.
template <int half, int size>
constexpr int upper_lane(int lane) {
  return (lane & half) == 0 ? lane : lane - half + size;
}
template <int half, int size>
constexpr int lower_lane(int lane) {
  return (lane & half) == 0 ? lane + half : lane + size;
}

template <int half, class T, int... I>
TAPWISE_INLINE void swap_blocks(Vec<T>& upper, Vec<T>& lower, Indices<I...>) {
  constexpr int size = Vec<T>::size;
  const auto a = upper.value, b = lower.value;
  upper.value = __builtin_shufflevector(a, b, upper_lane<half, size>(I)...);
  lower.value = __builtin_shufflevector(a, b, lower_lane<half, size>(I)...);
}

template <class T, int half = Vec<T>::size / 2>
TAPWISE_INLINE void transpose(Vec<T> (&rows)[Vec<T>::size]) {
  if constexpr (half > 0) {
    TAPWISE_UNROLL
    for (int i = 0; i < Vec<T>::size; ++i)
      if ((i & half) == 0) swap_blocks<half>(rows[i], rows[i + half], typename MakeIndices<Vec<T>::size>::Type{});
    transpose<T, half / 2>(rows);
  }
}
