// The roof: independent multiply-adds on registers alone. The accumulator is a factor, so that no product is the same
// twice and could be computed once; the empty asm makes it opaque, so that the compiler can neither fold the loop nor
// move it to memory.
template <class T>
double fma_loop(int64_t iterations) {
  constexpr int chains = 12;
  Vec<T> acc[chains] = {};
  const Vec<T> a = Vec<T>::broadcast(T(0.5)), b = Vec<T>::broadcast(T(1));
  for (int64_t i = 0; i < iterations; ++i) {
    TAPWISE_UNROLL
    for (int k = 0; k < chains; ++k) acc[k].value = acc[k].value * a.value + b.value;
    TAPWISE_UNROLL
    for (int k = 0; k < chains; ++k) asm volatile("" : "+" TAPWISE_VECTOR_CONSTRAINT(acc[k].value));
  }
  TAPWISE_UNROLL  // an array that is indexed anywhere would live in memory everywhere
      for (int k = 1; k < chains; ++k) acc[0] += acc[k];
  T sink[Vec<T>::size];
  acc[0].store(sink);
  asm volatile("" : : "r"(sink) : "memory");
  return 2.0 * chains * Vec<T>::size * static_cast<double>(iterations);
}
