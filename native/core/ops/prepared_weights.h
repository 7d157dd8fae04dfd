// Weights in the form and layout that an algorithm wants. They are prepared once and kept in files
// beside the compiled model, a file for each layer and form, mapped read-only: instances and
// processes share their pages, and what is not in use costs no memory. A file is named after
// everything that its contents depend on, the code that prepared them included, and its contents
// are compared with their hash when it is opened; what does not agree is made again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace sentinode::ops {

// A block of prepared weights, page-aligned or nearly so (64 bytes). Immutable once made; any
// thread.
class WeightBuffer {
 public:
  ~WeightBuffer();
  WeightBuffer(const WeightBuffer&) = delete;
  WeightBuffer& operator=(const WeightBuffer&) = delete;

  const uint8_t* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  // Whether it lies in a file that others may share.
  bool in_file() const { return in_file_; }

 private:
  friend class WeightCache;
  WeightBuffer(void* mapping, size_t mapped, size_t offset, size_t bytes, bool in_file)
      : mapping_(mapping),
        mapped_(mapped),
        data_(static_cast<const uint8_t*>(mapping) + offset),
        bytes_(bytes),
        in_file_(in_file) {}

  static std::shared_ptr<const WeightBuffer> InMemory(size_t bytes,
                                                      const std::function<void(uint8_t*)>& fill);
  static std::shared_ptr<const WeightBuffer> FromFile(const std::string& path, uint64_t key,
                                                      size_t bytes);
  static std::shared_ptr<const WeightBuffer> ToFile(const std::string& path, uint64_t key,
                                                    size_t bytes,
                                                    const std::function<void(uint8_t*)>& fill);

  void* mapping_;
  size_t mapped_;
  const uint8_t* data_;
  size_t bytes_;
  bool in_file_;
};

// The prepared weights of one layer. Forms of several sizes share them; they are unmapped with the
// last form that uses them. Not for several threads; the files behind it are safe to share.
class WeightCache {
 public:
  // In memory alone: for weights that are only tried.
  WeightCache() = default;
  // `identity` names the layer's raw weights by their contents.
  WeightCache(std::string folder, std::string identity)
      : folder_(std::move(folder)), identity_(std::move(identity)) {}

  // The weights called `form`, which names algorithm and layout; `fill` writes them where they are
  // not there yet. In memory where the folder cannot be written to.
  std::shared_ptr<const WeightBuffer> Get(const std::string& form, size_t bytes,
                                          const std::function<void(uint8_t*)>& fill);
  // Of those in use.
  size_t bytes() const;

 private:
  std::shared_ptr<const WeightBuffer> Make(const std::string& form, size_t bytes,
                                           const std::function<void(uint8_t*)>& fill) const;

  std::string folder_;
  std::string identity_;
  std::map<std::string, std::weak_ptr<const WeightBuffer>> kept_;
};

}  // namespace sentinode::ops
