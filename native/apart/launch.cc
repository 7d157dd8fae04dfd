// sentinode_launch PROGRAM ARGUMENTS...: executes a program that has no io_uring. libuv 1.52 (Node
// 26) makes the ring of its event loop before any JavaScript runs, and aborts where it is refused
// it later.
#include <unistd.h>

#include <cstdio>

#include "apart/syscall_filter.h"

int main(int count, char** arguments) {
  if (count < 2) return 2;
  // Where the kernel has no filters nothing is refused later either.
  sentinode::apart::RefuseIoUring();
  execv(arguments[1], arguments + 1);
  std::perror(arguments[1]);
  return 127;
}
