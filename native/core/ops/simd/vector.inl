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

// e^x, by 2^n * e^r with |r| <= ln2/2 and the Taylor polynomial of degree 7: 1e-7 relative.
SENTINODE_INLINE void Exp(Vec& x) {
  Vec low, high;
  Spread(-87.0f, low);
  Spread(88.0f, high);
  const Vec clamped = x < low ? low : (x > high ? high : x);
  const Vec scaled = clamped * 1.44269504f;
  const IntVec n =
      __builtin_convertvector(scaled + (scaled < 0.0f ? Vec{} - 0.5f : Vec{} + 0.5f), IntVec);
  const Vec whole = __builtin_convertvector(n, Vec);
  const Vec r = (clamped - whole * 0.693359375f) + whole * 2.12194440e-4f;
  Vec sum = r * (1.0f / 5040) + (1.0f / 720);
  sum = sum * r + (1.0f / 120);
  sum = sum * r + (1.0f / 24);
  sum = sum * r + (1.0f / 6);
  sum = sum * r + 0.5f;
  sum = sum * r + 1.0f;
  sum = sum * r + 1.0f;
  const IntVec power = (n + 127) << 23;
  Vec factor;
  __builtin_memcpy(&factor, &power, sizeof factor);
  x = x != x ? x : sum * factor;
}

SENTINODE_INLINE void Activate(const Activation& activation, Vec& v) {
  const Vec zero = {};
  switch (activation.kind) {
    case ActivationKind::kNone:
      break;
    case ActivationKind::kRelu:
      v = v < zero ? zero : v;
      break;
    case ActivationKind::kLeakyRelu:
      v = v < zero ? v * activation.alpha : v;
      break;
    case ActivationKind::kClip: {
      Vec low, high;
      Spread(activation.min, low);
      Spread(activation.max, high);
      v = v < low ? low : v;
      v = v > high ? high : v;
      break;
    }
    case ActivationKind::kSigmoid: {
      Vec e = -v;
      Exp(e);
      v = 1.0f / (1.0f + e);
      break;
    }
    case ActivationKind::kTanh: {
      // Near zero the quotient cancels; there the series serves: x - x^3/3 + 2x^5/15.
      Vec e = v * -2.0f;
      Exp(e);
      const Vec square = v * v;
      const Vec series = v * (1.0f + square * (-1.0f / 3 + square * (2.0f / 15)));
      v = square < 0.0025f ? series : 2.0f / (1.0f + e) - 1.0f;
      break;
    }
  }
}
