// Elementwise functions of strided rows. Dense rows go by vectors, others number by number.

template <class T, class Function>
TAPWISE_INLINE void map(const Map& m, Function function) {
  int64_t i = 0;
  constexpr int64_t dense = sizeof(T);
  const byte *a = m.a, *b = m.b;
  byte* dst = m.dst;
  if (m.dst_step == dense && m.a_step == dense && (b == nullptr || m.b_step == dense)) {
    const auto advance = [&] {
      a += kVectorBytes;
      dst += kVectorBytes;
      if (b != nullptr) b += kVectorBytes;
    };
    for (; i + Vec<T>::size <= m.count; i += Vec<T>::size, advance())
      function(Vec<T>::load(a), b != nullptr ? Vec<T>::load(b) : Vec<T>::zero(), Vec<T>::load(dst)).store(dst);
    if (const int rest = static_cast<int>(m.count - i); rest > 0) {
      const auto part = [rest](const byte* from) { return Vec<T>::load_partial(from, rest); };
      function(part(a), b != nullptr ? part(b) : Vec<T>::zero(), part(dst)).store_partial(dst, rest);
    }
    return;
  }
  for (; i < m.count; ++i, a += m.a_step, dst += m.dst_step, b += b != nullptr ? m.b_step : 0) {
    const auto one = [](const byte* from) { return Vec<T>::broadcast(read<T>(from)); };
    write<T>(dst, function(one(a), b != nullptr ? one(b) : Vec<T>::zero(), one(dst)).value[0]);
  }
}

template <class T>
void relu(const Map& m) {
  map<T>(m, [](Vec<T> a, Vec<T>, Vec<T>) __attribute__((always_inline)) { return a.relu(); });
}

template <class T>
void relu_grad(const Map& m) {
  map<T>(m, [](Vec<T> a, Vec<T> b, Vec<T>) __attribute__((always_inline)) {
    return Vec<T>{b.value <= typename Vec<T>::Register{} ? typename Vec<T>::Register{} : a.value};
  });
}

template <class T>
void triad(const Map& m) {
  map<T>(m, [](Vec<T> a, Vec<T> b, Vec<T>) __attribute__((always_inline)) {
    a.multiply_add(b, Vec<T>::broadcast(T(0.5)));
    return a;
  });
}
