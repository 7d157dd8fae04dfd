#pragma once

namespace sentinode::apart {

/**
 * A pair of connected sockets over which descriptors pass (unix(7), SCM_RIGHTS). Both close on exec
 * and are the caller's. Returns false with errno.
 */
bool SocketPair(int sockets[2]);

/** Passes a copy of `descriptor`; does not wait. Returns false with errno, EAGAIN where nobody
 * receives. */
bool SendDescriptor(int socket, int descriptor);

/** The next descriptor that was sent, which the caller closes; does not wait. Returns -1 with
 * errno. */
int ReceiveDescriptor(int socket);

}  // namespace sentinode::apart
