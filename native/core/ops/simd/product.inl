// Tiles of convolutions: what a network spends its time in.

struct FloatProduct {
  static SENTINODE_INLINE void Add(Vec& sum, const Vec& weight, const Vec& x) { sum += weight * x; }
};

#if defined(SENTINODE_BFLOAT16_PAIRS) && !defined(SENTINODE_MATRIX_TILES)
struct BfloatProduct {
  static SENTINODE_INLINE void Add(Vec& sum, const Vec& weight, const Vec& x) {
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(weight), "v"(x));
  }
};
#endif

// One channel under three taps in a row: every input is read once and serves three positions.
template <typename Type, int kTile, int kStep>
SENTINODE_INLINE void SlideChannel(const float* x, const float* weights, Vec (&sum)[kTile]) {
  Vec w[3];
#pragma GCC unroll 3
  for (int tap = 0; tap < 3; ++tap) FloatType::Load(weights + tap * kLanes, w[tap]);
#pragma GCC unroll 32
  for (int i = 0; i < kTile + 2; ++i) {
    Vec input;
    SENTINODE_SPREAD(x[i * kStep], input);
#pragma GCC unroll 3
    for (int tap = 0; tap < 3; ++tap) {
      if (i >= tap && i - tap < kTile) Type::Add(sum[i - tap], w[tap], input);
    }
  }
}

template <typename Type, int kTile, int kStep>
SENTINODE_INLINE void AddTap(const float* x, const float* weights, Vec (&sum)[kTile]) {
  Vec weight;
  FloatType::Load(weights, weight);
#pragma GCC unroll 32
  for (int i = 0; i < kTile; ++i) {
    Vec input;
    Spread(x[i * kStep], input);
    Type::Add(sum[i], weight, input);
  }
}

template <typename Type, int kTile, int kStep, bool kSlide>
void Product(const ProductTile& a) {
  Vec sum[kTile];
#pragma GCC unroll 32
  for (int i = 0; i < kTile; ++i) sum[i] = Vec{};
  for (int row = 0; row < a.rows; ++row) {
    const float* block = static_cast<const float*>(a.sources[row]) + a.source_from;
    const float* weights = static_cast<const float*>(a.weights[row]);
    for (int left = a.channels; left > 0; left -= kStep, block += a.block_step) {
      const float* x = block;
      const float* const end = block + (left < kStep ? left : kStep);
      for (; x < end; ++x) {
        // Else the compiler keeps inputs for the next channel, where positions are as far apart as
        // channels, and sums on the stack instead.
        SENTINODE_UNKNOWN(x);
        if constexpr (kSlide) {
          SlideChannel<Type, kTile, kStep>(x, weights, sum);
          weights += 3 * kLanes;
        } else {
          for (int tap = 0; tap < a.taps; ++tap, weights += kLanes) {
            AddTap<Type, kTile, kStep>(x + a.tap_offsets[tap], weights, sum);
          }
        }
      }
    }
  }
#pragma GCC unroll 32
  for (int i = 0; i < kTile; ++i) FloatType::Store(a.out + i * kLanes, sum[i]);
}

// Tiles are as wide as registers allow, and narrower by steps of kGrain.
template <typename Type, int kTile, int kStep, bool kSlide, int kGrain>
struct ProductTable {
  static SENTINODE_INLINE ProductKernel Find(int width) {
    if constexpr (kTile > kGrain) {
      if (width <= kTile - kGrain) {
        return ProductTable<Type, kTile - kGrain, kStep, kSlide, kGrain>::Find(width);
      }
    }
    return {Product<Type, kTile, kStep, kSlide>, kTile, 0};
  }
};

template <typename Type, int kStep>
SENTINODE_INLINE ProductKernel FindStep(bool slide, int width) {
  constexpr int kSlideGrain = 2;
  constexpr int kPlainGrain = 4;
  if (slide) return ProductTable<Type, kSlideWidth, kStep, true, kSlideGrain>::Find(width);
  return ProductTable<Type, kPlainWidth, kStep, false, kPlainGrain>::Find(width);
}

ProductKernel FindProduct(Element element, int step, bool slide, int width) {
#if defined(SENTINODE_MATRIX_TILES)
  if (element == Element::kBfloat16) return FindTileProduct(step, slide, width);
#elif defined(SENTINODE_BFLOAT16_PAIRS)
  if (element == Element::kBfloat16) return FindStep<BfloatProduct, 8>(slide, width);
#else
  if (element == Element::kBfloat16) return {nullptr, 0, 0};
#endif
  if (step == 16) return FindStep<FloatProduct, 16>(slide, width);
  if (step == 8) return FindStep<FloatProduct, 8>(slide, width);
  return FindStep<FloatProduct, 1>(slide, width);
}
