#include "session.h"

#include <algorithm>
#include <utility>

#include "event_json.h"

// How much of a frame the events may take, in microseconds, unless the game says otherwise.
#ifndef CASTLINE_TICK_MICROS
#define CASTLINE_TICK_MICROS 2000
#endif

namespace castline_cocos {

namespace {

using Clock = std::chrono::steady_clock;

// A client that no script asked for so long after a reload is not wanted any more.
constexpr auto ABANDONED_AFTER = std::chrono::seconds(60);
constexpr std::uint32_t CLOSE_WAIT_MS = 500;

const char *or_null(const std::string &text) { return text.empty() ? nullptr : text.c_str(); }

}  // namespace

void Session::attach(se::Object *function) {
  listener_.setObject(function, true);
  ask_again_ = token_needed_;
}

void Session::detach() {
  listener_.setUndefined();
  detached_at_ = Clock::now();
  castline_offers_not_ready(client_);
}

castline_result Session::connect() {
  castline_options options = CASTLINE_OPTIONS_INIT;
  options.flag_updates = wish_.flag_updates;
  options.url = wish_.url.c_str();
  options.build = wish_.build.c_str();
  options.player_id = or_null(wish_.player_id);
  options.token = or_null(wish_.token);
  options.data_dir = or_null(wish_.data_dir);
  options.log = &Session::log_line;
  options.log_user_data = this;
  options.log_level = wish_.log_level;
  return castline_client_connect(&options, &client_);
}

void Session::tick(std::uint32_t max_micros) {
  if (std::exchange(ask_again_, false)) call(CASTLINE_EVENT_TOKEN_NEEDED, "{}");
  tell_of_rooms();
  // Asked before the events are: what comes after the end of the client's thread, nobody puts there.
  const bool over = closing_ && castline_client_close(client_, 0) == CASTLINE_OK;
  heard_ = 0;
  auto each = [](void *user, const castline_event *event) { static_cast<Session *>(user)->hear(*event); };
  castline_client_tick(client_, max_micros, each, this);
  if (over && heard_ == 0) {
    ended_ = true;
    call(KIND_ENDED, "{}");
    listener_.setUndefined();
  }
}

castline_result Session::close() {
  if (closing_) return CASTLINE_CLOSED;
  closing_ = true;
  const castline_result result = castline_client_close(client_, 0);
  // It goes on by itself, as it should.
  return result == CASTLINE_TIMED_OUT ? static_cast<castline_result>(CASTLINE_OK) : result;
}

void Session::end(std::uint32_t max_wait_ms) {
  listener_.setUndefined();
  castline_client_close(client_, max_wait_ms);
  castline_client_free(std::exchange(client_, nullptr));
  ended_ = true;
}

bool Session::same_client(const Wish &wish) const {
  return wish_.url == wish.url && wish_.build == wish.build && wish_.player_id == wish.player_id && wish_.data_dir == wish.data_dir &&
         wish_.flag_updates == wish.flag_updates;
}

bool Session::abandoned(Clock::time_point now) const { return !attached() && !ended_ && now - detached_at_ > ABANDONED_AFTER; }

void Session::hear(const castline_event &event) {
  ++heard_;
  if (event.kind == CASTLINE_EVENT_TOKEN_NEEDED) token_needed_ = true;
  if (event.kind == CASTLINE_EVENT_ROOM_CHANGED) note_room(event.body.room_changed);
  if ((event.kind == CASTLINE_EVENT_OFFER_READY || event.kind == CASTLINE_EVENT_NO_OFFER) && open_breaks_ > 0) --open_breaks_;
  call(event.kind, event_json(event));
}

void Session::note_room(const castline_room_changed &room) {
  const std::string game_id(room.game_id.ptr, room.game_id.len);
  switch (room.change) {
    case CASTLINE_ROOM_JOINED:
      rooms_[game_id] = room.player_count;
      break;
    case CASTLINE_ROOM_PLAYER_JOINED:
    case CASTLINE_ROOM_PLAYER_LEFT: {
      const auto known = rooms_.find(game_id);
      if (known != rooms_.end()) known->second = room.player_count;
      break;
    }
    default:
      rooms_.erase(game_id);
      break;
  }
}

void Session::tell_of_rooms() {
  for (const auto &game_id : std::exchange(joined_again_, {})) {
    const auto known = rooms_.find(game_id);
    if (known == rooms_.end()) continue;
    castline_event event = {};
    event.kind = CASTLINE_EVENT_ROOM_CHANGED;
    event.body.room_changed.game_id = {game_id.c_str(), game_id.size()};
    event.body.room_changed.user_id = {"", 0};
    event.body.room_changed.change = CASTLINE_ROOM_JOINED;
    event.body.room_changed.player_count = known->second;
    call(event.kind, event_json(event));
  }
}

void Session::call(std::uint32_t kind, const std::string &body) {
  if (!attached()) return;
  se::AutoHandleScope scope;
  // A copy: the function may let go of itself by closing the client.
  const se::Value listener(listener_);
  se::ValueArray arguments;
  arguments.emplace_back(kind);
  arguments.emplace_back(body);
  // What it throws, the engine reports; the next event comes all the same.
  listener.toObject()->call(arguments, nullptr);
}

void Session::log_line(void *session, castline_log_level level, castline_str line) {
  static_cast<Session *>(session)->call(KIND_LOG, log_json(level, line));
}

Sessions::Sessions() : budget_(CASTLINE_TICK_MICROS) {}

Sessions &Sessions::get() {
  // Never taken down: in which order the engine's own statics go is not known here.
  static auto *sessions = new Sessions();
  return *sessions;
}

std::shared_ptr<Session> Sessions::connect(const Wish &wish, se::Object *function, castline_result *result) {
  *result = CASTLINE_OK;
  const auto waiting = [](const std::shared_ptr<Session> &session) { return !session->attached() && !session->closing(); };
  for (const auto &session : sessions_) {
    if (!waiting(session) || !session->same_client(wish)) continue;
    session->attach(function);
    session->set_automatic(wish.automatic);
    if (!wish.token.empty() && castline_client_set_token(session->client(), wish.token.c_str()) == CASTLINE_OK) session->token_was_given();
    return session;
  }
  // Other options for the same directory, such as the next player: the earlier client must be gone first. This is while a script starts.
  for (const auto &session : sessions_) {
    if (waiting(session) && session->same_directory(wish)) session->end(CLOSE_WAIT_MS);
  }
  auto session = std::make_shared<Session>(wish);
  session->attach(function);
  *result = session->connect();
  if (*result != CASTLINE_OK) return nullptr;
  sessions_.push_back(session);
  return session;
}

void Sessions::tick() {
  // A copy: a listener may connect another client.
  const auto sessions = sessions_;
  const auto start = Clock::now();
  // Another one begins each frame, so that one with much to say does not take all the time of the others.
  if (!sessions.empty()) first_ = (first_ + 1) % sessions.size();
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    const auto &session = sessions[(first_ + i) % sessions.size()];
    if (session->attached()) {
      const auto spent = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count();
      session->tick(spent >= budget_ ? 0 : budget_ - static_cast<std::uint32_t>(spent));
    } else if (session->abandoned(start)) {
      session->end(0);
    }
  }
  const auto over = [](const std::shared_ptr<Session> &session) { return session->ended(); };
  sessions_.erase(std::remove_if(sessions_.begin(), sessions_.end(), over), sessions_.end());
}

void Sessions::lifecycle(castline_lifecycle what) {
  for (const auto &session : sessions_) {
    if (session->automatic()) castline_client_lifecycle(session->client(), what);
  }
}

void Sessions::detach() {
  for (const auto &session : sessions_) {
    if (session->closing()) {
      session->end(0);
    } else if (session->attached()) {
      session->detach();
    }
  }
}

void Sessions::end() {
  for (const auto &session : std::exchange(sessions_, {})) session->end(CLOSE_WAIT_MS);
}

}  // namespace castline_cocos
