// The weights of a region: a file of floats, read into memory of our own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "core/base/status.h"

namespace sentinode::ops {

// Private memory rather than a mapping of the file: that would change with the file, and end the
// process where the file was cut. One thread at a time loads and forgets; in between any thread may
// read.
class SideFile {
 public:
  // Loaded. Fails with MODEL_INVALID where the file is missing or shorter than `floats` floats,
  // MEMORY_LIMIT.
  static Result<std::shared_ptr<SideFile>> Open(const std::string& folder, const std::string& name,
                                                int64_t floats);
  ~SideFile();
  SideFile(const SideFile&) = delete;
  SideFile& operator=(const SideFile&) = delete;

  // Where they are, or will be again.
  const float* data() const { return static_cast<const float*>(data_); }
  // Reads them again after Forget, at the same address. Fails with MODEL_INVALID where the file has
  // changed since it was opened.
  Status Load();
  // Gives the memory back to the system; who reads then is stopped.
  void Forget();

 private:
  SideFile(std::string name, int descriptor, void* data, size_t bytes)
      : name_(std::move(name)), descriptor_(descriptor), data_(data), bytes_(bytes) {}

  const std::string name_;
  const int descriptor_;  // kept open: another file may take the name
  void* const data_;
  const size_t bytes_;
  bool loaded_ = false;
  bool hashed_ = false;
  uint64_t hash_ = 0;  // of what was read first
};

}  // namespace sentinode::ops
