#include "core/base/draft_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace sentinode {

// Not named after the process: those in containers that share a disk may all have the same number.
DraftFile::DraftFile(const std::string& path)
    : path_(path), draft_(path + ".XXXXXX"), descriptor_(mkostemp(draft_.data(), O_CLOEXEC)) {}

DraftFile::~DraftFile() {
  if (descriptor_ < 0) return;
  close(descriptor_);
  if (!draft_.empty()) unlink(draft_.c_str());
}

bool DraftFile::Write(const void* data, size_t bytes) {
  const auto* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = write(descriptor_, at, bytes);
    if (written <= 0) return false;
    at += written;
    bytes -= static_cast<size_t>(written);
  }
  return true;
}

bool DraftFile::Publish() {
  if (std::rename(draft_.c_str(), path_.c_str()) != 0) return false;
  draft_.clear();
  return true;
}

}  // namespace sentinode
