#include "core/ops/side_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

namespace sentinode::ops {

Result<std::shared_ptr<const SideFile>> SideFile::Open(const std::string& folder,
                                                       const std::string& name, int64_t floats) {
  if (folder.empty()) {
    return Status(
        "MODEL_INVALID",
        "the weights of a 4D region lie beside the compiled model, and this model was given "
        "without its file");
  }
  const std::string path = folder + "/" + name;
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (descriptor < 0) {
    return Status("MODEL_INVALID", "the weights of a 4D region are missing: " + name);
  }
  struct stat info{};
  const size_t wanted = static_cast<size_t>(floats) * sizeof(float);
  const bool sized = fstat(descriptor, &info) == 0 && S_ISREG(info.st_mode) &&
                     static_cast<size_t>(info.st_size) >= wanted;
  void* data = sized ? mmap(nullptr, wanted, PROT_READ, MAP_PRIVATE, descriptor, 0) : MAP_FAILED;
  close(descriptor);
  if (data == MAP_FAILED) {
    return Status("MODEL_INVALID", "the weights of a 4D region need " + std::to_string(wanted) +
                                       " bytes, " + name + " has " + std::to_string(info.st_size));
  }
  return std::shared_ptr<const SideFile>(new SideFile(data, wanted));
}

SideFile::~SideFile() { munmap(data_, bytes_); }

void SideFile::Forget() const { madvise(data_, bytes_, MADV_DONTNEED); }

}  // namespace sentinode::ops
