// What is done to each value, or to each channel's.
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
    Activate(a.activation, x, channel);
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

template <typename Type, typename Operation>
SENTINODE_INLINE void PairTyped(const Pair& p, const Operation& operation) {
  typedef typename Type::Scalar Scalar;
  for (size_t i = 0; i < p.length; i += kLanes) {
    Vec x, y;
    LoadUpTo<Type>(static_cast<const Scalar*>(p.a) + i, p.length - i, x);
    LoadUpTo<Type>(static_cast<const Scalar*>(p.b) + i, p.length - i, y);
    operation(x, y);
    Activate(p.activation, x);
    StoreUpTo<Type>(static_cast<Scalar*>(p.out) + i, p.length - i, x);
  }
}

// What is no number stays none: the greater of it and anything is it.
template <typename Type>
SENTINODE_INLINE void PairOf(const Pair& p) {
  switch (p.kind) {
    case StepKind::kAdd:
      return PairTyped<Type>(p,
                             [](Vec& x, const Vec& y) __attribute__((always_inline)) { x += y; });
    case StepKind::kSub:
      return PairTyped<Type>(p,
                             [](Vec& x, const Vec& y) __attribute__((always_inline)) { x -= y; });
    case StepKind::kDiv:
      return PairTyped<Type>(p,
                             [](Vec& x, const Vec& y) __attribute__((always_inline)) { x /= y; });
    case StepKind::kMax:
      return PairTyped<Type>(p, [](Vec& x, const Vec& y) __attribute__((always_inline)) {
        x = x > y ? x : (x != x ? x : y);
      });
    case StepKind::kMin:
      return PairTyped<Type>(p, [](Vec& x, const Vec& y) __attribute__((always_inline)) {
        x = x < y ? x : (x != x ? x : y);
      });
    default:
      return PairTyped<Type>(p,
                             [](Vec& x, const Vec& y) __attribute__((always_inline)) { x *= y; });
  }
}

void PairKernel(const Pair& p) {
  if (p.element == Element::kFloat32) {
    PairOf<FloatType>(p);
  } else {
    PairOf<BfloatType>(p);
  }
}

template <typename Scalar>
SENTINODE_INLINE void SpreadTyped(const void* in, void* out, size_t positions, size_t channels) {
  const auto* from = static_cast<const Scalar*>(in);
  auto* to = static_cast<Scalar*>(out);
  for (size_t p = 0; p < positions; ++p, to += channels) {
    for (size_t c = 0; c < channels; ++c) to[c] = from[p];
  }
}

void SpreadKernel(const void* in, void* out, Element element, size_t positions, size_t channels) {
  if (element == Element::kFloat32) {
    SpreadTyped<float>(in, out, positions, channels);
  } else {
    SpreadTyped<uint16_t>(in, out, positions, channels);
  }
}

template <typename Type>
SENTINODE_INLINE void BlendTyped(const Blend& b) {
  auto* out = static_cast<typename Type::Scalar*>(b.out);
  for (size_t p = 0; p < b.positions; ++p, out += b.channels) {
    const float* low = b.in + static_cast<size_t>(b.low[p]) * b.channels;
    const float* high = b.in + static_cast<size_t>(b.high[p]) * b.channels;
    const float share = b.share[p];
    for (size_t c = 0; c < b.channels; c += kLanes) {
      Vec x, y;
      LoadUpTo<FloatType>(low + c, b.channels - c, x);
      LoadUpTo<FloatType>(high + c, b.channels - c, y);
      if (share != 0.0f) x = x * (1.0f - share) + y * share;
      StoreUpTo<Type>(out + c, b.channels - c, x);
    }
  }
}

void BlendKernel(const Blend& b) {
  if (b.element == Element::kFloat32) {
    BlendTyped<FloatType>(b);
  } else {
    BlendTyped<BfloatType>(b);
  }
}

SENTINODE_INLINE float SumOfLanes(const Vec& v) {
  float lanes[kLanes];
  __builtin_memcpy(lanes, &v, sizeof lanes);
  for (size_t half = kLanes / 2; half > 0; half /= 2) {
    for (size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

template <typename Type>
SENTINODE_INLINE void ChannelNormTyped(const ChannelNorm& n) {
  const auto* in = static_cast<const typename Type::Scalar*>(n.in);
  auto* out = static_cast<typename Type::Scalar*>(n.out);
  const float count = static_cast<float>(n.channels);
  for (size_t p = 0; p < n.positions; ++p, in += n.channels, out += n.channels) {
    Vec sum = {}, x;
    for (size_t c = 0; n.centred && c < n.channels; c += kLanes) {
      LoadUpTo<Type>(in + c, n.channels - c, x);
      sum += x;
    }
    const float mean = n.centred ? SumOfLanes(sum) / count : 0.0f;
    Vec squares = {};
    for (size_t c = 0; c < n.channels; c += kLanes) {
      LoadUpTo<Type>(in + c, n.channels - c, x);
      x -= mean;
      if (n.channels - c < kLanes) {
        // The lanes behind the last channel are zero, not minus the mean.
        for (size_t i = n.channels - c; i < kLanes; ++i) x[i] = 0.0f;
      }
      squares += x * x;
    }
    const float inverse = 1.0f / __builtin_sqrtf(SumOfLanes(squares) / count + n.epsilon);
    for (size_t c = 0; c < n.channels; c += kLanes) {
      Vec scale, shift;
      LoadUpTo<Type>(in + c, n.channels - c, x);
      FloatType::Load(n.scale + c, scale);
      FloatType::Load(n.shift + c, shift);
      x = (x - mean) * (scale * inverse) + shift;
      Activate(n.activation, x);
      StoreUpTo<Type>(out + c, n.channels - c, x);
    }
  }
}

void ChannelNormKernel(const ChannelNorm& n) {
  if (n.element == Element::kFloat32) {
    ChannelNormTyped<FloatType>(n);
  } else {
    ChannelNormTyped<BfloatType>(n);
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

template <typename Type>
SENTINODE_INLINE void LargestTyped(const void* in, size_t length, int32_t* most) {
  const auto* from = static_cast<const typename Type::Scalar*>(in);
  IntVec largest;
  __builtin_memcpy(&largest, most, sizeof largest);
  for (size_t i = 0; i < length; i += kLanes) {
    Vec x;
    LoadUpTo<Type>(from + i, length - i, x);
    IntVec bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    bits &= 0x7fffffff;
    largest = bits > largest ? bits : largest;
  }
  __builtin_memcpy(most, &largest, sizeof largest);
}

void Largest(const void* in, Element element, size_t length, int32_t* most) {
  if (element == Element::kFloat32) {
    LargestTyped<FloatType>(in, length, most);
  } else {
    LargestTyped<BfloatType>(in, length, most);
  }
}
