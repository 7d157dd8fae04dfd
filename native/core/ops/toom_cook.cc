#include "core/ops/toom_cook.h"

#include <cmath>
#include <cstddef>
#include <utility>

namespace sentinode::ops {
namespace {

// The finite points, by how many there are: small and in pairs of opposite sign, which keeps the
// matrices well conditioned. The last point is always infinity.
std::vector<double> FinitePoints(int count) {
  switch (count) {
    case 4:
      return {0, 1, -1, 2};
    case 5:
      return {0, 1, -1, 0.5, -2};
    default: {
      const double all[] = {0, 1, -1, 0.5, -0.5, 2, -2, 0.25, -0.25};
      return std::vector<double>(all, all + count);
    }
  }
}

// [1, x, x^2, ...] of each point; [0 ... 0 1] for infinity.
std::vector<double> Vandermonde(const std::vector<double>& finite, int columns) {
  const size_t rows = finite.size() + 1;
  const size_t width = static_cast<size_t>(columns);
  std::vector<double> matrix(rows * width, 0.0);
  for (size_t r = 0; r + 1 < rows; ++r) {
    double power = 1;
    for (size_t c = 0; c < width; ++c, power *= finite[r]) matrix[r * width + c] = power;
  }
  matrix[rows * width - 1] = 1;
  return matrix;
}

std::vector<double> Transpose(const std::vector<double>& matrix, size_t rows, size_t cols) {
  std::vector<double> result(matrix.size());
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < cols; ++c) result[c * rows + r] = matrix[r * cols + c];
  }
  return result;
}

// Gauss-Jordan with row exchange, in long double: the entries come out exact to the last bit of a
// float.
std::vector<double> Invert(const std::vector<double>& matrix, size_t n) {
  std::vector<long double> a(matrix.begin(), matrix.end());
  std::vector<long double> inverse(n * n, 0.0L);
  for (size_t i = 0; i < n; ++i) inverse[i * n + i] = 1;
  for (size_t column = 0; column < n; ++column) {
    size_t pivot = column;
    for (size_t r = column; r < n; ++r) {
      if (std::abs(a[r * n + column]) > std::abs(a[pivot * n + column])) pivot = r;
    }
    for (size_t c = 0; c < n; ++c) {
      std::swap(a[pivot * n + c], a[column * n + c]);
      std::swap(inverse[pivot * n + c], inverse[column * n + c]);
    }
    const long double scale = 1 / a[column * n + column];
    for (size_t c = 0; c < n; ++c) {
      a[column * n + c] *= scale;
      inverse[column * n + c] *= scale;
    }
    for (size_t r = 0; r < n; ++r) {
      if (r == column) continue;
      const long double factor = a[r * n + column];
      for (size_t c = 0; c < n; ++c) {
        a[r * n + c] -= factor * a[column * n + c];
        inverse[r * n + c] -= factor * inverse[column * n + c];
      }
    }
  }
  // What should vanish does, so that nobody multiplies by it.
  std::vector<double> result(inverse.begin(), inverse.end());
  for (double& x : result) x = std::abs(x) < 1e-12 ? 0 : x;
  return result;
}

}  // namespace

ToomCook MakeToomCook(int outputs, int taps) {
  ToomCook form;
  form.outputs = outputs;
  form.taps = taps;
  form.products = outputs + taps - 1;
  const size_t n = static_cast<size_t>(form.products);
  const std::vector<double> points = FinitePoints(form.products - 1);
  form.weight = Vandermonde(points, taps);
  form.output = Transpose(Vandermonde(points, outputs), n, static_cast<size_t>(outputs));
  form.input = Transpose(Invert(Vandermonde(points, form.products), n), n, n);
  return form;
}

std::vector<int> SplitFrames(int64_t frames, int largest) {
  const int64_t tiles = (frames + largest - 1) / largest;
  std::vector<int> sizes;
  for (int64_t i = 0; i < tiles; ++i) {
    sizes.push_back(static_cast<int>(frames / tiles + (i < frames % tiles ? 1 : 0)));
  }
  return sizes;
}

}  // namespace sentinode::ops
