// Weights as the tiled form multiplies them.
#pragma once

#include <cstdint>
#include <string>

#include "core/ops/conv.h"
#include "core/ops/tiled_shape.h"

namespace sentinode::ops {

// A name for what PackTiledWeights makes: equal names, equal bytes.
std::string TiledWeightsName(const TiledShape& shape);

// Those of one vector of output channels, [weight in time][weight in depth][kh][word of input
// channels][kw][lane], from ONNX's order, mixed along time and depth in double precision; lanes and
// channels that do not exist are zero. `to` has vector_words words.
void PackTiledWeights(const ConvProblem& problem, const TiledShape& shape, int64_t vector,
                      uint8_t* to);

}  // namespace sentinode::ops
