#include "core/ops/prepared_weights.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <iterator>
#include <mutex>
#include <new>
#include <utility>

#include "core/base/build_id.h"
#include "core/base/draft_file.h"
#include "core/base/hash.h"

namespace sentinode::ops {
namespace {

// The first page of a file; the weights follow on the second.
struct Header {
  char magic[16];
  uint64_t key;  // a second hash of what the file's name is a hash of
  uint64_t bytes;
  uint64_t hash;  // of the weights
};
constexpr char kMagic[16] = "sentinode-w 1\n";
constexpr size_t kPage = 4096;

bool IsHeader(const void* page, uint64_t key, size_t bytes) {
  Header header;
  std::memcpy(&header, page, sizeof header);
  return std::memcmp(header.magic, kMagic, sizeof kMagic) == 0 && header.key == key &&
         header.bytes == bytes &&
         header.hash == Hash(static_cast<const uint8_t*>(page) + kPage, bytes);
}

}  // namespace

WeightBuffer::~WeightBuffer() { munmap(mapping_, mapped_); }

std::shared_ptr<const WeightBuffer> WeightBuffer::InMemory(
    size_t bytes, const std::function<void(uint8_t*)>& fill) {
  const size_t mapped = bytes == 0 ? 1 : bytes;
  void* data = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) throw std::bad_alloc();
  const std::shared_ptr<const WeightBuffer> buffer(new WeightBuffer(data, mapped, 0, bytes, false));
  fill(static_cast<uint8_t*>(data));
  return buffer;
}

// Null where there is no such file, or where it is not what it should be.
std::shared_ptr<const WeightBuffer> WeightBuffer::FromFile(const std::string& path, uint64_t key,
                                                           size_t bytes) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return nullptr;
  const size_t mapped = kPage + bytes;
  struct stat info{};
  const bool sized = fstat(file, &info) == 0 && S_ISREG(info.st_mode) &&
                     static_cast<size_t>(info.st_size) == mapped;
  void* data = sized ? mmap(nullptr, mapped, PROT_READ, MAP_SHARED, file, 0) : MAP_FAILED;
  close(file);
  if (data == MAP_FAILED) return nullptr;
  const std::shared_ptr<const WeightBuffer> buffer(
      new WeightBuffer(data, mapped, kPage, bytes, true));
  return IsHeader(data, key, bytes) ? buffer : nullptr;
}

// Null where the folder cannot be written to or the disk is full. The file appears whole, by one
// rename; whoever has an older one mapped keeps it.
std::shared_ptr<const WeightBuffer> WeightBuffer::ToFile(
    const std::string& path, uint64_t key, size_t bytes,
    const std::function<void(uint8_t*)>& fill) {
  DraftFile draft(path);
  if (draft.descriptor() < 0) return nullptr;
  const size_t mapped = kPage + bytes;
  // Room is taken at once: to write to a mapping that a full disk cannot back ends the process.
  void* data =
      posix_fallocate(draft.descriptor(), 0, static_cast<off_t>(mapped)) == 0
          ? mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_SHARED, draft.descriptor(), 0)
          : MAP_FAILED;
  if (data == MAP_FAILED) return nullptr;
  const std::shared_ptr<const WeightBuffer> buffer(
      new WeightBuffer(data, mapped, kPage, bytes, true));
  uint8_t* weights = static_cast<uint8_t*>(data) + kPage;
  fill(weights);
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.key = key;
  header.bytes = bytes;
  header.hash = Hash(weights, bytes);
  std::memcpy(data, &header, sizeof header);
  mprotect(data, mapped, PROT_READ);
  draft.Publish();
  return buffer;
}

std::shared_ptr<const WeightBuffer> WeightCache::Get(const std::string& form, size_t bytes,
                                                     const std::function<void(uint8_t*)>& fill) {
  std::weak_ptr<const WeightBuffer>& kept = kept_[form];
  std::shared_ptr<const WeightBuffer> buffer = kept.lock();
  if (!buffer) kept = buffer = Make(form, bytes, fill);
  return buffer;
}

// Made by one thread at a time. Sessions of one process share mappings, not only the pages behind
// them, so that each file is checked and counted once.
std::shared_ptr<const WeightBuffer> WeightCache::Make(
    const std::string& form, size_t bytes, const std::function<void(uint8_t*)>& fill) const {
  // Without a build's name, files of other builds could not be told from its own.
  if (folder_.empty() || BuildId().empty()) return WeightBuffer::InMemory(bytes, fill);
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<const WeightBuffer>> mapped;

  const std::string what = BuildId() + '\n' + identity_ + '\n' + form;
  const uint64_t key = Hash(what.data(), what.size(), 1);
  char name[40];
  std::snprintf(name, sizeof name, "/%016llx.prepared",
                static_cast<unsigned long long>(Hash(what.data(), what.size())));
  const std::string path = folder_ + name;
  const std::lock_guard<std::mutex> lock(mutex);
  std::shared_ptr<const WeightBuffer> buffer = mapped[path].lock();
  if (buffer && buffer->bytes() == bytes) return buffer;
  buffer = WeightBuffer::FromFile(path, key, bytes);
  if (!buffer) buffer = WeightBuffer::ToFile(path, key, bytes, fill);
  if (!buffer) return WeightBuffer::InMemory(bytes, fill);
  for (auto entry = mapped.begin(); entry != mapped.end();) {
    entry = entry->second.expired() ? mapped.erase(entry) : std::next(entry);
  }
  mapped[path] = buffer;
  return buffer;
}

size_t WeightCache::bytes() const {
  size_t sum = 0;
  for (const auto& [name, kept] : kept_) {
    if (const auto buffer = kept.lock()) sum += buffer->bytes();
  }
  return sum;
}

}  // namespace sentinode::ops
