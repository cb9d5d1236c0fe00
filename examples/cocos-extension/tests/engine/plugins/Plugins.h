// How a plugin is found by its name. See ../README.md.
#pragma once

#include "plugins/bus/EventBus.h"

#define CC_PLUGIN_ENTRY(name, load_func)                                                   \
  extern "C" __attribute__((visibility("default"))) void cc_load_plugin_##name();          \
  extern "C" __attribute__((visibility("default"))) void cc_load_plugin_##name() { load_func(); }
