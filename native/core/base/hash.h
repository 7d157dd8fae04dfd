// A hash for finding damage and for naming cached files: quick, the same on every machine of one
// byte order, and no defence against anybody who means harm.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sentinode {

// Of `bytes` bytes; independent hashes of the same bytes come from other seeds.
uint64_t Hash(const void* data, size_t bytes, uint64_t seed = 0);

}  // namespace sentinode
