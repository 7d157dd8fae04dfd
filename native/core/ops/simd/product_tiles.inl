// Tiles of convolutions on matrix tiles (AMX): one instruction multiplies up to 16 positions with
// 16 words of each and the weights of 16 output channels.

// As LDTILECFG reads it: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1,
// chapter 18.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t bytes[16] = {};
  uint8_t rows[16] = {};
};

constexpr int kTileRows = 16;
constexpr int kTileWords = 16;
constexpr int kHalfTileWords = 8;
constexpr int kMostTiles = 4;

// Registers 0 to 3 sum up, 4 and 5 hold positions and weights, 6 and 7 the same of half as many
// words.
void BeginTiles(int rows) {
  TileConfig config;
  const auto set = [&config](int tile, int tile_rows, int words) {
    config.rows[tile] = static_cast<uint8_t>(tile_rows);
    config.bytes[tile] = static_cast<uint16_t>(words * 4);
  };
  for (int i = 0; i < kMostTiles; ++i) set(i, rows, static_cast<int>(kLanes));
  set(4, rows, kTileWords);
  set(5, kTileWords, static_cast<int>(kLanes));
  set(6, rows, kHalfTileWords);
  set(7, kHalfTileWords, static_cast<int>(kLanes));
  // The compiler believes that only the first bytes of it are read.
  asm volatile("" : : "r"(&config) : "memory");
  _tile_loadconfig(&config);
}

void EndTiles() { _tile_release(); }

// `words` words of every position, a multiple of kHalfTileWords, that lie side by side.
template <int kTiles>
SENTINODE_INLINE void AddWords(const float* x, ptrdiff_t step_bytes, ptrdiff_t next,
                               const float* weights, int words) {
  constexpr ptrdiff_t kWeightBytes = kLanes * 4;
  for (; words >= kTileWords; words -= kTileWords) {
    _tile_loadd(5, weights, kWeightBytes);
    _tile_loadd(4, x, step_bytes);
    _tile_dpbf16ps(0, 4, 5);
    if constexpr (kTiles > 1) {
      _tile_loadd(4, x + next, step_bytes);
      _tile_dpbf16ps(1, 4, 5);
    }
    if constexpr (kTiles > 2) {
      _tile_loadd(4, x + 2 * next, step_bytes);
      _tile_dpbf16ps(2, 4, 5);
    }
    if constexpr (kTiles > 3) {
      _tile_loadd(4, x + 3 * next, step_bytes);
      _tile_dpbf16ps(3, 4, 5);
    }
    x += kTileWords;
    weights += kTileWords * kLanes;
  }
  if (words == 0) return;
  _tile_loadd(7, weights, kWeightBytes);
  _tile_loadd(6, x, step_bytes);
  _tile_dpbf16ps(0, 6, 7);
  if constexpr (kTiles > 1) {
    _tile_loadd(6, x + next, step_bytes);
    _tile_dpbf16ps(1, 6, 7);
  }
  if constexpr (kTiles > 2) {
    _tile_loadd(6, x + 2 * next, step_bytes);
    _tile_dpbf16ps(2, 6, 7);
  }
  if constexpr (kTiles > 3) {
    _tile_loadd(6, x + 3 * next, step_bytes);
    _tile_dpbf16ps(3, 6, 7);
  }
}

template <int kTiles, int kStep, bool kSlide>
void TileProduct(const ProductTile& a) {
  const ptrdiff_t next = static_cast<ptrdiff_t>(a.tile_rows) * kStep;
  constexpr ptrdiff_t kStepBytes = kStep * 4;
  _tile_zero(0);
  if constexpr (kTiles > 1) _tile_zero(1);
  if constexpr (kTiles > 2) _tile_zero(2);
  if constexpr (kTiles > 3) _tile_zero(3);
  for (int row = 0; row < a.rows; ++row) {
    const float* block = static_cast<const float*>(a.sources[row]) + a.source_from;
    const float* weights = static_cast<const float*>(a.weights[row]);
    for (int left = a.channels; left > 0; left -= kStep, block += a.block_step) {
      if constexpr (kSlide) {  // what lies under the second tap is the next position's
        AddWords<kTiles>(block, kStepBytes, next, weights, 3 * kStep);
        weights += 3 * kStep * kLanes;
      } else {
        for (int tap = 0; tap < a.taps; ++tap, weights += kStep * kLanes) {
          AddWords<kTiles>(block + a.tap_offsets[tap], kStepBytes, next, weights, kStep);
        }
      }
    }
  }
  constexpr ptrdiff_t kOutBytes = kLanes * 4;
  const ptrdiff_t out_next = static_cast<ptrdiff_t>(a.tile_rows) * static_cast<ptrdiff_t>(kLanes);
  _tile_stored(0, a.out, kOutBytes);
  if constexpr (kTiles > 1) _tile_stored(1, a.out + out_next, kOutBytes);
  if constexpr (kTiles > 2) _tile_stored(2, a.out + 2 * out_next, kOutBytes);
  if constexpr (kTiles > 3) _tile_stored(3, a.out + 3 * out_next, kOutBytes);
}

template <int kStep, bool kSlide>
SENTINODE_INLINE ProductKernel FindTiles(int width) {
  const int needed = (width + kTileRows - 1) / kTileRows;
  const int tiles = needed < kMostTiles ? needed : kMostTiles;
  const int even = (width + tiles - 1) / tiles;
  const int rows = even < kTileRows ? even : kTileRows;
  void (*const run[kMostTiles])(const ProductTile&) = {
      TileProduct<1, kStep, kSlide>, TileProduct<2, kStep, kSlide>, TileProduct<3, kStep, kSlide>,
      TileProduct<4, kStep, kSlide>};
  return {run[tiles - 1], tiles * rows, rows};
}

ProductKernel FindTileProduct(int step, bool slide, int width) {
  if (step == kTileWords) {
    return slide ? FindTiles<kTileWords, true>(width) : FindTiles<kTileWords, false>(width);
  }
  return slide ? FindTiles<kHalfTileWords, true>(width) : FindTiles<kHalfTileWords, false>(width);
}
