#pragma once

#include <optional>

#include "core/imaging/volume.h"

namespace sentinode::imaging {

// a * b as 4x4 matrices.
Affine Multiply(const Affine& a, const Affine& b);

// The inverse of an affine matrix (last row 0 0 0 1); nothing if it is singular or not finite.
std::optional<Affine> Invert(const Affine& m);

}  // namespace sentinode::imaging
