// Runs one story: `host STORY`. The plugin is the real one, the library is the real one, the server is the real one; the engine is the
// stand-in of machine.h. CASTLINE_SERVER names the server's program, STORIES_FOLDER what tsc wrote, STORIES_CC_MODULE cc.js.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "engine/EngineEvents.h"
#include "machine.h"

extern "C" {
#include "support.h"
void cc_load_plugin_castline(void);
}

namespace {

using Clock = std::chrono::steady_clock;

unsigned frames = 0;
unsigned expected_exceptions = 0;
bool done = false;
std::string failure;
// What one script leaves for the next one.
std::string memory;

std::string environment(const char *name) {
  const char *value = std::getenv(name);
  if (value == nullptr) host::stop(std::string("set ") + name);
  return value;
}

double milliseconds() { return std::chrono::duration<double, std::milli>(Clock::now().time_since_epoch()).count(); }

void define_functions() {
  using Arguments = const std::vector<std::string> &;
  host::define("url", [](Arguments) { return std::string(server_url()); });
  host::define("token", [](Arguments arguments) {
    char token[1024];
    return std::string(server_token(arguments.at(0).c_str(), token, sizeof token));
  });
  host::define("put", [](Arguments arguments) {
    server_put(arguments.at(0).c_str(), arguments.at(1).c_str());
    return std::string();
  });
  host::define("print", [](Arguments arguments) {
    std::fprintf(stderr, "[script] %s\n", arguments.at(0).c_str());
    return std::string();
  });
  host::define("done", [](Arguments) {
    done = true;
    return std::string();
  });
  host::define("fail", [](Arguments arguments) {
    failure = arguments.at(0);
    return std::string();
  });
  host::define("remember", [](Arguments arguments) { return memory = arguments.at(0); });
  host::define("memory", [](Arguments) { return memory; });
  host::define("frame", [](Arguments) { return std::to_string(frames); });
  host::define("directory", [](Arguments) { return std::string(server_directory("game")) + "/"; });
  host::define("spin", [](Arguments arguments) {
    const double until = milliseconds() + std::stod(arguments.at(0));
    while (milliseconds() < until) {
    }
    return std::string();
  });
  host::define("expectException", [](Arguments) {
    ++expected_exceptions;
    return std::string();
  });
  host::define("background", [](Arguments) {
    cc::events::EnterBackground::broadcast();
    return std::string();
  });
  host::define("foreground", [](Arguments) {
    cc::events::EnterForeground::broadcast();
    return std::string();
  });
}

// As the engine starts, and starts again: plugins first, then the machine.
void start_engine() {
  cc_load_plugin_castline();
  host::start_machine(environment("STORIES_FOLDER"), environment("STORIES_CC_MODULE"));
}

void play_frame() {
  ++frames;
  cc::events::Tick::broadcast(1.0F / 60);
  if (host::machine_runs()) host::run_jobs();
  frame();
}

void play(const std::string &module) {
  done = false;
  host::run_module("tests/stories/" + module);
  const auto deadline = Clock::now() + std::chrono::seconds(PATIENCE);
  while (!done) {
    if (!failure.empty()) host::stop(module + ": " + failure);
    if (Clock::now() > deadline) host::stop(module + " did not come to its end in time");
    play_frame();
  }
  if (!failure.empty()) host::stop(module + ": " + failure);
}

// The machine goes while promises and listeners are open, and frames go on without it.
void end_machine_with_all_outstanding() {
  const unsigned calls = host::calls();
  host::end_machine();
  for (int i = 0; i < 200; ++i) play_frame();
  if (host::calls() != calls) host::stop("the plugin called a script after its virtual machine was gone");
}

void tell(const std::string &story) {
  start_engine();
  play(story);
  if (story == "reload") {
    end_machine_with_all_outstanding();
    start_engine();
    play("reload-after");
  }
  end_machine_with_all_outstanding();
}

}  // namespace

int main(int count, char **arguments) {
  if (count != 2) host::stop("usage: host STORY");
  const std::string story = arguments[1];
  server_start();
  define_functions();
  tell(story);
  cc::events::Close::broadcast();
  std::printf("%s: %u frames, %u calls into scripts, %u exceptions, of which %u were meant\n", story.c_str(), frames, host::calls(),
              host::exceptions(), expected_exceptions);
  return host::exceptions() == expected_exceptions ? 0 : 1;
}
