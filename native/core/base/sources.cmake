target_sources(sentinode_core PRIVATE
  native/core/base/build_id.cc
  native/core/base/data_type.cc
  native/core/base/draft_file.cc
  native/core/base/hash.cc
  native/core/base/memory.cc
  native/core/base/pages.cc
  native/core/base/read_file.cc
  native/core/base/shape.cc
)
