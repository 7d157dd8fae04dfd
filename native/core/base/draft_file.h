// A file that appears whole or not at all, however many processes write it.
#pragma once

#include <cstddef>
#include <string>

namespace sentinode {

// Written under a name of its own beside `path`, then moved there by one rename. Whoever has opened
// an earlier file of that name keeps it. One thread at a time.
class DraftFile {
 public:
  explicit DraftFile(const std::string& path);
  // Goes away unless it was published.
  ~DraftFile();
  DraftFile(const DraftFile&) = delete;
  DraftFile& operator=(const DraftFile&) = delete;

  // Open for reading and writing; -1 where the folder cannot be written to.
  int descriptor() const { return descriptor_; }
  // False where the disk is full.
  bool Write(const void* data, size_t bytes);
  bool Publish();

 private:
  std::string path_;
  std::string draft_;
  int descriptor_;
};

}  // namespace sentinode
