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

template <int n>
struct Constant {
  static constexpr int value = n;
};

// Calls body(first output, vectors, valid numbers) for the outputs of a run: several whole vectors at a time, which
// share what is read of the list of taps, then one at a time, the last in part.
template <class T, class Body>
TAPWISE_INLINE void for_each_vector(int64_t count, Body body) {
  constexpr int size = Vec<T>::size, together = 4;
  int64_t i = 0;
  for (; i + together * size <= count; i += together * size) body(i, Constant<together>{}, size);
  for (; i < count; i += size) body(i, Constant<1>{}, static_cast<int>(count - i < size ? count - i : size));
}

// Lane numbers times `step`, from `first` on, added to 32- or 64-bit indices, and stored as 64-bit ones.
template <class Taps, int... I>
TAPWISE_INLINE void store_indices(byte* to, Taps tap, int64_t first, int64_t step, Indices<I...>) {
  typedef int64_t Wide [[gnu::vector_size(sizeof...(I) * sizeof(int64_t))]];
  typedef int64_t WideMemory [[gnu::vector_size(sizeof...(I) * sizeof(int64_t)), gnu::aligned(1), gnu::may_alias]];
  const Wide lane = {int64_t{I}...};
  *reinterpret_cast<WideMemory*>(to) = __builtin_convertvector(tap, Wide) + lane * step + first;
}

// A NaN is above every number, and of equals the first stays. Which tap was it: its distance from the first one in the
// plane or, where those may not fit into a lane (`far`), its number.
template <class T, int step, bool winners>
TAPWISE_INLINE void max_of(const Window& w) {
  constexpr int size = Vec<T>::size;
  using Taps = decltype(Vec<T>{}.value > Vec<T>{}.value);
  for_each_vector<T>(w.count, [&](int64_t i, auto vectors, int count) TAPWISE_INLINE_LAMBDA {
    constexpr int n = vectors.value;
    const byte* const from = w.src + i * w.src_step;
    byte* const to = w.dst + i * w.dst_step;
    const int64_t from_next = size * w.src_step, to_next = size * w.dst_step;
    Vec<T> best[n];
    Taps tap[n];
    TAPWISE_UNROLL
    for (int j = 0; j < n; ++j) {
      best[j] = w.more ? load_every<T, 0>(to + j * to_next, w.dst_step, count)
                       : load_every<T, step>(from + w.taps[0] + j * from_next, w.src_step, count);
      tap[j] = w.more ? Taps{} - 1 : Taps{};
    }
    for (int k = w.more ? 0 : 1; k < w.tap_count; ++k) {
      const byte* const at = from + w.taps[k];
      const Taps which = Taps{} + static_cast<decltype(Taps{}[0] + 0)>(w.far ? k : w.tap_index[k]);
      TAPWISE_UNROLL
      for (int j = 0; j < n; ++j) {
        const Vec<T> a = load_every<T, step>(at + j * from_next, w.src_step, count);
        const auto stays = (best[j].value >= a.value) | (best[j].value != best[j].value);
        best[j].value = stays ? best[j].value : a.value;
        if (winners) tap[j] = stays ? tap[j] : which;
      }
    }
    TAPWISE_UNROLL
    for (int j = 0; j < n; ++j) {
      store_every(to + j * to_next, w.dst_step, best[j], count);
      if (!winners) continue;
      const int64_t first = w.first_index + (i + j * size) * w.index_step;
      byte* const index = w.winners + (i + j * size) * w.winners_step;
      if (!w.far && !w.more && count == size && w.winners_step == int64_t{sizeof(int64_t)}) {
        store_indices(index, tap[j], first, w.index_step, typename MakeIndices<size>::Type{});
        continue;
      }
      for (int lane = 0; lane < count; ++lane)
        if (tap[j][lane] >= 0)
          write<int64_t>(index + lane * w.winners_step,
                         first + lane * w.index_step + (w.far ? w.tap_index[tap[j][lane]] : tap[j][lane]));
    }
  });
}

template <class T, int step>
TAPWISE_INLINE void mean_of(const Window& w) {
  constexpr int size = Vec<T>::size;
  const auto divisor = Vec<T>::broadcast(static_cast<T>(w.divisor));
  for_each_vector<T>(w.count, [&](int64_t i, auto vectors, int count) TAPWISE_INLINE_LAMBDA {
    constexpr int n = vectors.value;
    const byte* const from = w.src + i * w.src_step;
    byte* const to = w.dst + i * w.dst_step;
    Vec<T> sum[n];
    TAPWISE_UNROLL
    for (int j = 0; j < n; ++j)
      sum[j] = w.more ? load_every<T, 0>(to + j * size * w.dst_step, w.dst_step, count) : Vec<T>::zero();
    for (int k = 0; k < w.tap_count; ++k) {
      TAPWISE_UNROLL
      for (int j = 0; j < n; ++j)
        sum[j] += load_every<T, step>(from + w.taps[k] + j * size * w.src_step, w.src_step, count);
    }
    TAPWISE_UNROLL
    for (int j = 0; j < n; ++j) {
      sum[j].value /= divisor.value;
      store_every(to + j * size * w.dst_step, w.dst_step, sum[j], count);
    }
  });
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

// Windows of neighbouring outputs may share numbers, but not at the same tap: vectors go tap by tap.
template <class T>
void add_shares(const Share& s) {
  constexpr int size = Vec<T>::size;
  constexpr auto element = int64_t{sizeof(T)};
  const T divisor = static_cast<T>(s.divisor);
  int64_t i = 0;
  if (s.dst_step == element && s.src_step == element) {
    for (; i + size <= s.count; i += size) {
      Vec<T> share = Vec<T>::load(s.src + i * element);
      share.value /= Vec<T>::broadcast(divisor).value;
      for (int k = 0; k < s.tap_count; ++k) {
        byte* const to = s.dst + i * element + s.taps[k];
        Vec<T> sum = Vec<T>::load(to);
        sum += share;
        sum.store(to);
      }
    }
  }
  for (; i < s.count; ++i) {
    const T share = read<T>(s.src + i * s.src_step) / divisor;
    for (int k = 0; k < s.tap_count; ++k) {
      byte* const to = s.dst + i * s.dst_step + s.taps[k];
      write<T>(to, read<T>(to) + share);
    }
  }
}
