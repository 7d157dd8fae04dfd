#include "core/ops/axis_tiles.h"

#include <algorithm>
#include <utility>

#include "core/ops/toom_cook.h"

namespace sentinode::ops {
namespace {

AxisTile ExactTile(const AxisWindow& window, int64_t from, int64_t outputs) {
  AxisTile tile;
  tile.from = from;
  std::vector<std::vector<std::pair<int64_t, int>>> taps(static_cast<size_t>(outputs));
  for (int64_t i = 0; i < outputs; ++i) {
    for (int tap = 0; tap < window.kernel; ++tap) {
      const int64_t at = (from + i) * window.stride + int64_t{tap} * window.dilation - window.pad;
      if (at < 0 || at >= window.in) continue;
      taps[static_cast<size_t>(i)].push_back({at, tap});
      tile.inputs.push_back(at);
    }
  }
  std::sort(tile.inputs.begin(), tile.inputs.end());
  tile.inputs.erase(std::unique(tile.inputs.begin(), tile.inputs.end()), tile.inputs.end());
  for (const auto& output : taps) {
    tile.sums.emplace_back();
    for (const auto& [at, tap] : output) {
      const auto found = std::lower_bound(tile.inputs.begin(), tile.inputs.end(), at);
      tile.sums.back().push_back({static_cast<int>(found - tile.inputs.begin()), tap});
    }
  }
  tile.prepare = IdentityMixture(static_cast<int>(tile.inputs.size()));
  tile.finish = IdentityMixture(static_cast<int>(outputs));
  return tile;
}

// A tile of fewer outputs than the form has leaves out the products that none of them needs.
AxisTile FastTile(const AxisWindow& window, const ToomCook& form, int64_t from, int64_t outputs) {
  AxisTile tile;
  tile.from = from;
  const int products = form.products;
  const auto entry = [products](const std::vector<double>& matrix, int64_t row, int column) {
    return matrix[static_cast<size_t>(row * products + column)];
  };
  std::vector<int> columns;  // of the tile's inputs, those that exist
  for (int i = 0; i < products; ++i) {
    const int64_t at = from - window.pad + i;
    if (at < 0 || at >= window.in) continue;
    columns.push_back(i);
    tile.inputs.push_back(at);
  }
  std::vector<int> index(static_cast<size_t>(products), -1);
  for (int product = 0; product < products; ++product) {
    bool needed = false;
    for (int64_t i = 0; i < outputs; ++i) needed |= entry(form.output, i, product) != 0;
    if (!needed) continue;
    const int own = static_cast<int>(tile.sums.size());
    index[static_cast<size_t>(product)] = own;
    tile.sums.push_back({{own, product}});
    for (size_t i = 0; i < columns.size(); ++i) {
      const double factor = entry(form.input, product, columns[i]);
      if (factor == 0) continue;
      tile.prepare.terms.push_back({static_cast<int>(i), static_cast<float>(factor)});
    }
    tile.prepare.EndRow();
  }
  tile.prepare.columns = static_cast<int>(columns.size());
  tile.finish.columns = static_cast<int>(tile.sums.size());
  for (int64_t i = 0; i < outputs; ++i) {
    for (int product = 0; product < products; ++product) {
      const double factor = entry(form.output, i, product);
      if (factor == 0) continue;
      tile.finish.terms.push_back(
          {index[static_cast<size_t>(product)], static_cast<float>(factor)});
    }
    tile.finish.EndRow();
  }
  return tile;
}

}  // namespace

Mixture IdentityMixture(int size) {
  Mixture identity;
  identity.columns = size;
  for (int i = 0; i < size; ++i) {
    identity.terms.push_back({i, 1});
    identity.EndRow();
  }
  return identity;
}

Mixture Kronecker(const Mixture& a, const Mixture& b) {
  const auto for_each_term = [](const Mixture& m, int row, const auto& body) {
    const int begin = row == 0 ? 0 : m.ends[static_cast<size_t>(row - 1)];
    for (int i = begin; i < m.ends[static_cast<size_t>(row)]; ++i) {
      body(m.terms[static_cast<size_t>(i)]);
    }
  };
  Mixture product;
  product.columns = a.columns * b.columns;
  for (int i = 0; i < a.rows(); ++i) {
    for (int k = 0; k < b.rows(); ++k) {
      for_each_term(a, i, [&](const CombineTerm& x) {
        for_each_term(b, k, [&](const CombineTerm& y) {
          product.terms.push_back({x.array * b.columns + y.array, x.factor * y.factor});
        });
      });
      product.EndRow();
    }
  }
  return product;
}

namespace {

// One weight a tap, and no tiles yet.
Axis TapByTap(const AxisWindow& window) {
  Axis axis;
  axis.weight_count = window.kernel;
  for (int tap = 0; tap < window.kernel; ++tap) {
    for (int i = 0; i < window.kernel; ++i) axis.weights.push_back(tap == i ? 1 : 0);
  }
  return axis;
}

}  // namespace

Axis ExactAxis(const AxisWindow& window, const Axis& like) {
  Axis axis = TapByTap(window);
  for (const AxisTile& tile : like.tiles) {
    axis.tiles.push_back(ExactTile(window, tile.from, tile.finish.rows()));
  }
  return axis;
}

Axis ExactAxis(const AxisWindow& window, int64_t largest) {
  Axis axis = TapByTap(window);
  for (int64_t from = 0; from < window.out; from += largest) {
    axis.tiles.push_back(ExactTile(window, from, std::min(largest, window.out - from)));
  }
  return axis;
}

Axis FastAxis(const AxisWindow& window, int largest, int64_t multiple) {
  const int most = std::max(1, largest / static_cast<int>(multiple));
  std::vector<int> sizes = SplitFrames((window.out + multiple - 1) / multiple, most);
  for (int& size : sizes) size *= static_cast<int>(multiple);
  const ToomCook form = MakeToomCook(sizes[0], window.kernel);
  Axis axis;
  axis.fast = true;
  axis.weight_count = form.products;
  axis.weights = form.weight;
  int64_t from = 0;
  for (const int size : sizes) {
    axis.tiles.push_back(FastTile(window, form, from, std::min<int64_t>(size, window.out - from)));
    from += size;
  }
  return axis;
}

}  // namespace sentinode::ops
