// Between planar and channels-last.
template <typename Type>
SENTINODE_INLINE void ConvertTyped(const float* in, typename Type::Scalar* out, size_t length) {
  for (size_t i = 0; i < length; i += kLanes) {
    Vec x;
    LoadUpTo<FloatType>(in + i, length - i, x);
    StoreUpTo<Type>(out + i, length - i, x);
  }
}

void Convert(const float* in, void* out, Element element, size_t length) {
  if (element == Element::kFloat32) {
    ConvertTyped<FloatType>(in, static_cast<float*>(out), length);
  } else {
    ConvertTyped<BfloatType>(in, static_cast<uint16_t*>(out), length);
  }
}

// Lanes of the pair (a, b), numbered through, that make up one row of an exchange in blocks of
// `step`.
struct ExchangeMask {
  int32_t lanes[kLanes];
  constexpr ExchangeMask(size_t step, bool high) : lanes() {
    for (size_t j = 0; j < kLanes; ++j) {
      const size_t own = (j & step) == 0 ? j : kLanes + j - step;
      lanes[j] = static_cast<int32_t>(high ? own + step : own);
    }
  }
};

template <size_t kStep>
SENTINODE_INLINE void Exchange(Vec* rows) {
  constexpr ExchangeMask kLow(kStep, false);
  constexpr ExchangeMask kHigh(kStep, true);
  IntVec low, high;
  __builtin_memcpy(&low, kLow.lanes, sizeof low);
  __builtin_memcpy(&high, kHigh.lanes, sizeof high);
#pragma GCC unroll 16
  for (size_t i = 0; i < kLanes; ++i) {
    if ((i & kStep) != 0) continue;
    const Vec a = rows[i];
    const Vec b = rows[i + kStep];
    rows[i] = __builtin_shuffle(a, b, low);
    rows[i + kStep] = __builtin_shuffle(a, b, high);
  }
}

// kLanes x kLanes in registers: stage by stage, pairs of rows exchange the halves of ever larger
// blocks.
template <size_t kStep = 1>
SENTINODE_INLINE void Transpose(Vec* rows) {
  if constexpr (kStep < kLanes) {
    Exchange<kStep>(rows);
    Transpose<kStep * 2>(rows);
  }
}

// One block of up to kLanes channels and positions; whole blocks, the usual case, stay in
// registers.
template <typename From, typename To, bool kWhole>
SENTINODE_INLINE void TransposeBlock(const typename From::Scalar* in, size_t in_stride,
                                     typename To::Scalar* out, size_t out_stride, size_t in_rows,
                                     size_t out_rows) {
  Vec rows[kLanes];
#pragma GCC unroll 16
  for (size_t i = 0; i < kLanes; ++i) {
    rows[i] = Vec{};
    if (kWhole) {
      From::Load(in + i * in_stride, rows[i]);
    } else if (i < in_rows) {
      LoadUpTo<From>(in + i * in_stride, out_rows, rows[i]);
    }
  }
  Transpose(rows);
#pragma GCC unroll 16
  for (size_t i = 0; i < kLanes; ++i) {
    if (kWhole) {
      To::Store(out + i * out_stride, rows[i]);
    } else if (i < out_rows) {
      StoreUpTo<To>(out + i * out_stride, in_rows, rows[i]);
    }
  }
}

// out[r][c] = in[c][r] for `in_rows` rows of `out_rows` numbers.
template <typename From, typename To>
SENTINODE_INLINE void TransposeAll(const typename From::Scalar* in, size_t in_stride,
                                   typename To::Scalar* out, size_t out_stride, size_t in_rows,
                                   size_t out_rows) {
  for (size_t r = 0; r < in_rows; r += kLanes) {
    for (size_t c = 0; c < out_rows; c += kLanes) {
      const auto* from = in + r * in_stride + c;
      auto* to = out + c * out_stride + r;
      if (in_rows - r >= kLanes && out_rows - c >= kLanes) {
        TransposeBlock<From, To, true>(from, in_stride, to, out_stride, kLanes, kLanes);
      } else {
        TransposeBlock<From, To, false>(from, in_stride, to, out_stride,
                                        in_rows - r < kLanes ? in_rows - r : kLanes,
                                        out_rows - c < kLanes ? out_rows - c : kLanes);
      }
    }
  }
}

void Interleave(const float* in, size_t plane, size_t channels, void* out, Element element,
                size_t positions) {
  if (element == Element::kFloat32) {
    TransposeAll<FloatType, FloatType>(in, plane, static_cast<float*>(out), channels, channels,
                                       positions);
  } else {
    TransposeAll<FloatType, BfloatType>(in, plane, static_cast<uint16_t*>(out), channels, channels,
                                        positions);
  }
}

void Deinterleave(const void* in, size_t stride, Element element, size_t channels, float* out,
                  size_t plane, size_t positions) {
  if (element == Element::kFloat32) {
    TransposeAll<FloatType, FloatType>(static_cast<const float*>(in), stride, out, plane, positions,
                                       channels);
  } else {
    TransposeAll<BfloatType, FloatType>(static_cast<const uint16_t*>(in), stride, out, plane,
                                        positions, channels);
  }
}
