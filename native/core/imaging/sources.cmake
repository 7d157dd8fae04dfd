target_sources(sentinode_core PRIVATE
  native/core/imaging/geometry.cc
  native/core/imaging/kernels.cc
  native/core/imaging/percentiles.cc
  native/core/imaging/preprocess.cc
  native/core/imaging/resample.cc
  native/core/imaging/statistics.cc
)
