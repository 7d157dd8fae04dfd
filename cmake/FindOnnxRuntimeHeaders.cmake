# ONNX Runtime's C and C++ headers (the library itself is opened at run time, from a path).
# Looked for in ONNXRUNTIME_ROOT (an official release folder, from the cache or the environment), on the
# system (Debian's libonnxruntime-dev), then in the private copy that the set-up step unpacks.
# Sets OnnxRuntimeHeaders_INCLUDE_DIR.
set(ONNXRUNTIME_ROOT "$ENV{ONNXRUNTIME_ROOT}" CACHE PATH "Folder of an ONNX Runtime release")

if(ONNXRUNTIME_ROOT)
  find_path(OnnxRuntimeHeaders_INCLUDE_DIR onnxruntime_cxx_api.h
    PATHS "${ONNXRUNTIME_ROOT}" PATH_SUFFIXES include include/onnxruntime NO_DEFAULT_PATH)
else()
  find_path(OnnxRuntimeHeaders_INCLUDE_DIR onnxruntime_cxx_api.h PATH_SUFFIXES onnxruntime)
  find_path(OnnxRuntimeHeaders_INCLUDE_DIR onnxruntime_cxx_api.h
    PATHS "${CMAKE_CURRENT_LIST_DIR}/../.setup/onnxruntime/usr/include/onnxruntime" NO_DEFAULT_PATH)
endif()

if(OnnxRuntimeHeaders_INCLUDE_DIR)
  file(STRINGS "${OnnxRuntimeHeaders_INCLUDE_DIR}/onnxruntime_c_api.h" version_line
    REGEX "^#define ORT_API_VERSION [0-9]+")
  string(REGEX MATCH "[0-9]+" OnnxRuntimeHeaders_VERSION "${version_line}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OnnxRuntimeHeaders
  REQUIRED_VARS OnnxRuntimeHeaders_INCLUDE_DIR
  VERSION_VAR OnnxRuntimeHeaders_VERSION
  REASON_FAILURE_MESSAGE
    "run `node cmake/setup.mjs`, install libonnxruntime-dev, or set ONNXRUNTIME_ROOT to an official release")
mark_as_advanced(OnnxRuntimeHeaders_INCLUDE_DIR)
