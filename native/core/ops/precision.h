// Whether a plan that may run in bfloat16 is quicker so: activations in bfloat16 have to be
// converted wherever a layer is quicker in float32, and not every processor's products in bfloat16
// are worth it.
#pragma once

#include <string>

#include "core/base/status.h"
#include "core/ops/layers.h"

namespace sentinode::ops {

// In a table of measurements, the place of those of a whole plan, whose forms say the precision
// only.
inline constexpr int kWholePlan = -1;

// Whether the forms that the layers of `half` took are so much quicker than their best in float32
// that the whole is: to measure that takes float32's memory and time besides.
bool ClearlyPays(const Layers& half);

// The same plan in float32.
std::string InFloat32(const std::string& plan_text);

// Runs both, whose forms are measured, in turns at the first of the plan's sizes, and adds to the
// table of `half` what each took, and to the memory of either that of both. Nothing where the plan
// does not fit the size.
// Fails with MEMORY_LIMIT.
Status MeasurePrecisions(Layers& half, Layers& single);

// What was measured; bfloat16 where nothing was.
Element QuickestPrecision(const Layers& half);

}  // namespace sentinode::ops
