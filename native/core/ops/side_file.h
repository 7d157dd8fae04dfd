// The weights of a region: a file of floats, mapped read-only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "core/base/status.h"

namespace sentinode::ops {

// Shared by the regions of a session; may be read on any thread.
class SideFile {
 public:
  // Fails with MODEL_INVALID where the file is missing or shorter than `floats` floats.
  static Result<std::shared_ptr<const SideFile>> Open(const std::string& folder,
                                                      const std::string& name, int64_t floats);
  ~SideFile();
  SideFile(const SideFile&) = delete;
  SideFile& operator=(const SideFile&) = delete;

  const float* data() const { return static_cast<const float*>(data_); }
  // Gives the pages back to the system; they come again from the file when they are read.
  void Forget() const;

 private:
  SideFile(void* data, size_t bytes) : data_(data), bytes_(bytes) {}

  void* data_;
  size_t bytes_;
};

}  // namespace sentinode::ops
