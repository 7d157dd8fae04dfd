// Where a vector is a cache line: to a planar border past the cache.
#ifdef SENTINODE_MASKS

// A vector's lanes from one on, and before one.
SENTINODE_INLINE uint16_t LanesFrom(size_t lane) { return static_cast<uint16_t>(0xffffu << lane); }
SENTINODE_INLINE uint16_t LanesBefore(size_t lane) {
  return static_cast<uint16_t>(~(0xffffu << lane));
}

// The line at `line` as far as it lies behind `begin`: what is before that belongs to others.
SENTINODE_INLINE void StreamLine(uintptr_t line, uintptr_t begin, uint16_t lanes, const Vec& v) {
  float* const to = reinterpret_cast<float*>(line);
  if (line >= begin && lanes == 0xffffu) {
    _mm512_stream_ps(to, (__m512)v);
  } else {
    const size_t skipped = line >= begin ? 0 : (begin - line) / sizeof(float);
    _mm512_mask_storeu_ps(to, lanes & LanesFrom(skipped), (__m512)v);
  }
}

// Adds `count` numbers of one channel to its line that was begun, and writes lines that are full.
SENTINODE_INLINE void StreamPart(const StreamRow& row, size_t channel, size_t position,
                                 size_t count, const Vec& numbers) {
  const uintptr_t start = reinterpret_cast<uintptr_t>(row.out + channel * row.plane);
  const uintptr_t begin = start - row.before * sizeof(float);
  const uintptr_t to = start + position * sizeof(float);
  const size_t taken = to % sizeof(Vec) / sizeof(float);
  uintptr_t line = to - taken * sizeof(float);
  float* const pending = row.pending + channel * kLanes;
  const IntVec lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const Vec turned = __builtin_shuffle(numbers, (lane - static_cast<int32_t>(taken)) & 15);
  Vec whole;
  FloatType::Load(pending, whole);
  whole = (Vec)_mm512_mask_blend_ps(LanesFrom(taken), (__m512)whole, (__m512)turned);
  size_t filled = taken + count;
  if (filled >= kLanes) {
    StreamLine(line, begin, 0xffffu, whole);
    line += sizeof(Vec);
    filled -= kLanes;
    whole = turned;
  }
  if (row.last && position + count == row.positions) {
    if (filled > 0) StreamLine(line, begin, LanesBefore(filled), whole);
  } else {
    FloatType::Store(pending, whole);
  }
}

void StreamRowKernel(const StreamRow& row) {
  for (size_t position = 0; position < row.positions; position += kLanes) {
    const size_t left = row.positions - position;
    const size_t count = left < kLanes ? left : kLanes;
    Vec numbers[kLanes];
#pragma GCC unroll 16
    for (size_t i = 0; i < kLanes; ++i) {
      numbers[i] = Vec{};
      if (i < count) FloatType::Load(row.in + (position + i) * kLanes, numbers[i]);
    }
    Transpose(numbers);
#pragma GCC unroll 16
    for (size_t c = 0; c < kLanes; ++c) {
      if (c < row.channels) StreamPart(row, c, position, count, numbers[c]);
    }
  }
}

#endif
