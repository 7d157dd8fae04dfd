target_sources(sentinode PRIVATE
  native/binding/addon.cc
  native/binding/addon_data.cc
  native/binding/arguments.cc
  native/binding/batch_arguments.cc
  native/binding/ceiling.cc
  native/binding/dispatcher.cc
  native/binding/errors.cc
  native/binding/external_buffer.cc
  native/binding/imaging.cc
  native/binding/model_instance_wrap.cc
  native/binding/process_exit.cc
  native/binding/results.cc
  native/binding/session_worker.cc
  native/binding/session_wrap.cc
)
