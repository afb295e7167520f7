// Sums of strided matrices, for the bias gradient. Several accumulators, so that neither the latency of an addition
// nor the length of one chain of roundings decides.

// `vectors` whole vectors of columns, `chains` rows at a time.
template <class T, int vectors, int chains>
TAPWISE_INLINE void add_block(const Sum& s, int64_t col) {
  constexpr int size = Vec<T>::size;
  Vec<T> acc[chains][vectors] = {};
  const byte* from = s.src + col * int64_t{sizeof(T)};
  int64_t row = 0;
  for (; row + chains <= s.rows; row += chains) {
    TAPWISE_UNROLL
    for (int i = 0; i < chains; ++i, from += s.src_row) {
      TAPWISE_UNROLL
      for (int j = 0; j < vectors; ++j) acc[i][j] += Vec<T>::load(from + j * kVectorBytes);
    }
  }
  for (; row < s.rows; ++row, from += s.src_row) {
    TAPWISE_UNROLL
    for (int j = 0; j < vectors; ++j) acc[0][j] += Vec<T>::load(from + j * kVectorBytes);
  }
  T sums[vectors * size];
  TAPWISE_UNROLL
  for (int j = 0; j < vectors; ++j) {
    TAPWISE_UNROLL
    for (int i = 1; i < chains; ++i) acc[0][j] += acc[i][j];
    acc[0][j].store(sums + j * size);
  }
  for (int i = 0; i < vectors * size; ++i) {
    byte* to = s.dst + (col + i) * int64_t{sizeof(T)};
    write<T>(to, sums[i] + (s.accumulate ? read<T>(to) : T{0}));
  }
}

// Rows too wide for the registers, each read from end to end, eight at a time: hardware follows a few long streams, not
// many short pieces. The sums stay in the first level of cache.
template <class T>
void add_wide_rows(const Sum& s) {
  constexpr int size = Vec<T>::size;
  constexpr int streams = 8;
  for (int64_t row = 0; row < s.rows; row += streams) {
    const byte* from = s.src + row * s.src_row;
    byte* to = s.dst;
    const bool add = s.accumulate || row > 0;
    const auto some = [&](int rows, auto load) {
      Vec<T> acc[2] = {add ? load(to) : Vec<T>::zero(), Vec<T>::zero()};
      TAPWISE_UNROLL
      for (int i = 0; i < streams; ++i)
        if (i < rows) acc[i & 1] += load(from + i * s.src_row);
      acc[0] += acc[1];
      return acc[0];
    };
    const auto whole = [](const byte* at) { return Vec<T>::load(at); };
    const int rows = static_cast<int>(s.rows - row < streams ? s.rows - row : streams);
    int64_t col = 0;
    if (rows == streams)
      for (; col + size <= s.cols; col += size, from += kVectorBytes, to += kVectorBytes)
        some(streams, whole).store(to);
    for (; col + size <= s.cols; col += size, from += kVectorBytes, to += kVectorBytes) some(rows, whole).store(to);
    if (const int rest = static_cast<int>(s.cols - col); rest > 0)
      some(rows, [rest](const byte* at) { return Vec<T>::load_partial(at, rest); }).store_partial(to, rest);
  }
}

// As many columns at a time as half of the registers hold: what is read of a row then lies together. Fewer columns,
// more rows at a time.
template <class T>
void add_rows(const Sum& s) {
  constexpr int size = Vec<T>::size;
  constexpr int wide = TAPWISE_VECTOR_REGISTERS / 2;
  if (s.cols > wide * size) return add_wide_rows<T>(s);
  int64_t col = 0;
  for (; col + wide * size <= s.cols; col += wide * size) add_block<T, wide, 1>(s, col);
  for (; col + 4 * size <= s.cols; col += 4 * size) add_block<T, 4, wide / 4>(s, col);
  for (; col + size <= s.cols; col += size) add_block<T, 1, 8>(s, col);
  if (const int rest = static_cast<int>(s.cols - col); rest > 0) {
    Vec<T> acc[2] = {};
    const byte* from = s.src + col * int64_t{sizeof(T)};
    for (int64_t row = 0; row < s.rows; ++row, from += s.src_row) acc[row & 1] += Vec<T>::load_partial(from, rest);
    acc[0] += acc[1];
    for (int i = 0; i < rest; ++i) {
      byte* to = s.dst + (col + i) * int64_t{sizeof(T)};
      write<T>(to, acc[0].value[i] + (s.accumulate ? read<T>(to) : T{0}));
    }
  }
}

// Short dense rows, a square of them at a time: one vector of partial sums a row, transposed and added.
template <class T>
void add_short_rows(const Sum& s) {
  constexpr int size = Vec<T>::size;
  for (int64_t row = 0; row < s.rows; row += size) {
    const int rows = static_cast<int>(s.rows - row < size ? s.rows - row : size);
    Vec<T> square[size];
    const int rest = static_cast<int>(s.cols % size);
    TAPWISE_UNROLL
    for (int i = 0; i < size; ++i) {
      square[i] = Vec<T>::zero();
      if (i >= rows) continue;
      const byte* from = s.src + (row + i) * s.src_row;
      for (int64_t col = size; col <= s.cols; col += size, from += kVectorBytes) square[i] += Vec<T>::load(from);
      if (rest > 0) square[i] += Vec<T>::load_partial(from, rest);
    }
    transpose(square);
    TAPWISE_UNROLL
    for (int half = size / 2; half > 0; half /= 2) {
      TAPWISE_UNROLL
      for (int i = 0; i < half; ++i) square[i] += square[i + half];
    }
    byte* const to = s.dst + row * int64_t{sizeof(T)};
    if (rows < size) {
      if (s.accumulate) square[0] += Vec<T>::load_partial(to, rows);
      square[0].store_partial(to, rows);
    } else {
      if (s.accumulate) square[0] += Vec<T>::load(to);
      square[0].store(to);
    }
  }
}

// dst[row] (+)= sum over cols; by vectors where the columns are dense (channels first).
template <class T>
void add_columns(const Sum& s) {
  constexpr int size = Vec<T>::size;
  constexpr int chains = 8;
  if (s.src_col == int64_t{sizeof(T)} && s.cols <= 4 * chains * size && s.rows > 1) return add_short_rows<T>(s);
  for (int64_t row = 0; row < s.rows; ++row) {
    const byte* from = s.src + row * s.src_row;
    Vec<T> acc[chains] = {};
    int64_t col = 0;
    if (s.src_col == int64_t{sizeof(T)}) {
      for (; col + chains * size <= s.cols; col += chains * size, from += chains * kVectorBytes) {
        TAPWISE_UNROLL
        for (int k = 0; k < chains; ++k) acc[k] += Vec<T>::load(from + k * kVectorBytes);
      }
      for (int k = 0; col < s.cols; col += size, from += kVectorBytes, ++k) {
        acc[k] += Vec<T>::load_partial(from, static_cast<int>(s.cols - col < size ? s.cols - col : size));
      }
    } else {
      for (; col < s.cols; ++col, from += s.src_col) acc[col % chains].value[(col / chains) % size] += read<T>(from);
    }
    for (int half = chains / 2; half > 0; half /= 2)
      for (int k = 0; k < half; ++k) acc[k] += acc[k + half];
    byte* to = s.dst + row * int64_t{sizeof(T)};
    write<T>(to, acc[0].reduce() + (s.accumulate ? read<T>(to) : T{0}));
  }
}
