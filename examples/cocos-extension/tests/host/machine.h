// A virtual machine for scripts, with the surface that the engine's has for plugins: QuickJS behind the declarations in ../engine.
//
// What it is not: the engine. Nothing is drawn, `cc` is a few lines of JavaScript (cc/cc.js), and the garbage collector is another one. What it is good
// for: the plugin's own code and the game's own TypeScript run, and each slip that the engine would punish stops the test with its reason.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bindings/sebind/sebind.h"

namespace host {

// Says why and ends the process.
[[noreturn]] void stop(const std::string &why);

// Starts a machine: the plugins hear of it and register their classes.
void start_machine(const std::string &scripts, const std::string &engine_module);
// Ends it as the engine does: hooks first, then everything goes. Stops the program if a script's value is still rooted.
void end_machine();
bool machine_runs();

using Native = std::function<std::string(const std::vector<std::string> &arguments)>;
// A function `host.name(...)` of texts, for the stories.
void define(const char *name, Native function);
// Runs a module, of the folder of scripts.
void run_module(const std::string &name);
// Promises that are due, as after each call into a script.
void run_jobs();

// What scripts threw in calls that the plugin made, so far.
unsigned exceptions();
// Calls of the plugin into scripts, so far.
unsigned calls();

}  // namespace host
