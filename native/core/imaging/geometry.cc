#include "core/imaging/geometry.h"

#include <cmath>

namespace sentinode::imaging {

Affine Multiply(const Affine& a, const Affine& b) {
  Affine product{};
  for (int row = 0; row < 4; ++row) {
    for (int column = 0; column < 4; ++column) {
      for (int k = 0; k < 4; ++k) {
        product[row * 4 + column] += a[row * 4 + k] * b[k * 4 + column];
      }
    }
  }
  return product;
}

std::optional<Affine> Invert(const Affine& m) {
  // Cofactors of the 3x3 part; an affine of millimetres is far from any scale where this loses
  // digits.
  const auto minor = [&m](int r0, int r1, int c0, int c1) {
    return m[r0 * 4 + c0] * m[r1 * 4 + c1] - m[r0 * 4 + c1] * m[r1 * 4 + c0];
  };
  Affine inverse{};
  inverse[0] = minor(1, 2, 1, 2);
  inverse[1] = -minor(0, 2, 1, 2);
  inverse[2] = minor(0, 1, 1, 2);
  inverse[4] = -minor(1, 2, 0, 2);
  inverse[5] = minor(0, 2, 0, 2);
  inverse[6] = -minor(0, 1, 0, 2);
  inverse[8] = minor(1, 2, 0, 1);
  inverse[9] = -minor(0, 2, 0, 1);
  inverse[10] = minor(0, 1, 0, 1);
  const double determinant = m[0] * inverse[0] + m[1] * inverse[4] + m[2] * inverse[8];
  if (!std::isfinite(determinant) || std::abs(determinant) < 1e-12) return std::nullopt;
  for (int row = 0; row < 3; ++row) {
    for (int column = 0; column < 3; ++column) inverse[row * 4 + column] /= determinant;
    inverse[row * 4 + 3] =
        -(inverse[row * 4] * m[3] + inverse[row * 4 + 1] * m[7] + inverse[row * 4 + 2] * m[11]);
    if (!std::isfinite(inverse[row * 4 + 3])) return std::nullopt;
  }
  inverse[15] = 1.0;
  return inverse;
}

}  // namespace sentinode::imaging
