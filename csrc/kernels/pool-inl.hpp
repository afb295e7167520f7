// Pooling: the maximum or the mean of each window, for a run of outputs whose windows meet the same taps.

// `count` numbers, `step` numbers apart (0: any distance), from whole vectors where that is 1 or 2. Nothing past the
// last is read.
template <class T, int step>
TAPWISE_INLINE Vec<T> load_every(const byte* from, int64_t bytes, int count) {
  constexpr int size = Vec<T>::size;
  if constexpr (step == 1) {
    return count == size ? Vec<T>::load(from) : Vec<T>::load_partial(from, count);
  } else if constexpr (step == 2) {
    const int lanes = 2 * count - 1 - size;
    const Vec<T> halves[2] = {lanes >= 0 ? Vec<T>::load(from) : Vec<T>::load_partial(from, 2 * count - 1),
                              lanes > 0 ? Vec<T>::load_partial(from + kVectorBytes, lanes) : Vec<T>::zero()};
    return every<2>(halves, typename MakeIndices<size>::Type{});
  } else {
    Vec<T> v = Vec<T>::zero();
    for (int i = 0; i < count; ++i) v.value[i] = read<T>(from + i * bytes);
    return v;
  }
}

template <class T>
TAPWISE_INLINE void store_every(byte* to, int64_t bytes, Vec<T> v, int count) {
  if (bytes != int64_t{sizeof(T)})
    for (int i = 0; i < count; ++i) write<T>(to + i * bytes, v.value[i]);
  else if (count == Vec<T>::size)
    v.store(to);
  else
    v.store_partial(to, count);
}

// A NaN is above every number, and of equals the first stays.
template <class T, int step, bool winners>
TAPWISE_INLINE void max_of(const Window& w) {
  constexpr int size = Vec<T>::size;
  using Taps = decltype(Vec<T>{}.value > Vec<T>{}.value);
  for (int64_t i = 0; i < w.count; i += size) {
    const int count = static_cast<int>(w.count - i < size ? w.count - i : size);
    const byte* const from = w.src + i * w.src_step;
    byte* const to = w.dst + i * w.dst_step;
    Vec<T> best =
        w.more ? load_every<T, 0>(to, w.dst_step, count) : load_every<T, step>(from + w.taps[0], w.src_step, count);
    Taps tap = w.more ? Taps{} - 1 : Taps{};
    for (int k = w.more ? 0 : 1; k < w.tap_count; ++k) {
      const Vec<T> a = load_every<T, step>(from + w.taps[k], w.src_step, count);
      const auto better = (a.value > best.value) | ((a.value != a.value) & (best.value == best.value));
      best.value = better ? a.value : best.value;
      if (winners) tap = better ? Taps{} + k : tap;
    }
    store_every(to, w.dst_step, best, count);
    if (!winners) continue;
    int64_t index = w.first_index + i * w.index_step;
    for (int lane = 0; lane < count; ++lane, index += w.index_step)
      if (tap[lane] >= 0) write<int64_t>(w.winners + (i + lane) * w.winners_step, index + w.tap_index[tap[lane]]);
  }
}

template <class T, int step>
TAPWISE_INLINE void mean_of(const Window& w) {
  constexpr int size = Vec<T>::size;
  const auto divisor = Vec<T>::broadcast(static_cast<T>(w.divisor));
  for (int64_t i = 0; i < w.count; i += size) {
    const int count = static_cast<int>(w.count - i < size ? w.count - i : size);
    const byte* const from = w.src + i * w.src_step;
    byte* const to = w.dst + i * w.dst_step;
    Vec<T> sum = w.more ? load_every<T, 0>(to, w.dst_step, count) : Vec<T>::zero();
    for (int k = 0; k < w.tap_count; ++k) sum += load_every<T, step>(from + w.taps[k], w.src_step, count);
    sum.value /= divisor.value;
    store_every(to, w.dst_step, sum, count);
  }
}

template <class T>
void max_window(const Window& w) {
  constexpr auto element = int64_t{sizeof(T)};
  const bool winners = w.winners != nullptr;
  if (w.src_step == element)
    winners ? max_of<T, 1, true>(w) : max_of<T, 1, false>(w);
  else if (w.src_step == 2 * element)
    winners ? max_of<T, 2, true>(w) : max_of<T, 2, false>(w);
  else
    winners ? max_of<T, 0, true>(w) : max_of<T, 0, false>(w);
}

template <class T>
void mean_window(const Window& w) {
  constexpr auto element = int64_t{sizeof(T)};
  if (w.src_step == element)
    mean_of<T, 1>(w);
  else if (w.src_step == 2 * element)
    mean_of<T, 2>(w);
  else
    mean_of<T, 0>(w);
}

template <class T>
void add_share(const Share& s) {
  constexpr int size = Vec<T>::size;
  constexpr auto element = int64_t{sizeof(T)};
  const T divisor = static_cast<T>(s.divisor);
  int64_t i = 0;
  if (s.dst_step == element && s.src_step == element) {
    for (; i + size <= s.count; i += size) {
      Vec<T> share = Vec<T>::load(s.src + i * element);
      share.value /= Vec<T>::broadcast(divisor).value;
      share += Vec<T>::load(s.dst + i * element);
      share.store(s.dst + i * element);
    }
  }
  for (; i < s.count; ++i) {
    byte* const to = s.dst + i * s.dst_step;
    write<T>(to, read<T>(to) + read<T>(s.src + i * s.src_step) / divisor);
  }
}
