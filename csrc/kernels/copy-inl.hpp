// Gathering a small matrix into dense rows: by vectors where the source's rows are dense or every second or fourth of
// dense numbers, by transposed squares of vectors where its columns are, else number by number.

// Where row after row goes.
struct RowOfDst {
  const Copy& c;
  byte* row;
  int64_t in_group = 0;

  explicit RowOfDst(const Copy& copy) : c(copy), row(copy.dst) {}
  TAPWISE_INLINE void next() {
    row += c.dst_row;
    if (++in_group == c.group) {
      row += c.dst_group - c.group * c.dst_row;
      in_group = 0;
    }
  }
};

template <class T>
TAPWISE_INLINE void put(const Copy& c, Vec<T> value, byte* to) {
  if (c.accumulate) value += Vec<T>::load(to);
  value.store(to);
}
template <class T>
TAPWISE_INLINE void put(const Copy& c, Vec<T> value, byte* to, int count) {
  if (c.accumulate) value += Vec<T>::load_partial(to, count);
  value.store_partial(to, count);
}

template <class T>
void copy_rows(const Copy& c) {
  constexpr int size = Vec<T>::size;
  RowOfDst dst(c);
  for (int64_t r = 0; r < c.rows; ++r, dst.next()) {
    byte* to = dst.row;
    const byte* from = c.src + r * c.src_row;
    int64_t col = 0;
    for (; col + size <= c.cols; col += size, to += kVectorBytes, from += kVectorBytes) put(c, Vec<T>::load(from), to);
    if (col < c.cols)
      put(c, Vec<T>::load_partial(from, static_cast<int>(c.cols - col)), to, static_cast<int>(c.cols - col));
  }
}

// `rows` rows of dst, a vector of each, from as many numbers of `size` columns: most are whole squares. The lines
// `ahead` of both sides are asked for.
template <class T, bool whole>
TAPWISE_INLINE void copy_square(const byte* from, int64_t src_col, int64_t from_ahead, RowOfDst& dst, int64_t to_col,
                                int64_t to_ahead, int rows) {
  constexpr int size = Vec<T>::size;
  Vec<T> square[size];
  TAPWISE_UNROLL
  for (int i = 0; i < size; ++i, from += src_col) {
    if (from_ahead != 0) __builtin_prefetch(from + from_ahead, 0, 2);
    square[i] = whole ? Vec<T>::load(from) : Vec<T>::load_partial(from, rows);
  }
  transpose(square);
  TAPWISE_UNROLL
  for (int i = 0; i < size; ++i, dst.next()) {
    byte* const to = dst.row + to_col;
    if (to_ahead != 0) __builtin_prefetch(to + to_ahead, 1);
    if (whole || i < rows) square[i].store(to);
  }
}

// Down the rows of a few columns, then the next columns: as many streams as hardware follows. Where they are short, or
// rows of dst far apart, it needs to be told of the next columns.
template <class T>
void copy_transposed(const Copy& c) {
  constexpr int size = Vec<T>::size;
  constexpr int64_t page = 4096;
  const bool far = c.group == 0 && c.dst_row >= page;
  for (int64_t col = 0; col < c.cols; col += size) {
    const int cols = static_cast<int>(c.cols - col < size ? c.cols - col : size);
    const int64_t from_ahead = col + size < c.cols ? size * c.src_col : 0, to_col = col * int64_t{sizeof(T)};
    RowOfDst dst(c);
    for (int64_t row = 0; row < c.rows; row += size) {
      const byte* const from = c.src + col * c.src_col + row * int64_t{sizeof(T)};
      const int rows = static_cast<int>(c.rows - row < size ? c.rows - row : size);
      if (cols == size && !c.accumulate) {
        constexpr int64_t lines = 4 * kVectorBytes;
        if (rows == size)
          copy_square<T, true>(from, c.src_col, from_ahead, dst, to_col, far ? lines : 0, rows);
        else
          copy_square<T, false>(from, c.src_col, from_ahead, dst, to_col, far ? lines : 0, rows);
        continue;
      }
      Vec<T> square[size];
      for (int i = 0; i < size; ++i) {
        const byte* const column = from + i * c.src_col;
        square[i] = i >= cols      ? Vec<T>::zero()
                    : rows == size ? Vec<T>::load(column)
                                   : Vec<T>::load_partial(column, rows);
      }
      transpose(square);
      for (int i = 0; i < rows; ++i, dst.next()) {
        if (cols == size) {
          put(c, square[i], dst.row + to_col);
        } else {
          put(c, square[i], dst.row + to_col, cols);
        }
      }
    }
  }
}

// Every step-th of the lanes of `step` vectors, for a power of two.
template <int step, class T, int... I>
TAPWISE_INLINE Vec<T> every(const Vec<T>* from, Indices<I...> lanes) {
  if constexpr (step == 2) {
    return {__builtin_shufflevector(from[0].value, from[1].value, 2 * I...)};
  } else {
    const Vec<T> halves[2] = {every<step / 2>(from, lanes), every<step / 2>(from + step / 2, lanes)};
    return every<2>(halves, lanes);
  }
}

// Columns `step` numbers apart, from whole vectors. Nothing past the last column is read.
template <class T, int step>
void copy_every(const Copy& c) {
  constexpr int size = Vec<T>::size;
  RowOfDst dst(c);
  for (int64_t r = 0; r < c.rows; ++r, dst.next()) {
    const byte* from = c.src + r * c.src_row;
    byte* to = dst.row;
    for (int64_t left = c.cols; left > 0; left -= size, from += step * kVectorBytes, to += kVectorBytes) {
      const int count = static_cast<int>(left < size ? left : size);
      Vec<T> whole[step];
      TAPWISE_UNROLL
      for (int i = 0; i < step; ++i) {
        const int lanes = (count - 1) * step + 1 - i * size;
        whole[i] = lanes >= size ? Vec<T>::load(from + i * kVectorBytes)
                   : lanes > 0   ? Vec<T>::load_partial(from + i * kVectorBytes, lanes)
                                 : Vec<T>::zero();
      }
      const Vec<T> picked = every<step>(whole, typename MakeIndices<size>::Type{});
      if (count == size) {
        put(c, picked, to);
      } else {
        put(c, picked, to, count);
      }
    }
  }
}

template <class T>
void copy_scattered(const Copy& c) {
  RowOfDst dst(c);
  for (int64_t r = 0; r < c.rows; ++r, dst.next())
    for (int64_t col = 0; col < c.cols; ++col) {
      byte* to = dst.row + col * int64_t{sizeof(T)};
      write<T>(to, read<T>(c.src + r * c.src_row + col * c.src_col) + (c.accumulate ? read<T>(to) : T{0}));
    }
}

template <class T>
void copy(const Copy& c) {
  if (c.src_col == int64_t{sizeof(T)} || c.cols == 1) {
    copy_rows<T>(c);
  } else if (c.src_row == int64_t{sizeof(T)} && c.rows > 1) {
    copy_transposed<T>(c);
  } else if (c.src_col == 2 * int64_t{sizeof(T)}) {
    copy_every<T, 2>(c);
  } else if (c.src_col == 4 * int64_t{sizeof(T)}) {
    copy_every<T, 4>(c);
  } else {
    copy_scattered<T>(c);
  }
  if (c.cols_padded == c.cols) return;
  RowOfDst dst(c);
  for (int64_t r = 0; r < c.rows; ++r, dst.next())
    for (int64_t col = c.cols; col < c.cols_padded; ++col) write<T>(dst.row + col * int64_t{sizeof(T)}, T{0});
}
