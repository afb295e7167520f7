// Gathering a small matrix into dense rows: by vectors where the source's rows are dense, by transposed squares of
// vectors where its columns are, else number by number.

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

// Down the rows of a few columns, then the next columns: as many streams as hardware follows. Where they are short, or
// rows of dst far apart, it needs to be told of the next columns.
template <class T>
void copy_transposed(const Copy& c) {
  constexpr int size = Vec<T>::size;
  constexpr int64_t page = 4096;
  const bool far = c.group == 0 && c.dst_row >= page;
  for (int64_t col = 0; col < c.cols; col += size) {
    const int cols = static_cast<int>(c.cols - col < size ? c.cols - col : size);
    const bool more = col + size < c.cols;
    RowOfDst dst(c);
    for (int64_t row = 0; row < c.rows; row += size) {
      const int rows = static_cast<int>(c.rows - row < size ? c.rows - row : size);
      Vec<T> square[size];
      for (int i = 0; i < size; ++i) {
        const byte* from = c.src + (col + i) * c.src_col + row * int64_t{sizeof(T)};
        if (more) __builtin_prefetch(from + size * c.src_col);
        square[i] = i >= cols ? Vec<T>::zero() : rows == size ? Vec<T>::load(from) : Vec<T>::load_partial(from, rows);
      }
      transpose(square);
      for (int i = 0; i < rows; ++i, dst.next()) {
        byte* to = dst.row + col * int64_t{sizeof(T)};
        if (far) __builtin_prefetch(to + 4 * kVectorBytes, 1);
        if (cols == size) {
          put(c, square[i], to);
        } else {
          put(c, square[i], to, cols);
        }
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
  } else {
    copy_scattered<T>(c);
  }
  if (c.cols_padded == c.cols) return;
  RowOfDst dst(c);
  for (int64_t r = 0; r < c.rows; ++r, dst.next())
    for (int64_t col = c.cols; col < c.cols_padded; ++col) write<T>(dst.row + col * int64_t{sizeof(T)}, T{0});
}
