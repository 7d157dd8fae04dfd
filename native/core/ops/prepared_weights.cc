#include "core/ops/prepared_weights.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <iterator>
#include <mutex>
#include <new>

#include "core/base/build_id.h"
#include "core/base/draft_file.h"
#include "core/base/hash.h"
#include "core/base/read_file.h"
#include "core/ops/parallel.h"

namespace sentinode::ops {
namespace {

// Behind the weights in their file.
struct Trailer {
  char magic[16];
  uint64_t key;   // a second hash of what the file's name is a hash of
  uint64_t hash;  // of the weights, part after part
};
constexpr char kMagic[16] = "sentinode-w 1\n";

Pages PagesOf(size_t bytes) {
  Pages pages(bytes);
  if (pages.data() == nullptr) throw std::bad_alloc();
  return pages;
}

std::shared_ptr<const WeightBuffer> InMemory(const WeightParts& parts) {
  Pages pages = PagesOf(parts.total());
  for (size_t i = 0; i < parts.count; ++i) parts.prepare(i, pages.data() + i * parts.bytes);
  return std::make_shared<const WeightBuffer>(std::move(pages), parts.total());
}

bool IsWhole(const uint8_t* data, uint64_t key, const WeightParts& parts) {
  Trailer trailer;
  std::memcpy(&trailer, data + parts.total(), sizeof trailer);
  uint64_t hash = 0;
  for (size_t i = 0; i < parts.count; ++i) {
    hash = Hash(data + i * parts.bytes, parts.bytes, hash);
  }
  return std::memcmp(trailer.magic, kMagic, sizeof kMagic) == 0 && trailer.key == key &&
         trailer.hash == hash;
}

// Null where there is no such file, or where it is not what it should be.
std::shared_ptr<const WeightBuffer> FromFile(const std::string& path, uint64_t key,
                                             const WeightParts& parts) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return nullptr;
  const size_t bytes = parts.total() + sizeof(Trailer);
  struct stat info{};
  const bool sized = fstat(file, &info) == 0 && S_ISREG(info.st_mode) &&
                     static_cast<size_t>(info.st_size) == bytes;
  Pages pages = sized ? Pages(bytes) : Pages();
  // What is checked is what is used: a mapping would change with the file, page by page.
  const bool whole = pages.data() != nullptr && ReadWhole(file, pages.data(), bytes) &&
                     IsWhole(pages.data(), key, parts);
  close(file);
  return whole ? std::make_shared<const WeightBuffer>(std::move(pages), parts.total()) : nullptr;
}

// False where the folder cannot be written to or the disk is full.
bool ToFile(const std::string& path, uint64_t key, const WeightParts& parts) {
  DraftFile draft(path);
  if (draft.descriptor() < 0) return false;
  const Pages part = PagesOf(parts.bytes);
  Trailer trailer{};
  std::memcpy(trailer.magic, kMagic, sizeof kMagic);
  trailer.key = key;
  for (size_t i = 0; i < parts.count; ++i) {
    parts.prepare(i, part.data());
    trailer.hash = Hash(part.data(), parts.bytes, trailer.hash);
    if (!draft.Write(part.data(), parts.bytes)) return false;
  }
  return draft.Write(&trailer, sizeof trailer) && draft.Publish();
}

// The files that this process has read: its sessions share them, so that each is read, checked and
// counted once.
class ReadFiles {
 public:
  std::shared_ptr<const WeightBuffer> Find(const std::string& path) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = files_.find(path);
    return found == files_.end() ? nullptr : found->second.lock();
  }

  // The buffer of whoever came first.
  std::shared_ptr<const WeightBuffer> Add(const std::string& path,
                                          std::shared_ptr<const WeightBuffer> buffer) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (auto entry = files_.begin(); entry != files_.end();) {
      entry = entry->second.expired() ? files_.erase(entry) : std::next(entry);
    }
    const auto [entry, added] = files_.emplace(path, buffer);
    const auto first = entry->second.lock();
    return first && first->bytes() == buffer->bytes() ? first : buffer;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<const WeightBuffer>> files_;
};

}  // namespace

std::shared_ptr<const WeightBuffer> WeightCache::Get(const std::string& form,
                                                     const WeightParts& parts) {
  std::weak_ptr<const WeightBuffer>& kept = kept_[form];
  std::shared_ptr<const WeightBuffer> buffer = kept.lock();
  if (!buffer) kept = buffer = Make(form, parts);
  return buffer;
}

std::shared_ptr<const WeightBuffer> WeightCache::Make(const std::string& form,
                                                      const WeightParts& parts) const {
  // To wake other threads takes longer than to prepare most layers.
  const ThreadScope scope(1);
  // Without a build's name, files of other builds could not be told from its own.
  if (folder_.empty() || BuildId().empty()) return InMemory(parts);
  const std::string what = BuildId() + '\n' + identity_ + '\n' + form;
  const uint64_t key = Hash(what.data(), what.size(), 1);
  char name[40];
  std::snprintf(name, sizeof name, "/%016llx.prepared",
                static_cast<unsigned long long>(Hash(what.data(), what.size())));
  const std::string path = folder_ + name;
  static ReadFiles files;
  if (auto known = files.Find(path); known && known->bytes() == parts.total()) return known;
  auto buffer = FromFile(path, key, parts);
  if (!buffer && ToFile(path, key, parts)) buffer = FromFile(path, key, parts);
  return buffer ? files.Add(path, std::move(buffer)) : InMemory(parts);
}

size_t WeightCache::bytes() const {
  size_t sum = 0;
  for (const auto& [name, kept] : kept_) {
    if (const auto buffer = kept.lock()) sum += buffer->bytes();
  }
  return sum;
}

}  // namespace sentinode::ops
