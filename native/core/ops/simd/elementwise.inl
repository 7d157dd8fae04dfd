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
