// The bodies of simd.h, included once per instruction set by simd.cc, each time in a namespace of its
// own with kLanes (floats of a vector) and kWidth (vectors that a narrow tile accumulates in) defined
// before. Everything here must be compiled anew each time: no calls into inline functions of headers.

#define SENTINODE_INLINE inline __attribute__((always_inline))

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
    BitsVec bits;
    __builtin_memcpy(&bits, &v, sizeof bits);
    const BitsVec rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const BitsVec nan = (BitsVec)(v != v);
    const HalfVec half =
        __builtin_convertvector((rounded & ~nan) | (0x7fc0u & nan), HalfVec);
    __builtin_memcpy(p, &half, sizeof half);
  }
};

SENTINODE_INLINE void Spread(float x, Vec& v) { v = x - Vec{}; }

// The first `count` elements, the rest zero.
template <typename Type>
SENTINODE_INLINE void LoadPart(const typename Type::Scalar* p, size_t count, Vec& v) {
  typename Type::Scalar part[kLanes] = {};
  for (size_t i = 0; i < count; ++i) part[i] = p[i];
  Type::Load(part, v);
}

template <typename Type>
SENTINODE_INLINE void StorePart(typename Type::Scalar* p, size_t count, const Vec& v) {
  typename Type::Scalar part[kLanes];
  Type::Store(part, v);
  for (size_t i = 0; i < count; ++i) p[i] = part[i];
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
  const IntVec n = __builtin_convertvector(scaled + (scaled < 0.0f ? Vec{} - 0.5f : Vec{} + 0.5f),
                                           IntVec);
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

// --- Combine ---------------------------------------------------------------------------------------

template <int kUnroll, typename In>
SENTINODE_INLINE void LoadColumns(const Combine& a, size_t i, size_t count, Vec (*x)[kUnroll]) {
  for (int c = 0; c < a.cols; ++c) {
    const auto* in = static_cast<const typename In::Scalar*>(a.in[c]) + i;
    for (int u = 0; u < kUnroll; ++u) {
      if (kUnroll > 1) {
        In::Load(in + u * kLanes, x[c][u]);
      } else {
        LoadUpTo<In>(in, count, x[c][0]);
      }
    }
  }
}

template <int kUnroll, typename In, typename Out, bool kEpilogue>
SENTINODE_INLINE void CombineBlock(const Combine& a, size_t i, size_t count) {
  Vec x[kMaxCombine][kUnroll];
  LoadColumns<kUnroll, In>(a, i, count, x);
  const size_t channel = kEpilogue ? (a.phase + i) % a.channels : 0;
  for (int r = 0; r < a.rows; ++r) {
    Vec sum[kUnroll];
    const float* row = a.matrix + static_cast<ptrdiff_t>(r) * a.cols;
    for (int u = 0; u < kUnroll; ++u) sum[u] = Vec{};
    for (int c = 0; c < a.cols; ++c) {
      for (int u = 0; u < kUnroll; ++u) sum[u] += x[c][u] * row[c];
    }
    auto* out = static_cast<typename Out::Scalar*>(a.out[r]) + i;
    for (int u = 0; u < kUnroll; ++u) {
      if (kEpilogue) {
        Vec extra;
        if (a.bias != nullptr) {
          FloatType::Load(a.bias + (channel + static_cast<size_t>(u) * kLanes) % a.channels, extra);
          sum[u] += extra;
        }
        if (a.residual != nullptr) {
          const auto* p = static_cast<const typename Out::Scalar*>(a.residual[r]) + i + u * kLanes;
          if (kUnroll > 1) {
            Out::Load(p, extra);
          } else {
            LoadUpTo<Out>(p, count, extra);
          }
          sum[u] += extra;
        }
        Activate(a.activation, sum[u]);
      }
      if (kUnroll > 1) {
        Out::Store(out + u * kLanes, sum[u]);
      } else {
        StoreUpTo<Out>(out, count, sum[u]);
      }
    }
  }
}

template <typename In, typename Out, bool kEpilogue>
SENTINODE_INLINE void CombineAll(const Combine& a) {
  constexpr int kUnroll = 2;
  size_t i = 0;
  for (; i + kUnroll * kLanes <= a.length; i += kUnroll * kLanes) {
    CombineBlock<kUnroll, In, Out, kEpilogue>(a, i, kLanes);
  }
  for (; i < a.length; i += kLanes) {
    CombineBlock<1, In, Out, kEpilogue>(a, i, a.length - i);
  }
}

template <typename In, typename Out>
SENTINODE_INLINE void CombineTyped(const Combine& a) {
  const bool plain = a.bias == nullptr && a.residual == nullptr &&
                     a.activation.kind == ActivationKind::kNone;
  if (plain) {
    CombineAll<In, Out, false>(a);
  } else {
    CombineAll<In, Out, true>(a);
  }
}

void CombineKernel(const Combine& a) {
  const bool from_bfloat = a.in_element == Element::kBfloat16;
  const bool to_bfloat = a.out_element == Element::kBfloat16;
  if (from_bfloat && to_bfloat) {
    CombineTyped<BfloatType, BfloatType>(a);
  } else if (from_bfloat) {
    CombineTyped<BfloatType, FloatType>(a);
  } else if (to_bfloat) {
    CombineTyped<FloatType, BfloatType>(a);
  } else {
    CombineTyped<FloatType, FloatType>(a);
  }
}

// --- NarrowTile ------------------------------------------------------------------------------------

template <int kTile>
void Narrow(const NarrowTile& a) {
  Vec sum[kTile];
  for (int i = 0; i < kTile; ++i) sum[i] = Vec{};
  for (int term = 0; term < a.terms; ++term) {
    const float* weights = a.weights[term];
    for (int kd = 0; kd < a.kernel_d; ++kd) {
      for (int kh = 0; kh < a.kernel_h; ++kh) {
        const float* row = a.sources[term] + kd * a.step_d + kh * a.step_h;
        for (int tap = 0; tap < a.row_taps; ++tap, weights += kLanes) {
          Vec weight;
          FloatType::Load(weights, weight);
          const float* x = row + a.tap_offsets[tap];
#pragma GCC unroll 32
          for (int i = 0; i < kTile; ++i) sum[i] += weight * x[i];
        }
      }
    }
  }
  for (int i = 0; i < kTile; ++i) FloatType::Store(a.out + i * a.out_stride, sum[i]);
}

template <int kTile>
struct NarrowTable {
  static SENTINODE_INLINE void Run(const NarrowTile& a, int width) {
    if (width == kTile) {
      Narrow<kTile>(a);
    } else {
      NarrowTable<kTile - 1>::Run(a, width);
    }
  }
};

template <>
struct NarrowTable<0> {
  static SENTINODE_INLINE void Run(const NarrowTile&, int) {}
};

void NarrowKernel(const NarrowTile& a, int width) { NarrowTable<kWidth>::Run(a, width); }

// --- Rows of pools and depthwise convolutions ------------------------------------------------------

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
    const ptrdiff_t offset =
        (w * a.stride - a.pad) * static_cast<int64_t>(a.channels);
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
    Activate(a.activation, sum);
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

// --- Elementwise -----------------------------------------------------------------------------------

template <typename Type>
SENTINODE_INLINE void ScaleShiftTyped(const ScaleShift& a) {
  const auto* in = static_cast<const typename Type::Scalar*>(a.in);
  auto* out = static_cast<typename Type::Scalar*>(a.out);
  size_t channel = a.phase % a.channels;
  for (size_t i = 0; i < a.length; i += kLanes) {
    Vec x, scale, shift;
    LoadUpTo<Type>(in + i, a.length - i, x);
    FloatType::Load(a.scale + channel, scale);
    FloatType::Load(a.shift + channel, shift);
    x = x * scale + shift;
    Activate(a.activation, x);
    StoreUpTo<Type>(out + i, a.length - i, x);
    channel = (channel + kLanes) % a.channels;
  }
}

void ScaleShiftKernel(const ScaleShift& a) {
  if (a.element == Element::kFloat32) {
    ScaleShiftTyped<FloatType>(a);
  } else {
    ScaleShiftTyped<BfloatType>(a);
  }
}

template <typename Type>
SENTINODE_INLINE void MultiplyTyped(const void* a, const void* b, void* out, size_t length,
                                    const Activation& activation) {
  typedef typename Type::Scalar Scalar;
  for (size_t i = 0; i < length; i += kLanes) {
    Vec x, y;
    LoadUpTo<Type>(static_cast<const Scalar*>(a) + i, length - i, x);
    LoadUpTo<Type>(static_cast<const Scalar*>(b) + i, length - i, y);
    x *= y;
    Activate(activation, x);
    StoreUpTo<Type>(static_cast<Scalar*>(out) + i, length - i, x);
  }
}

void MultiplyKernel(const void* a, const void* b, void* out, Element element, size_t length,
                    const Activation& activation) {
  if (element == Element::kFloat32) {
    MultiplyTyped<FloatType>(a, b, out, length, activation);
  } else {
    MultiplyTyped<BfloatType>(a, b, out, length, activation);
  }
}

template <typename Type>
SENTINODE_INLINE void ChannelSumsTyped(const void* in, size_t positions, size_t channels,
                                       const float* centre, int power, float* sums) {
  for (size_t c = 0; c < channels; c += kLanes) {
    const auto* x = static_cast<const typename Type::Scalar*>(in) + c;
    Vec sum = {}, middle;
    LoadUpTo<FloatType>(centre + c, channels - c, middle);
    for (size_t p = 0; p < positions; ++p, x += channels) {
      Vec value;
      LoadUpTo<Type>(x, channels - c, value);
      value -= middle;
      sum += power == 1 ? value : value * value;
    }
    StoreUpTo<FloatType>(sums + c, channels - c, sum);
  }
}

void ChannelSums(const void* in, Element element, size_t positions, size_t channels,
                 const float* centre, int power, float* sums) {
  if (element == Element::kFloat32) {
    ChannelSumsTyped<FloatType>(in, positions, channels, centre, power, sums);
  } else {
    ChannelSumsTyped<BfloatType>(in, positions, channels, centre, power, sums);
  }
}

template <typename Type>
SENTINODE_INLINE void ChannelMaxTyped(const void* in, size_t positions, size_t channels,
                                      float* best) {
  for (size_t c = 0; c < channels; c += kLanes) {
    const auto* x = static_cast<const typename Type::Scalar*>(in) + c;
    Vec most;
    LoadUpTo<FloatType>(best + c, channels - c, most);
    for (size_t p = 0; p < positions; ++p, x += channels) {
      Vec value;
      LoadUpTo<Type>(x, channels - c, value);
      most = value > most ? value : most;
    }
    StoreUpTo<FloatType>(best + c, channels - c, most);
  }
}

void ChannelMax(const void* in, Element element, size_t positions, size_t channels, float* best) {
  if (element == Element::kFloat32) {
    ChannelMaxTyped<FloatType>(in, positions, channels, best);
  } else {
    ChannelMaxTyped<BfloatType>(in, positions, channels, best);
  }
}

// --- Layout ----------------------------------------------------------------------------------------

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

// Lanes of the pair (a, b), numbered through, that make up one row of an exchange in blocks of `step`.
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

// kLanes x kLanes in registers: stage by stage, pairs of rows exchange the halves of ever larger blocks.
template <size_t kStep = 1>
SENTINODE_INLINE void Transpose(Vec* rows) {
  if constexpr (kStep < kLanes) {
    Exchange<kStep>(rows);
    Transpose<kStep * 2>(rows);
  }
}

// One block of up to kLanes channels and positions; whole blocks, the usual case, stay in registers.
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

void Deinterleave(const void* in, Element element, size_t channels, float* out, size_t plane,
                  size_t positions) {
  if (element == Element::kFloat32) {
    TransposeAll<FloatType, FloatType>(static_cast<const float*>(in), channels, out, plane,
                                       positions, channels);
  } else {
    TransposeAll<BfloatType, FloatType>(static_cast<const uint16_t*>(in), channels, out, plane,
                                        positions, channels);
  }
}

constexpr Kernels MakeKernels(const char* name) {
  return Kernels{name,          static_cast<int>(kLanes), kWidth,          CombineKernel,
                 NarrowKernel,  MaxPoolRow,               AveragePoolRow,  DepthwiseRow,
                 ScaleShiftKernel, MultiplyKernel,        ChannelSums,     ChannelMax,
                 Interleave,    Deinterleave,             Convert};
}

#undef SENTINODE_INLINE
