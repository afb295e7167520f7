// The kernel: multiply into a register tile, then store it. Every pass of every convolution ends up here.

// How row i of operand A is read: one number for all lanes, or as wide as the tile.
struct Broadcast {
  static constexpr bool is_dot = false, is_wide = false;
  template <class T>
  static TAPWISE_INLINE Vec<T> load(const byte* from) {
    return Vec<T>::broadcast(read<T>(from));
  }
};
struct Wide {
  static constexpr bool is_dot = false, is_wide = true;
  template <class T>
  static TAPWISE_INLINE Vec<T> load(const byte* from) {
    return Vec<T>::load(from);
  }
};
struct Dot {
  static constexpr bool is_dot = true, is_wide = false;
};

// Which rows of a tile take part in a run.
struct AllRows {
  TAPWISE_INLINE bool has(int) const { return true; }
};
struct SomeRows {
  int first, last;
  TAPWISE_INLINE bool has(int row) const { return row >= first && row < last; }
};

// One step of the sum: `vectors` loads of B, `rows` loads of A (times `vectors` if wide), rows * vectors multiply-adds.
template <bool is_wide, class Rows, class LoadA, class LoadB, class T, int rows, int vectors>
TAPWISE_INLINE void multiply_step(Vec<T> (&acc)[rows][vectors], Rows part, const byte* a, const byte* b,
                                  const Tile<T>& t, LoadA load_a, LoadB load_b) {
  Vec<T> b_values[vectors];
  TAPWISE_UNROLL
  for (int j = 0; j < vectors; ++j) b_values[j] = load_b(b + j * t.b_vector);
  TAPWISE_UNROLL
  for (int i = 0; i < rows; ++i) {
    if (!part.has(i)) continue;
    Vec<T> a_value = load_a(a + i * t.a_row);
    TAPWISE_UNROLL
    for (int j = 0; j < vectors; ++j) {
      if (is_wide && j > 0) a_value = load_a(a + i * t.a_row + j * kVectorBytes);
      acc[i][j].multiply_add(a_value, b_values[j]);
    }
  }
}

template <class T, int rows, int vectors>
TAPWISE_INLINE void set_zero(Vec<T> (&acc)[rows][vectors]) {
  TAPWISE_UNROLL
  for (int i = 0; i < rows; ++i) {
    TAPWISE_UNROLL
    for (int j = 0; j < vectors; ++j) acc[i][j] = Vec<T>::zero();
  }
}

// Bias, addition to what is there, ReLU: the same in every store.
template <class T>
TAPWISE_INLINE void finish(const Tile<T>& t, Vec<T> value, byte* to) {
  if (t.accumulate) value += Vec<T>::load(to);
  if (t.relu) value = value.relu();
  value.store(to);
}
template <class T>
TAPWISE_INLINE void finish(const Tile<T>& t, Vec<T> value, byte* to, int count) {
  if (t.accumulate) value += Vec<T>::load_partial(to, count);
  if (t.relu) value = value.relu();
  value.store_partial(to, count);
}

// The same, to every second number.
template <class T>
TAPWISE_INLINE void finish_spread(const Tile<T>& t, Vec<T> value, byte* to, int count) {
  if (t.relu) value = value.relu();
  value.store_spread(to, count);
}

// The tile's rows are dense in memory, or every second number of dense ones.
template <class T, bool spread>
void store_rows(const Tile<T>& t, const Vec<T>* acc, int rows, int vectors) {
  for (int i = 0; i < rows; ++i) {
    for (int j = 0, left = t.lanes; j < vectors && left > 0; ++j, left -= Vec<T>::size) {
      byte* to = t.c + i * t.c_row + j * kVectorBytes * (spread ? 2 : 1);
      if (spread) {
        finish_spread(t, acc[i * vectors + j], to, left < Vec<T>::size ? left : Vec<T>::size);
      } else if (left >= Vec<T>::size) {
        finish(t, acc[i * vectors + j], to);
      } else {
        finish(t, acc[i * vectors + j], to, left);
      }
    }
  }
}

