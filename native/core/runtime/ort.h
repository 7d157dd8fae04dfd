// ONNX Runtime's C++ API, for the inside of this room only: the library is opened at run time
// (library.cc), so nothing here may be touched before LoadRuntime has succeeded.
#pragma once

#include <onnxruntime_cxx_api.h>

namespace sentinode {

// The process's only environment. It is never destroyed: sessions may outlive static destructors.
Ort::Env& OrtEnvironment();

// The folder that the library was loaded from; its providers' libraries stand there.
const char* RuntimeFolder();

}  // namespace sentinode
