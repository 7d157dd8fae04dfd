#pragma once

namespace sentinode::apart {

/**
 * Refuses this process, on all of its threads and for good, what a reader of files never needs
 * (seccomp(2)): sockets, programs and processes, signals to others, and anything that changes a
 * file system or the machine. Calls that are refused fail with EPERM. Returns false with errno
 * where the kernel has no such filter.
 */
bool FilterSystemCalls();

/**
 * Refuses this process, and what it executes, io_uring as kernels do that have none (ENOSYS):
 * operations in a ring are calls that no filter sees. Returns false with errno.
 */
bool RefuseIoUring();

}  // namespace sentinode::apart
