target_sources(sentinode_core PRIVATE
  native/core/runtime/batch_slot.cc
  native/core/runtime/library.cc
  native/core/runtime/model_instance.cc
  native/core/runtime/ort_failure.cc
  native/core/runtime/ort_types.cc
  native/core/runtime/outputs.cc
  native/core/runtime/pinned_memory.cc
  native/core/runtime/providers.cc
  native/core/runtime/run_memory.cc
  native/core/runtime/session.cc
  native/core/runtime/strings.cc
)
