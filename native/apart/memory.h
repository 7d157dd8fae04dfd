#pragma once

#include <cstddef>

namespace sentinode::apart {

/**
 * Memory that several processes can map, filled with zeros, by a descriptor that closes on exec.
 * Its size is sealed: whoever else holds it can take no page away from under a reader
 * (memfd_create(2), F_SEAL_SHRINK). Pages are taken when they are first written to. Returns a
 * descriptor that the caller closes, or -1 with errno.
 */
int CreateMemory(size_t bytes);

/** Maps all of it, to read and write, left out of core dumps. Returns null with errno. */
void* Map(int descriptor, size_t bytes);

void Unmap(void* data, size_t bytes);

}  // namespace sentinode::apart
