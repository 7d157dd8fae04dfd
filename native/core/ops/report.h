// What a region says about itself, as JSON (the fields are listed at Region::ReportJson).
#pragma once

#include <string>

#include "core/ops/layers.h"
#include "core/ops/program.h"

namespace sentinode::ops {

// `program` is of the size to report on; without one, of the sizes that were measured.
std::string RegionReport(const Layers& layers, const Program* program, size_t arena_bytes);

}  // namespace sentinode::ops
