# Without oneDNN there are no operators over four spatial axes.
if(SENTINODE_HAVE_ONEDNN)
  target_sources(sentinode_core PRIVATE
    native/core/ops/arena.cc
    native/core/ops/conv.cc
    native/core/ops/conv_depthwise.cc
    native/core/ops/conv_direct.cc
    native/core/ops/conv_fast.cc
    native/core/ops/conv_narrow.cc
    native/core/ops/elementwise.cc
    native/core/ops/geometry.cc
    native/core/ops/layers.cc
    native/core/ops/norm.cc
    native/core/ops/onednn.cc
    native/core/ops/plan.cc
    native/core/ops/plan_fields.cc
    native/core/ops/pool.cc
    native/core/ops/program.cc
    native/core/ops/region.cc
    native/core/ops/register.cc
    native/core/ops/report.cc
    native/core/ops/side_file.cc
    native/core/ops/simd.cc
    native/core/ops/toom_cook.cc
    native/core/ops/tuner.cc
    native/core/ops/tuning.cc
  )
endif()
