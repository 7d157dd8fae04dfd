// Weights in the form and layout that an algorithm wants. They are prepared once and kept in files
// beside the compiled model, a file for each layer and form, and read into private memory that the
// instances of a process share. A file is named after everything that its contents depend on, the
// code that prepared them included, and what was read is compared with its hash; what does not
// agree is made again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "core/base/pages.h"

namespace sentinode::ops {

// A block of prepared weights, aligned to pages. Immutable once made; any thread.
class WeightBuffer {
 public:
  WeightBuffer(Pages pages, size_t bytes)
      : pages_(std::move(pages)), data_(pages_.data()), bytes_(bytes) {}
  WeightBuffer(const WeightBuffer&) = delete;
  WeightBuffer& operator=(const WeightBuffer&) = delete;

  const uint8_t* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  Pages pages_;
  const uint8_t* data_;
  size_t bytes_;
};

// How weights are prepared: part after part, so that no more than one needs room in between.
struct WeightParts {
  size_t count = 1;
  size_t bytes = 0;                               // of each
  std::function<void(size_t, uint8_t*)> prepare;  // writes part i

  size_t total() const { return count * bytes; }
};

// The prepared weights of one layer. Forms of several sizes share them; they go with the
// last form that uses them. Not for several threads; the files behind it are safe to share.
class WeightCache {
 public:
  // In memory alone: for weights that are only tried.
  WeightCache() = default;
  // `identity` names the layer's raw weights by their contents.
  WeightCache(std::string folder, std::string identity)
      : folder_(std::move(folder)), identity_(std::move(identity)) {}

  // The weights called `form`, which names algorithm and layout; prepared where they are not there
  // yet, on this thread alone. In memory where the folder cannot be written to.
  std::shared_ptr<const WeightBuffer> Get(const std::string& form, const WeightParts& parts);
  // Of those in use.
  size_t bytes() const;

 private:
  std::shared_ptr<const WeightBuffer> Make(const std::string& form, const WeightParts& parts) const;

  std::string folder_;
  std::string identity_;
  std::map<std::string, std::weak_ptr<const WeightBuffer>> kept_;
};

}  // namespace sentinode::ops
