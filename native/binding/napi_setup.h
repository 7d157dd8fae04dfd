// The only include of napi.h, so that its configuration is the same everywhere. No other file of
// the project, and nothing in native/core, includes it.
#pragma once

#define NAPI_VERSION 8
#define NODE_ADDON_API_CPP_EXCEPTIONS
#define NODE_ADDON_API_DISABLE_DEPRECATED

#include <napi.h>
