// One client of the C library and the script that listens to it.
//
// A session outlives the script: when the virtual machine goes (game.restart, a reload in development) the listener is let go and the client stays
// connected; the script that starts next asks for the same client and is attached to it. Everything here runs on the engine's thread.
#ifndef CASTLINE_COCOS_SESSION_H
#define CASTLINE_COCOS_SESSION_H

#include <castline.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bindings/sebind/sebind.h"

namespace castline_cocos {

// What a script asks for. Empty texts mean the default.
struct Wish {
  std::string url, build, player_id, token, data_dir;
  castline_flag_updates flag_updates = CASTLINE_FLAGS_IMMEDIATE;
  castline_log_level log_level = CASTLINE_LOG_WARN;
  // Whether the engine's foreground and background are told to the client.
  bool automatic = true;
};

// Beside the kinds of castline_event: what the listener is also called with.
enum : std::uint32_t { KIND_LOG = 0, KIND_ENDED = 1000 };

class Session {
 public:
  explicit Session(Wish wish) : wish_(std::move(wish)) {}
  ~Session() { castline_client_free(client_); }
  Session(const Session &) = delete;
  Session &operator=(const Session &) = delete;

  // Lets `function` hear of the events, from the next frame on. A script that came before may have been asked for a token and gone.
  void attach(se::Object *function);
  // The script goes: its function is let go and never called again. A break that it opened is closed, for nobody is there to show an offer.
  void detach();
  castline_result connect();
  // Up to so many microseconds of events; at least one event, if there is one.
  void tick(std::uint32_t max_micros);
  // Begins the end; the listener hears KIND_ENDED when all is said.
  castline_result close();
  // As the process ends: the one call that waits.
  void end(std::uint32_t max_wait_ms);

  bool same_client(const Wish &wish) const;
  bool same_directory(const Wish &wish) const { return !wish_.data_dir.empty() && wish_.data_dir == wish.data_dir; }
  bool attached() const { return !listener_.isUndefined(); }
  bool closing() const { return closing_; }
  bool ended() const { return ended_; }
  bool abandoned(std::chrono::steady_clock::time_point now) const;
  bool automatic() const { return wish_.automatic; }
  void set_automatic(bool automatic) { wish_.automatic = automatic; }
  castline_client *client() const { return client_; }

  // Each `ready` that was taken has one answer. Those that an earlier script asked for come before the new one's own.
  void ready_was_taken() { ++open_breaks_; }
  std::uint32_t open_breaks() const { return open_breaks_; }
  void token_was_given() { token_needed_ = false; }
  // Who joins a room that the client is in already, perhaps for an earlier script, is told so, for the library has nothing to tell.
  void join_was_taken(const std::string &game_id) { joined_again_.push_back(game_id); }

 private:
  void hear(const castline_event &event);
  void note_room(const castline_room_changed &room);
  void tell_of_rooms();
  void call(std::uint32_t kind, const std::string &body);
  static void log_line(void *session, castline_log_level level, castline_str line);

  Wish wish_;
  castline_client *client_ = nullptr;
  // Rooted while it is held here.
  se::Value listener_;
  // The rooms that the client is in, with their players, as the events said.
  std::map<std::string, std::uint32_t> rooms_;
  std::vector<std::string> joined_again_;
  std::uint32_t heard_ = 0;
  std::uint32_t open_breaks_ = 0;
  bool token_needed_ = false, ask_again_ = false, closing_ = false, ended_ = false;
  std::chrono::steady_clock::time_point detached_at_;
};

// All sessions of the process.
class Sessions {
 public:
  static Sessions &get();

  // The client of that wish: the one that an earlier script left behind, or a new one. NULL with a result other than OK; whatever the library
  // logs about that has gone to `function`.
  std::shared_ptr<Session> connect(const Wish &wish, se::Object *function, castline_result *result);
  void tick();
  void lifecycle(castline_lifecycle what);
  void detach();
  void end();
  void set_budget(std::uint32_t micros) { budget_ = micros; }
  std::uint32_t budget() const { return budget_; }

 private:
  std::vector<std::shared_ptr<Session>> sessions_;
  std::size_t first_ = 0;
  std::uint32_t budget_;
  Sessions();
};

}  // namespace castline_cocos

#endif
