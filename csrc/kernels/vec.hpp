// One SIMD vector on GCC/Clang vector extensions: the number of bytes is the only parameter, so the same lines
// serve SSE, AVX2, AVX-512 and NEON. Names follow std::simd. Only partial loads and stores differ by ISA.
//
// Included inside `namespace tapwise::<isa> { namespace {` by each ISA file, after its intrinsics header.

#if defined(__clang__)
#define TAPWISE_UNROLL _Pragma("clang loop unroll(full)")
#else
#define TAPWISE_UNROLL _Pragma("GCC unroll 64")
#endif

// A register tile is only a register tile if the loops over it vanish and the helpers below are inlined at any
// optimisation level.
#define TAPWISE_INLINE __attribute__((always_inline)) inline
#define TAPWISE_INLINE_LAMBDA __attribute__((always_inline))

template <class T>
struct Vec {
  static constexpr int size = kVectorBytes / int{sizeof(T)};

  typedef T Register [[gnu::vector_size(kVectorBytes)]];
  typedef T Memory [[gnu::vector_size(kVectorBytes), gnu::aligned(1), gnu::may_alias]];
  Register value;

  static TAPWISE_INLINE Vec load(const void* from) { return {*static_cast<const Memory*>(from)}; }
  TAPWISE_INLINE void store(void* to) const { *static_cast<Memory*>(to) = value; }

  static TAPWISE_INLINE Vec broadcast(T scalar) { return {scalar - Register{}}; }
  static TAPWISE_INLINE Vec zero() { return {Register{}}; }

  TAPWISE_INLINE void multiply_add(Vec a, Vec b) { value += a.value * b.value; }
  TAPWISE_INLINE Vec& operator+=(Vec other) { return value += other.value, *this; }

  // max(0, .) that lets a NaN through, as PyTorch's does.
  TAPWISE_INLINE Vec relu() const { return {value < Register{} ? Register{} : value}; }

  TAPWISE_INLINE T reduce() const {
    // A fixed tree: halves are added onto halves, the same on every run.
    T lane[size];
    store(lane);
    for (int half = size / 2; half > 0; half /= 2)
      for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
    return lane[0];
  }

  static Vec load_partial(const void* from, int count);
  void store_partial(void* to, int count) const;
  // Lane i to number 2 * i, and nothing to those between.
  void store_spread(void* to, int count) const;
};

// A number at an address that need not be aligned.
template <class T>
struct Unaligned {
  typedef T Type [[gnu::aligned(1), gnu::may_alias]];
};

template <class T>
TAPWISE_INLINE T read(const void* from) {
  return *static_cast<const typename Unaligned<T>::Type*>(from);
}

template <class T>
TAPWISE_INLINE void write(void* to, T value) {
  *static_cast<typename Unaligned<T>::Type*>(to) = value;
}

#if defined(__AVX512F__)

// Masked moves do not touch, and so cannot fault on, the lanes that are off.
template <>
TAPWISE_INLINE Vec<float> Vec<float>::load_partial(const void* from, int count) {
  return {_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), from)};
}
template <>
TAPWISE_INLINE void Vec<float>::store_partial(void* to, int count) const {
  _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << count) - 1), value);
}
template <>
TAPWISE_INLINE void Vec<float>::store_spread(void* to, int count) const {
  const auto low = __builtin_shufflevector(value, value, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  const auto high = __builtin_shufflevector(value, value, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15);
  const std::uint32_t wanted = 0x55555555u >> (32 - 2 * count);
  _mm512_mask_storeu_ps(to, static_cast<__mmask16>(wanted), low);
  _mm512_mask_storeu_ps(static_cast<float*>(to) + 16, static_cast<__mmask16>(wanted >> 16), high);
}
template <>
TAPWISE_INLINE void Vec<double>::store_spread(void* to, int count) const {
  const auto low = __builtin_shufflevector(value, value, 0, 0, 1, 1, 2, 2, 3, 3);
  const auto high = __builtin_shufflevector(value, value, 4, 4, 5, 5, 6, 6, 7, 7);
  const std::uint32_t wanted = 0x5555u >> (16 - 2 * count);
  _mm512_mask_storeu_pd(to, static_cast<__mmask8>(wanted), low);
  _mm512_mask_storeu_pd(static_cast<double*>(to) + 8, static_cast<__mmask8>(wanted >> 8), high);
}
template <>
TAPWISE_INLINE Vec<double> Vec<double>::load_partial(const void* from, int count) {
  return {_mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << count) - 1), from)};
}
template <>
TAPWISE_INLINE void Vec<double>::store_partial(void* to, int count) const {
  _mm512_mask_storeu_pd(to, static_cast<__mmask8>((1u << count) - 1), value);
}

#elif defined(__AVX2__)

TAPWISE_INLINE __m256i mask32(int count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
TAPWISE_INLINE __m256i mask64(int count) {
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), _mm256_setr_epi64x(0, 1, 2, 3));
}
template <>
TAPWISE_INLINE Vec<float> Vec<float>::load_partial(const void* from, int count) {
  return {_mm256_maskload_ps(static_cast<const float*>(from), mask32(count))};
}
// In pieces of 16, 8 and 4 bytes: a masked store of AVX2 takes longer than all of them on AMD's cores.
template <>
TAPWISE_INLINE void Vec<float>::store_partial(void* to, int count) const {
  auto* at = static_cast<float*>(to);
  __m128 part = _mm256_castps256_ps128(value);
  if ((count & 4) != 0) {
    _mm_storeu_ps(at, part);
    part = _mm256_extractf128_ps(value, 1);
    at += 4;
  }
  if ((count & 2) != 0) {
    _mm_storel_pi(reinterpret_cast<__m64*>(at), part);
    part = _mm_movehl_ps(part, part);
    at += 2;
  }
  if ((count & 1) != 0) _mm_store_ss(at, part);
}
template <>
TAPWISE_INLINE Vec<double> Vec<double>::load_partial(const void* from, int count) {
  return {_mm256_maskload_pd(static_cast<const double*>(from), mask64(count))};
}
template <>
TAPWISE_INLINE void Vec<double>::store_partial(void* to, int count) const {
  auto* at = static_cast<double*>(to);
  __m128d part = _mm256_castpd256_pd128(value);
  if ((count & 2) != 0) {
    _mm_storeu_pd(at, part);
    part = _mm256_extractf128_pd(value, 1);
    at += 2;
  }
  if ((count & 1) != 0) _mm_store_sd(at, part);
}

#else

template <class T>
TAPWISE_INLINE Vec<T> Vec<T>::load_partial(const void* from, int count) {
  Vec result = zero();
  for (int i = 0; i < count; ++i) result.value[i] = read<T>(static_cast<const std::byte*>(from) + i * int{sizeof(T)});
  return result;
}
template <class T>
TAPWISE_INLINE void Vec<T>::store_partial(void* to, int count) const {
  for (int i = 0; i < count; ++i) write<T>(static_cast<std::byte*>(to) + i * int{sizeof(T)}, value[i]);
}

#endif

#if !defined(__AVX512F__)

// Without masks, number by number.
template <class T>
TAPWISE_INLINE void Vec<T>::store_spread(void* to, int count) const {
  for (int i = 0; i < count; ++i) write<T>(static_cast<std::byte*>(to) + 2 * i * int{sizeof(T)}, value[i]);
}

#endif