// The tile's columns are dense in memory (channels in the lanes, NCHW), or every second number: transpose it a square
// at a time.
template <class T, bool spread>
void store_columns(const Tile<T>& t, const Vec<T>* acc, int rows, int vectors) {
  constexpr int size = Vec<T>::size;
  for (int j = 0; j < vectors; ++j) {
    const int lanes = t.lanes - j * size < size ? t.lanes - j * size : size;
    for (int first = 0; first < rows && lanes > 0; first += size) {
      const int count = rows - first < size ? rows - first : size;
      Vec<T> square[size];
      for (int i = 0; i < size; ++i) square[i] = i < count ? acc[(first + i) * vectors + j] : Vec<T>::zero();
      transpose(square);
      for (int lane = 0; lane < lanes; ++lane) {
        byte* to = t.c + first * t.c_row + (j * size + lane) * t.c_lane;
        if (spread) {
          finish_spread(t, square[lane], to, count);
        } else if (count == size) {
          finish(t, square[lane], to);
        } else {
          finish(t, square[lane], to, count);
        }
      }
    }
  }
}

// Neither is dense.
template <class T>
void store_scattered(const Tile<T>& t, const Vec<T>* acc, int rows, int vectors) {
  if (!t.accumulate && !t.relu) {
    const auto* numbers = reinterpret_cast<const byte*>(acc);
    for (int lane = 0; lane < t.lanes; ++lane, numbers += sizeof(T)) {
      byte* to = t.c + lane * t.c_lane;
      for (int i = 0; i < rows; ++i, to += t.c_row) write<T>(to, read<T>(numbers + i * vectors * kVectorBytes));
    }
    return;
  }
  for (int i = 0; i < rows; ++i) {
    for (int lane = 0; lane < t.lanes; ++lane) {
      byte* to = t.c + i * t.c_row + lane * t.c_lane;
      T value = acc[i * vectors + lane / Vec<T>::size].value[lane % Vec<T>::size];
      if (t.accumulate) value += read<T>(to);
      if (t.relu && value < T{0}) value = T{0};
      write<T>(to, value);
    }
  }
}

template <class T>
void store_tile(const Tile<T>& t, Vec<T>* acc, int rows, int vectors) {
  if (t.bias != nullptr) {
    for (int i = 0; i < rows; ++i) {
      for (int j = 0; j < vectors; ++j) {
        acc[i * vectors + j] += t.bias_per_row ? Vec<T>::broadcast(t.bias[i]) : Vec<T>::load(t.bias + j * Vec<T>::size);
      }
    }
  }
  if (t.c_lane == int64_t{sizeof(T)} || t.lanes == 1) {
    store_rows<T, false>(t, acc, rows, vectors);
  } else if (t.c_row == int64_t{sizeof(T)} || rows == 1) {
    store_columns<T, false>(t, acc, rows, vectors);
  } else if (t.c_lane == 2 * int64_t{sizeof(T)} && !t.accumulate) {
    store_rows<T, true>(t, acc, rows, vectors);
  } else if (t.c_row == 2 * int64_t{sizeof(T)} && !t.accumulate) {
    store_columns<T, true>(t, acc, rows, vectors);
  } else {
    store_scattered(t, acc, rows, vectors);
  }
}

// Asks for the lines that the store will write, while there is still time: a store that misses waits for the line.
template <class T, int rows, int vectors>
TAPWISE_INLINE void prefetch_store(const Tile<T>& t) {
  if (t.c_lane == int64_t{sizeof(T)}) {
    const byte* c = t.c + t.store_ahead;
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < vectors; ++j) __builtin_prefetch(c + i * t.c_row + j * kVectorBytes, 1);
  } else if (t.c_row < t.c_lane) {
    for (int lane = 0; lane < t.lanes; ++lane) {
      __builtin_prefetch(t.c + lane * t.c_lane, 1);
      __builtin_prefetch(t.c + lane * t.c_lane + (rows - 1) * t.c_row, 1);
    }
  }
}

constexpr int64_t kLine = 64;

