// Vectors of floats, and of the elements that values are kept in.
typedef float Vec __attribute__((vector_size(kLanes * 4)));
typedef int32_t IntVec __attribute__((vector_size(kLanes * 4)));
typedef uint32_t BitsVec __attribute__((vector_size(kLanes * 4)));
typedef uint16_t HalfVec __attribute__((vector_size(kLanes * 2)));

struct FloatType {
  typedef float Scalar;
  static SENTINODE_INLINE void Load(const float* p, Vec& v) { __builtin_memcpy(&v, p, sizeof v); }
  static SENTINODE_INLINE void Store(float* p, const Vec& v) { __builtin_memcpy(p, &v, sizeof v); }
};

struct BfloatType {
  typedef uint16_t Scalar;
  static SENTINODE_INLINE void Load(const uint16_t* p, Vec& v) {
    HalfVec half;
    __builtin_memcpy(&half, p, sizeof half);
    const BitsVec bits = __builtin_convertvector(half, BitsVec) << 16;
    __builtin_memcpy(&v, &bits, sizeof v);
  }
  // To the nearest, ties to even; NaN stays NaN.
  static SENTINODE_INLINE void Store(uint16_t* p, const Vec& v) {
#ifdef SENTINODE_BFLOAT16_PAIRS
    const HalfVec half = (HalfVec)_mm512_cvtneps_pbh((__m512)v);
#else
    BitsVec bits;
    __builtin_memcpy(&bits, &v, sizeof bits);
    const BitsVec rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const BitsVec nan = (BitsVec)(v != v);
    const HalfVec half = __builtin_convertvector((rounded & ~nan) | (0x7fc0u & nan), HalfVec);
#endif
    __builtin_memcpy(p, &half, sizeof half);
  }
};

SENTINODE_INLINE void Spread(float x, Vec& v) { v = x - Vec{}; }

// The first `count` elements, the rest zero; nothing behind them is touched.
template <typename Type>
SENTINODE_INLINE void LoadPart(const typename Type::Scalar* p, size_t count, Vec& v) {
#ifdef SENTINODE_MASKS
  const uint16_t mask = static_cast<uint16_t>((1u << count) - 1);
  if constexpr (sizeof(typename Type::Scalar) == sizeof(float)) {
    v = (Vec)_mm512_maskz_loadu_ps(mask, p);
  } else {
    const HalfVec half = (HalfVec)_mm256_maskz_loadu_epi16(mask, p);
    Type::Load(reinterpret_cast<const uint16_t*>(&half), v);
  }
#else
  typename Type::Scalar part[kLanes] = {};
  for (size_t i = 0; i < count; ++i) part[i] = p[i];
  Type::Load(part, v);
#endif
}

template <typename Type>
SENTINODE_INLINE void StorePart(typename Type::Scalar* p, size_t count, const Vec& v) {
#ifdef SENTINODE_MASKS
  const uint16_t mask = static_cast<uint16_t>((1u << count) - 1);
  if constexpr (sizeof(typename Type::Scalar) == sizeof(float)) {
    _mm512_mask_storeu_ps(p, mask, (__m512)v);
  } else {
    HalfVec half;
    Type::Store(reinterpret_cast<uint16_t*>(&half), v);
    _mm256_mask_storeu_epi16(p, mask, (__m256i)half);
  }
#else
  typename Type::Scalar part[kLanes];
  Type::Store(part, v);
  for (size_t i = 0; i < count; ++i) p[i] = part[i];
#endif
}

template <typename Type>
SENTINODE_INLINE void LoadUpTo(const typename Type::Scalar* p, size_t count, Vec& v) {
  if (count >= kLanes) {
    Type::Load(p, v);
  } else {
    LoadPart<Type>(p, count, v);
  }
}

template <typename Type>
SENTINODE_INLINE void StoreUpTo(typename Type::Scalar* p, size_t count, const Vec& v) {
  if (count >= kLanes) {
    Type::Store(p, v);
  } else {
    StorePart<Type>(p, count, v);
  }
}
