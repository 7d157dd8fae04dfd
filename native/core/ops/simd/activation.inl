// Functions of one value. What costs a few operations is inlined where it is used; a curve is a
// call for each vector, which is little beside the curve itself.

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

// e^x - 1 for x <= 0. Near zero the difference cancels; there the series serves.
SENTINODE_INLINE Vec ExpMinusOne(const Vec& x) {
  Vec e = x;
  Exp(e);
  const Vec series = x * (1.0f + x * (0.5f + x * (1.0f / 6 + x * (1.0f / 24 + x * (1.0f / 120)))));
  return x > -0.125f ? series : e - 1.0f;
}

// ln(x) for 1 <= x <= 2, by 2 artanh((x - 1) / (x + 1)): 1e-7.
SENTINODE_INLINE Vec LogOfOneToTwo(const Vec& x) {
  const Vec s = (x - 1.0f) / (x + 1.0f);
  const Vec q = s * s;
  Vec sum = q * (1.0f / 13) + (1.0f / 11);
  sum = sum * q + (1.0f / 9);
  sum = sum * q + (1.0f / 7);
  sum = sum * q + (1.0f / 5);
  sum = sum * q + (1.0f / 3);
  return 2.0f * s * (sum * q + 1.0f);
}

// Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: 1.5e-7; near zero the series.
SENTINODE_INLINE Vec Erf(const Vec& x) {
  const Vec size = x < 0.0f ? -x : x;
  const Vec t = 1.0f / (1.0f + 0.3275911f * size);
  Vec e = -size * size;
  Exp(e);
  Vec sum = t * 1.061405429f - 1.453152027f;
  sum = sum * t + 1.421413741f;
  sum = sum * t - 0.284496736f;
  sum = sum * t + 0.254829592f;
  const Vec far = 1.0f - sum * t * e;
  const Vec square = x * x;
  Vec near = square * (1.0f / 216) - (1.0f / 42);
  near = near * square + 0.1f;
  near = near * square - (1.0f / 3);
  near = (near * square + 1.0f) * x * 1.12837917f;
  return size < 0.35f ? near : (x < 0.0f ? -far : far);
}

SENTINODE_INLINE Vec Sigmoid(const Vec& x) {
  Vec e = -x;
  Exp(e);
  return 1.0f / (1.0f + e);
}

// Near zero the quotient cancels; there the series serves: x - x^3/3 + 2x^5/15.
SENTINODE_INLINE Vec Tanh(const Vec& x) {
  Vec e = x * -2.0f;
  Exp(e);
  const Vec square = x * x;
  const Vec series = x * (1.0f + square * (-1.0f / 3 + square * (2.0f / 15)));
  return square < 0.0025f ? series : 2.0f / (1.0f + e) - 1.0f;
}

// tanh(ln(1 + e^x)) is a quotient of polynomials in e^x.
SENTINODE_INLINE Vec Mish(const Vec& x) {
  Vec most;
  Spread(20.0f, most);
  Vec e = x > most ? most : x;
  Exp(e);
  const Vec n = e * (e + 2.0f);
  return x * (n / (n + 2.0f));
}

// max(x, 0) + ln(1 + e^-|x|); below 2^-12, where 1 + u has lost u, the logarithm is u itself.
SENTINODE_INLINE Vec Softplus(const Vec& x) {
  const Vec zero = {};
  Vec u = x < zero ? x : -x;
  Exp(u);
  const Vec tail = u < 0.000244f ? u : LogOfOneToTwo(1.0f + u);
  return (x < zero ? zero : x) + tail;
}

SENTINODE_INLINE Vec HardSigmoid(const Vec& x, float alpha, float beta) {
  const Vec zero = {};
  const Vec one = zero + 1.0f;
  const Vec line = x * alpha + beta;
  return line < zero ? zero : (line > one ? one : line);
}

// Beyond 2^22 numbers are whole, or near enough to the ends of any integer that is quantised to.
SENTINODE_INLINE Vec NearestEven(const Vec& x) {
  constexpr float kUnit = 12582912.0f;  // 1.5 * 2^23, where floats are one apart
  const Vec size = x < 0.0f ? -x : x;
  const Vec moved = x + kUnit;
  return size < 4194304.0f ? moved - kUnit : x;
}

SENTINODE_INLINE Vec SquareRoot(const Vec& x) {
  Vec root;
  for (size_t i = 0; i < kLanes; ++i) root[i] = __builtin_sqrtf(x[i]);
  return root;
}

__attribute__((noinline)) void ActivateCurve(const Activation& a, Vec& v) {
  const Vec zero = {};
  switch (a.kind) {
    case ActivationKind::kSigmoid:
      v = Sigmoid(v);
      break;
    case ActivationKind::kTanh:
      v = Tanh(v);
      break;
    case ActivationKind::kSilu:
      v = v * Sigmoid(v * a.alpha);
      break;
    case ActivationKind::kGelu:
      v = 0.5f * v * (1.0f + Erf(v * 0.707106781f));
      break;
    case ActivationKind::kGeluTanh:
      v = 0.5f * v * (1.0f + Tanh(0.797884561f * (v + 0.044715f * v * v * v)));
      break;
    case ActivationKind::kMish:
      v = Mish(v);
      break;
    case ActivationKind::kElu:
      v = a.beta * (v > zero ? v : a.alpha * ExpMinusOne(v));
      break;
    case ActivationKind::kSoftplus:
      v = Softplus(v);
      break;
    case ActivationKind::kHardSwish:
      v = v * HardSigmoid(v, 1.0f / 6, 0.5f);
      break;
    case ActivationKind::kHardSigmoid:
      v = HardSigmoid(v, a.alpha, a.beta);
      break;
    case ActivationKind::kSoftsign:
      v = v / (1.0f + (v < zero ? -v : v));
      break;
    case ActivationKind::kErf:
      v = Erf(v);
      break;
    case ActivationKind::kExp: {
      // By halves, as powers beyond the range of one factor overflow or vanish as they should.
      v *= 0.5f;
      Exp(v);
      v *= v;
      break;
    }
    case ActivationKind::kSqrt:
      v = SquareRoot(v);
      break;
    case ActivationKind::kAbs:
      v = v < zero ? -v : v;
      break;
    case ActivationKind::kReciprocal:
      v = 1.0f / v;
      break;
    case ActivationKind::kQuantize: {
      Vec low, high;
      Spread(a.min, low);
      Spread(a.max, high);
      const Vec q = NearestEven(v / a.alpha) + a.beta;
      v = ((q < low ? low : (q > high ? high : q)) - a.beta) * a.alpha;
      break;
    }
    case ActivationKind::kNone:
    case ActivationKind::kRelu:
    case ActivationKind::kLeakyRelu:
    case ActivationKind::kPrelu:
    case ActivationKind::kClip:
      break;
  }
}

// `channel`: that of the vector's first lane, after the one that `slopes` begin with.
SENTINODE_INLINE void Activate(const Activation& activation, Vec& v, size_t channel = 0) {
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
    case ActivationKind::kPrelu: {
      Vec slope;
      FloatType::Load(activation.slopes + channel, slope);
      v = v < zero ? v * slope : v;
      break;
    }
    case ActivationKind::kClip: {
      Vec low, high;
      Spread(activation.min, low);
      Spread(activation.max, high);
      v = v < low ? low : v;
      v = v > high ? high : v;
      break;
    }
    default:
      ActivateCurve(activation, v);
  }
}