template <class A, class Rows, class T, int rows, int vectors>
TAPWISE_INLINE void multiply_run(Vec<T> (&acc)[rows][vectors], Rows part, const Run& run, const Tile<T>& t) {
  const byte* a = t.a + run.a;
  const byte* b = t.b + run.b;
  const byte* ahead = t.ahead == nullptr ? a : t.ahead + (&run - t.runs) * t.ahead_run;
  const auto steps = [&](auto load_a, auto load_b) TAPWISE_INLINE_LAMBDA {
    for (int64_t step = 0; step < run.steps; ++step) {
      __builtin_prefetch(ahead, 0, 2);  // into the second-level cache
      __builtin_prefetch(ahead + kLine, 0, 2);
      ahead += t.ahead_step;
      multiply_step<A::is_wide>(acc, part, a, b, t, load_a, load_b);
      a += t.a_step;
      b += t.b_step;
    }
  };
  if constexpr (A::is_wide && vectors == 1) {
    // Nothing past the last lane is read: it may lie where nothing follows.
    if (const int lanes = t.lanes; lanes < Vec<T>::size) {
      const auto partial = [lanes](const void* from) { return Vec<T>::load_partial(from, lanes); };
      return steps(partial, partial);
    }
  }
  steps(A::template load<T>, Vec<T>::load);
}

template <class T, class A, int rows, int vectors>
void multiply_tile(const Tile<T>& t) {
  prefetch_store<T, rows, vectors>(t);
  // Whole vectors, as they are: what is there is where the sum begins, and it is stored straight from the registers.
  const bool plain =
      t.c_lane == int64_t{sizeof(T)} && t.lanes == vectors * Vec<T>::size && t.bias == nullptr && !t.relu;
  Vec<T> acc[rows][vectors];
  if (plain && t.accumulate) {
    TAPWISE_UNROLL
    for (int i = 0; i < rows; ++i) {
      TAPWISE_UNROLL
      for (int j = 0; j < vectors; ++j) acc[i][j] = Vec<T>::load(t.c + i * t.c_row + j * kVectorBytes);
    }
  } else {
    set_zero(acc);
  }
  for (int64_t r = 0; r < t.run_count; ++r) {
    const Run& run = t.runs[r];
    if (run.first_row <= 0 && run.last_row >= rows) {
      multiply_run<A>(acc, AllRows{}, run, t);
    } else {
      multiply_run<A>(acc, SomeRows{run.first_row, run.last_row}, run, t);
    }
  }
  if (plain) {
    TAPWISE_UNROLL
    for (int i = 0; i < rows; ++i) {
      TAPWISE_UNROLL
      for (int j = 0; j < vectors; ++j) acc[i][j].store(t.c + i * t.c_row + j * kVectorBytes);
    }
    return;
  }
  // Spilled once, here: taking the address of acc itself would keep it in memory all along.
  Vec<T> result[rows * vectors];
  TAPWISE_UNROLL
  for (int i = 0; i < rows; ++i) {
    TAPWISE_UNROLL
    for (int j = 0; j < vectors; ++j) result[i * vectors + j] = acc[i][j];
  }
  store_tile(t, result, rows, vectors);
}

// The summed axis lies in the lanes: whole vectors, then the rest of the axis, whose missing lanes are zero in both
// operands, so that nothing beyond the axis is read and no NaN beyond it gets in.
template <class T, int rows, int vectors>
void dot_tile(const Tile<T>& t) {
  Vec<T> acc[rows][vectors];
  set_zero(acc);
  for (int64_t r = 0; r < t.run_count; ++r) {
    const Run& run = t.runs[r];
    const byte* a = t.a + run.a;
    const byte* b = t.b + run.b;
    for (int64_t step = 0; step < run.steps / Vec<T>::size; ++step) {
      multiply_step<false>(acc, AllRows{}, a, b, t, Vec<T>::load, Vec<T>::load);
      a += kVectorBytes;
      b += kVectorBytes;
    }
    if (const int rest = static_cast<int>(run.steps % Vec<T>::size); rest > 0) {
      const auto partial = [rest](const void* from) { return Vec<T>::load_partial(from, rest); };
      multiply_step<false>(acc, AllRows{}, a, b, t, partial, partial);
    }
  }
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < t.lanes; ++j) {
      byte* to = t.c + i * t.c_row + j * t.c_lane;
      write<T>(to, acc[i][j].reduce() + (t.accumulate ? read<T>(to) : T{0}));
    }
  }
}
