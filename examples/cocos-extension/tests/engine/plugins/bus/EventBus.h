// The bus on which plugins hear that there is a virtual machine. See ../../README.md.
#pragma once

#include <functional>

namespace cc {
namespace plugin {

enum class BusType { SCRIPT_ENGINE };
enum class ScriptEngineEvent { POST_INIT };

class Listener {
 public:
  explicit Listener(BusType type);
  ~Listener();
  Listener(const Listener &) = delete;
  Listener &operator=(const Listener &) = delete;

  template <typename Callback>
  void receive(Callback callback) {
    receive_function(std::function<void(ScriptEngineEvent)>(callback));
  }

 private:
  void receive_function(std::function<void(ScriptEngineEvent)> callback);
};

}  // namespace plugin
}  // namespace cc
