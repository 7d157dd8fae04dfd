// Rows of pools and depthwise convolutions.
// The taps of the window at output `w` that lie inside the row: [first, last).
SENTINODE_INLINE void TapRange(const WindowRow& a, int64_t w, int* first, int* last) {
  const int64_t start = w * a.stride - a.pad;
  int64_t from = 0;
  int64_t to = a.kernel;
  if (start < 0) from = (-start + a.dilation - 1) / a.dilation;
  if (start + (to - 1) * a.dilation >= a.in_width) {
    to = start >= a.in_width ? 0 : (a.in_width - 1 - start) / a.dilation + 1;
  }
  *first = static_cast<int>(from);
  *last = static_cast<int>(to > from ? to : from);
}

template <typename Type, typename Body>
SENTINODE_INLINE void ForEachOutput(const WindowRow& a, const Body& body) {
  for (int64_t w = 0; w < a.out_width; ++w) {
    int first, last;
    TapRange(a, w, &first, &last);
    auto* out = static_cast<typename Type::Scalar*>(a.out) + w * a.channels;
    const ptrdiff_t offset = (w * a.stride - a.pad) * static_cast<int64_t>(a.channels);
    const ptrdiff_t step = static_cast<ptrdiff_t>(a.dilation) * static_cast<ptrdiff_t>(a.channels);
    for (size_t c = 0; c < a.channels; c += kLanes) {
      Vec result;
      body(w, first, last, offset + static_cast<ptrdiff_t>(c), step, c, result);
      StoreUpTo<Type>(out + c, a.channels - c, result);
    }
  }
}

template <typename Type>
SENTINODE_INLINE void MaxPool(const WindowRow& a) {
  ForEachOutput<Type>(a, [&](int64_t, int first, int last, ptrdiff_t offset, ptrdiff_t step,
                             size_t c, Vec& best) __attribute__((always_inline)) {
    Spread(-__builtin_inff(), best);
    for (int r = 0; r < a.row_count; ++r) {
      const auto* row = static_cast<const typename Type::Scalar*>(a.rows[r]) + offset;
      for (int k = first; k < last; ++k) {
        Vec x;
        LoadUpTo<Type>(row + k * step, a.channels - c, x);
        best = x > best ? x : best;
      }
    }
  });
}

template <typename Type>
SENTINODE_INLINE void AveragePool(const WindowRow& a) {
  ForEachOutput<Type>(a, [&](int64_t w, int first, int last, ptrdiff_t offset, ptrdiff_t step,
                             size_t c, Vec& sum) __attribute__((always_inline)) {
    sum = Vec{};
    for (int r = 0; r < a.row_count; ++r) {
      const auto* row = static_cast<const typename Type::Scalar*>(a.rows[r]) + offset;
      for (int k = first; k < last; ++k) {
        Vec x;
        LoadUpTo<Type>(row + k * step, a.channels - c, x);
        sum += x;
      }
    }
    int64_t along = last - first;
    if (a.count_padding) {
      const int64_t start = w * a.stride - a.pad;
      const int64_t end = start + a.kernel;
      along = (end < a.padded_width ? end : a.padded_width) - start;
    }
    const int64_t count = along * a.others;
    if (count > 0) sum = sum / static_cast<float>(count);
  });
}

template <typename Type>
SENTINODE_INLINE void Depthwise(const WindowRow& a) {
  ForEachOutput<Type>(a, [&](int64_t w, int first, int last, ptrdiff_t offset, ptrdiff_t step,
                             size_t c, Vec& sum) __attribute__((always_inline)) {
    sum = Vec{};
    const size_t left = a.channels - c;
    if (a.bias != nullptr) LoadUpTo<FloatType>(a.bias + c, left, sum);
    for (int r = 0; r < a.row_count; ++r) {
      const auto* row = static_cast<const typename Type::Scalar*>(a.rows[r]) + offset;
      for (int k = first; k < last; ++k) {
        Vec x, weight;
        LoadUpTo<Type>(row + k * step, left, x);
        LoadUpTo<FloatType>(a.weights[r] + static_cast<size_t>(k) * a.channels + c, left, weight);
        sum += x * weight;
      }
    }
    if (a.residual != nullptr) {
      Vec x;
      const auto* row = static_cast<const typename Type::Scalar*>(a.residual);
      LoadUpTo<Type>(row + static_cast<size_t>(w) * a.channels + c, left, x);
      sum += x;
    }
    Activate(a.activation, sum, c);
  });
}

void MaxPoolRow(const WindowRow& a) {
  if (a.element == Element::kFloat32) {
    MaxPool<FloatType>(a);
  } else {
    MaxPool<BfloatType>(a);
  }
}

void AveragePoolRow(const WindowRow& a) {
  if (a.element == Element::kFloat32) {
    AveragePool<FloatType>(a);
  } else {
    AveragePool<BfloatType>(a);
  }
}

void DepthwiseRow(const WindowRow& a) {
  if (a.element == Element::kFloat32) {
    Depthwise<FloatType>(a);
  } else {
    Depthwise<BfloatType>(a);
  }
}
