// What tells this build of the code from every other one.
#pragma once

#include <string>

namespace sentinode {

// The linker's hash over the binary that this code is in, as hexadecimal digits; "" where the
// linker wrote none. Goes into the name of whatever is kept on disk in a form that only this code
// knows.
const std::string& BuildId();

}  // namespace sentinode
