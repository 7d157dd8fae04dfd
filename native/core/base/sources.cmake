target_sources(sentinode_core PRIVATE
  native/core/base/data_type.cc
  native/core/base/memory.cc
  native/core/base/shape.cc
)
