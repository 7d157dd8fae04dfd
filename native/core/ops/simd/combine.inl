// Sums of arrays with factors.

// Whole vectors and nothing else, as inputs are mixed, or with everything that may be asked for.
enum class CombineKind { kPlain, kAny };

template <typename In, int kTerms>
struct CombineInputs {
  const typename In::Scalar* in[kTerms];
  Vec factor[kTerms];

  SENTINODE_INLINE void Set(const Combine& a, const CombineTerm* terms) {
#pragma GCC unroll 16
    for (int t = 0; t < kTerms; ++t) {
      in[t] = static_cast<const typename In::Scalar*>(a.in[terms[t].array]) + a.in_from;
      Spread(terms[t].factor, factor[t]);
    }
  }

  template <CombineKind kKind>
  SENTINODE_INLINE void Add(ptrdiff_t at, size_t lanes, Vec& sum) const {
#pragma GCC unroll 16
    for (int t = 0; t < kTerms; ++t) {
      Vec x;
      if (kKind == CombineKind::kPlain) {
        In::Load(in[t] + at, x);
      } else {
        LoadUpTo<In>(in[t] + at, lanes, x);
      }
      sum += x * factor[t];
    }
  }
};

SENTINODE_INLINE void AddResidual(const Combine& a, int row, ptrdiff_t at, Vec& sum) {
  Vec x;
  if (a.residual_element == Element::kFloat32) {
    LoadUpTo<FloatType>(static_cast<const float*>(a.residual[row]) + at, a.lanes, x);
  } else {
    LoadUpTo<BfloatType>(static_cast<const uint16_t*>(a.residual[row]) + at, a.lanes, x);
  }
  sum += x;
}

template <typename In, typename Out, int kTerms, CombineKind kKind>
SENTINODE_INLINE void CombineRow(const Combine& a, int row, const CombineTerm* terms) {
  CombineInputs<In, kTerms> inputs;
  inputs.Set(a, terms);
  auto* out = static_cast<typename Out::Scalar*>(a.out[row]) + a.out_from;
  const size_t lanes = a.lanes;
  const ptrdiff_t in_step = a.in_step;
  const ptrdiff_t out_step = a.out_step;
  ptrdiff_t from = 0;
  Vec start = {};
  if (kKind == CombineKind::kAny && a.bias != nullptr) LoadUpTo<FloatType>(a.bias, lanes, start);
  for (size_t v = 0; v < a.count; ++v, from += in_step, out += out_step) {
    Vec sum = start;
    inputs.template Add<kKind>(from, lanes, sum);
    if (kKind == CombineKind::kPlain) {
      Out::Store(out, sum);
      continue;
    }
    if (a.residual != nullptr) {
      AddResidual(a, row, static_cast<ptrdiff_t>(v) * a.residual_step, sum);
    }
    Activate(a.activation, sum);
    StoreUpTo<Out>(out, lanes, sum);
  }
}

template <typename In, typename Out, CombineKind kKind, int kTerms = kMaxCombineTerms>
SENTINODE_INLINE void CombineTerms(const Combine& a, int row, const CombineTerm* terms, int count) {
  if (count == kTerms) {
    CombineRow<In, Out, kTerms, kKind>(a, row, terms);
  } else if constexpr (kTerms > 0) {
    CombineTerms<In, Out, kKind, kTerms - 1>(a, row, terms, count);
  }
}

template <typename In, typename Out, CombineKind kKind>
void CombineRows(const Combine& a) {
  int begin = 0;
  for (int row = 0; row < a.rows; ++row) {
    const int end = a.ends[row];
    CombineTerms<In, Out, kKind>(a, row, a.terms + begin, end - begin);
    begin = end;
  }
}

template <typename In, typename Out>
SENTINODE_INLINE void CombineTyped(const Combine& a) {
  const bool plain = a.lanes == kLanes && a.bias == nullptr && a.residual == nullptr &&
                     a.activation.kind == ActivationKind::kNone;
  if (plain) {
    CombineRows<In, Out, CombineKind::kPlain>(a);
  } else {
    CombineRows<In, Out, CombineKind::kAny>(a);
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
