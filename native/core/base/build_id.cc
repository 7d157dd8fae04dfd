#include "core/base/build_id.h"

#include <elf.h>
#include <link.h>

#include <cstdint>
#include <cstring>

namespace sentinode {
namespace {

size_t Padded(size_t bytes) { return (bytes + 3) / 4 * 4; }

// Notes stand one after the other: a header, a name, a description, each padded to four bytes.
std::string FindBuildId(const uint8_t* at, const uint8_t* end) {
  ElfW(Nhdr) header;
  while (at + sizeof header <= end) {
    std::memcpy(&header, at, sizeof header);
    const uint8_t* name = at + sizeof header;
    const uint8_t* description = name + Padded(header.n_namesz);
    at = description + Padded(header.n_descsz);
    if (at > end) break;
    const bool gnu = header.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0;
    if (!gnu || header.n_type != NT_GNU_BUILD_ID) continue;
    std::string text;
    for (size_t i = 0; i < header.n_descsz; ++i) {
      constexpr const char* kDigits = "0123456789abcdef";
      text += kDigits[description[i] >> 4];
      text += kDigits[description[i] & 15];
    }
    return text;
  }
  return "";
}

// Called for every binary of the process, until it returns something other than 0.
int Visit(dl_phdr_info* info, size_t, void* found) {
  const auto inside = reinterpret_cast<ElfW(Addr)>(&Visit);
  bool ours = false;
  for (ElfW(Half) i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr) & segment = info->dlpi_phdr[i];
    const ElfW(Addr) begin = info->dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_LOAD && inside >= begin && inside < begin + segment.p_memsz)
      ours = true;
  }
  if (!ours) return 0;
  for (ElfW(Half) i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr) & segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    const auto* begin = reinterpret_cast<const uint8_t*>(info->dlpi_addr + segment.p_vaddr);
    const std::string id = FindBuildId(begin, begin + segment.p_memsz);
    if (!id.empty()) *static_cast<std::string*>(found) = id;
  }
  return 1;
}

}  // namespace

const std::string& BuildId() {
  static const std::string id = [] {
    std::string found;
    dl_iterate_phdr(&Visit, &found);
    return found;
  }();
  return id;
}

}  // namespace sentinode
