#include "core/ops/side_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "core/base/hash.h"
#include "core/base/read_file.h"

namespace sentinode::ops {

Result<std::shared_ptr<SideFile>> SideFile::Open(const std::string& folder, const std::string& name,
                                                 int64_t floats) {
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
  void* data =
      sized ? mmap(nullptr, wanted, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
            : MAP_FAILED;
  if (data == MAP_FAILED) {
    close(descriptor);
    return Status("MODEL_INVALID", "the weights of a 4D region need " + std::to_string(wanted) +
                                       " bytes, " + name + " has " + std::to_string(info.st_size));
  }
  std::shared_ptr<SideFile> file(new SideFile(name, descriptor, data, wanted));
  SENTINODE_RETURN_IF_ERROR(file->Load());
  return file;
}

SideFile::~SideFile() {
  munmap(data_, bytes_);
  close(descriptor_);
}

Status SideFile::Load() {
  if (loaded_) return Status::Ok();
  if (mprotect(data_, bytes_, PROT_READ | PROT_WRITE) != 0) {
    return {"MEMORY_LIMIT", "the machine has no memory left for the weights of a 4D region"};
  }
  loaded_ = ReadWhole(descriptor_, data_, bytes_);
  const uint64_t hash = loaded_ ? Hash(data_, bytes_) : 0;
  if (!hashed_) hash_ = hash;
  hashed_ = true;
  if (!loaded_ || hash != hash_) {
    Forget();
    return {"MODEL_INVALID",
            "the weights of a 4D region have changed since the model was loaded: " + name_};
  }
  mprotect(data_, bytes_, PROT_READ);
  return Status::Ok();
}

void SideFile::Forget() {
  loaded_ = false;
  madvise(data_, bytes_, MADV_DONTNEED);
  mprotect(data_, bytes_, PROT_NONE);
}

}  // namespace sentinode::ops
