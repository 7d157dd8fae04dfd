// What the forms of a convolution are measured against: loops in double precision, at some of its
// outputs.
#pragma once

#include <cstddef>
#include <vector>

#include "core/ops/conv.h"

namespace sentinode::ops {

// `count` numbers at `data`, every `step`-th of them.
std::vector<float> SampleValues(const void* data, Element element, size_t count, size_t step);

// What a form, run with these buffers, should have put there, before it is rounded to the problem's
// element. `in` and `residual` are read. On the calling thread's OpenMP threads.
std::vector<float> ReferenceSamples(const ConvProblem& problem, const ConvForm::Buffers& buffers,
                                    size_t step);

// The largest difference as a share of the largest expected number; infinite for one that is NaN.
double RelativeError(const std::vector<float>& expected, const std::vector<float>& found);

}  // namespace sentinode::ops
