// What a region says about itself, as JSON (the fields are listed at Region::ReportJson).
#pragma once

#include <string>

#include "core/ops/layers.h"
#include "core/ops/program.h"

namespace sentinode::ops {

// What a run needs, in bytes: prepared weights, and room for values: those of the measuring run
// where one was made in this process and needed more.
size_t PlannedBytes(const Layers& layers, size_t arena_bytes);

// `program` is of the size to report on; without one, of the sizes that were measured.
std::string RegionReport(const Layers& layers, const Program* program, size_t arena_bytes);

}  // namespace sentinode::ops
