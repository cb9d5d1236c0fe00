// The events of the engine that a plugin listens to. See ../README.md.
#pragma once

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

namespace cc {
namespace event {

// One list of listeners for each event.
template <typename Event, typename... Args>
class Channel {
 public:
  class Listener {
   public:
    Listener() { all().push_back(this); }
    ~Listener() { all().erase(std::find(all().begin(), all().end(), this)); }
    Listener(const Listener &) = delete;
    Listener &operator=(const Listener &) = delete;
    template <typename Callback>
    bool bind(Callback &&callback) {
      callback_ = std::forward<Callback>(callback);
      return true;
    }

   private:
    friend class Channel;
    std::function<void(Args...)> callback_;
  };

  static void broadcast(Args... args) {
    for (auto *listener : std::vector<Listener *>(all())) {
      if (listener->callback_) listener->callback_(args...);
    }
  }

 private:
  static std::vector<Listener *> &all() {
    static auto *listeners = new std::vector<Listener *>();
    return *listeners;
  }
};

}  // namespace event

namespace events {
struct Tick : event::Channel<Tick, float> {};
struct EnterForeground : event::Channel<EnterForeground> {};
struct EnterBackground : event::Channel<EnterBackground> {};
struct Close : event::Channel<Close> {};
}  // namespace events

}  // namespace cc
