// Sums of strided matrices, for the bias gradient. Several accumulators, so that neither the latency of an addition
// nor the length of one chain of roundings decides.

// dst[col] (+)= sum over rows; the columns are dense (channels last).
template <class T>
void add_rows(const Sum& s) {
  constexpr int size = Vec<T>::size;
  constexpr int vectors = 4;
  for (int64_t col = 0; col < s.cols; col += vectors * size) {
    Vec<T> acc[2][vectors] = {};
    const int64_t left = s.cols - col;
    const auto add = [&](Vec<T>(&into)[vectors], const byte* from) {
      if (left >= vectors * size) {
        TAPWISE_UNROLL
        for (int j = 0; j < vectors; ++j) into[j] += Vec<T>::load(from + j * kVectorBytes);
      } else {
        for (int j = 0; j < vectors && j * size < left; ++j) {
          const int64_t lanes = left - j * size;
          into[j] += Vec<T>::load_partial(from + j * kVectorBytes, static_cast<int>(lanes < size ? lanes : size));
        }
      }
    };
    const byte* from = s.src + col * int64_t{sizeof(T)};
    for (int64_t row = 0; row < s.rows; ++row, from += s.src_row) add(acc[row & 1], from);
    for (int j = 0; j < vectors; ++j) {
      acc[0][j] += acc[1][j];
      for (int lane = 0; lane < size && j * size + lane < left; ++lane) {
        byte* to = s.dst + (col + j * size + lane) * s.dst_step;
        write<T>(to, acc[0][j].value[lane] + (s.accumulate ? read<T>(to) : T{0}));
      }
    }
  }
}

// dst[row] (+)= sum over cols; by vectors where the columns are dense (channels first).
template <class T>
void add_columns(const Sum& s) {
  constexpr int size = Vec<T>::size;
  constexpr int chains = 8;
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
    byte* to = s.dst + row * s.dst_step;
    write<T>(to, acc[0].reduce() + (s.accumulate ? read<T>(to) : T{0}));
  }
}
