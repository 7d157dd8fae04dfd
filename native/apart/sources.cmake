target_sources(sentinode_apart PRIVATE
  native/apart/addon.cc
  native/apart/confine.cc
  native/apart/descriptors.cc
  native/apart/memory.cc
  native/apart/syscall_filter.cc
)

target_sources(sentinode_launch PRIVATE
  native/apart/launch.cc
  native/apart/syscall_filter.cc
)
