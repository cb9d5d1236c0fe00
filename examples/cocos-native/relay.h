// A cable to the server that can be cut: relays TCP from a port of its own, on a thread of its own.
#pragma once

#include <atomic>
#include <thread>

class Relay {
 public:
  explicit Relay(unsigned short server_port);
  ~Relay();
  Relay(const Relay &) = delete;
  Relay &operator=(const Relay &) = delete;

  unsigned short port() const { return port_; }
  // Connections end without a word, and new ones are refused in the same way.
  void cut() { cut_ = true; }
  void mend() { cut_ = false; }

 private:
  void run();

  unsigned short server_port_, port_ = 0;
  int listener_ = -1;
  std::atomic<bool> cut_{false}, over_{false};
  std::thread thread_;
};
