// Castline for C++17, over castline.h: a client that frees itself, std::string_view in, std::string out, a lambda for the events. Optional, and
// header-only; whatever it does not wrap is one `client.handle()` away. It throws nothing itself, and compiles without exceptions.
//
//   castline::Options options{"https://live.example.com", "2.0.0"};
//   castline::Client client(options);                        // never fails for the network; client.error() says why it is empty
//   client.tick([&](const castline_event &event) { ... });   // each frame
//   label.set(client.flag("starter_pack_price", "$2.99"));
#ifndef CASTLINE_HPP
#define CASTLINE_HPP

#include <castline.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace castline {

/// The text of an event, until the next poll: copy what you keep.
inline std::string_view view(const castline_str &text) noexcept { return {text.ptr, text.len}; }

/// A line for the game's log, on the thread that connects or polls.
using Log = std::function<void(castline_log_level, std::string_view)>;

/// What a client is made with; empty texts mean the default.
struct Options {
  std::string url, build;
  std::string player_id, token, telegram_init_data, data_dir;
  castline_flag_updates flag_updates = CASTLINE_FLAGS_IMMEDIATE;
  Log log;
  castline_log_level log_level = CASTLINE_LOG_WARN;

  Options(std::string_view url_, std::string_view build_) : url(url_), build(build_) {}
};

/// Owns a handle; moves, does not copy. An empty one is harmless: getters give their defaults, calls INVALID_HANDLE. The destructor does not
/// wait; call close first to flush, and let no other thread poll then, for the log function goes with the client.
class Client {
 public:
  Client() noexcept = default;

  explicit Client(const Options &options) : log_(options.log ? new Log(options.log) : nullptr) {
    castline_options given = CASTLINE_OPTIONS_INIT;
    given.flag_updates = options.flag_updates;
    given.url = options.url.c_str();
    given.build = options.build.c_str();
    given.player_id = or_null(options.player_id);
    given.token = or_null(options.token);
    given.telegram_init_data = or_null(options.telegram_init_data);
    given.data_dir = or_null(options.data_dir);
    if (log_ != nullptr) {
      given.log = [](void *user, castline_log_level level, castline_str line) { (*static_cast<Log *>(user))(level, view(line)); };
      given.log_user_data = log_;
      given.log_level = options.log_level;
    }
    error_ = castline_client_connect(&given, &handle_);
  }

  Client(Client &&other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)),
        log_(std::exchange(other.log_, nullptr)),
        error_(std::exchange(other.error_, CASTLINE_INVALID_HANDLE)) {}

  Client &operator=(Client &&other) noexcept {
    if (this != &other) {
      release();
      handle_ = std::exchange(other.handle_, nullptr);
      log_ = std::exchange(other.log_, nullptr);
      error_ = std::exchange(other.error_, CASTLINE_INVALID_HANDLE);
    }
    return *this;
  }

  Client(const Client &) = delete;
  Client &operator=(const Client &) = delete;
  ~Client() { release(); }

  castline_client *handle() const noexcept { return handle_; }
  explicit operator bool() const noexcept { return handle_ != nullptr; }
  /// What connecting gave.
  castline_result error() const noexcept { return error_; }
  castline_state state() const noexcept { return castline_client_state(handle_); }
  std::int64_t server_time_ms() const noexcept { return castline_client_server_time_ms(handle_); }

  /// The next event, valid until the next poll; nullptr without one.
  const castline_event *poll() noexcept {
    const castline_event *event = nullptr;
    castline_client_poll_event(handle_, &event);
    return event;
  }

  /// Events to `f(const castline_event &)`, until none is left or the time is up. `f` must not throw, nor destroy or move this client.
  template <typename F>
  castline_result tick(F &&f, std::uint32_t max_micros = UINT32_MAX) {
    using Function = std::remove_reference_t<F>;
    auto call = [](void *user, const castline_event *event) { (*static_cast<Function *>(user))(*event); };
    return castline_client_tick(handle_, max_micros, call, const_cast<void *>(static_cast<const void *>(&f)));
  }

  castline_result set_token(const std::string &token) { return castline_client_set_token(handle_, token.c_str()); }
  castline_result no_token() noexcept { return castline_client_set_token(handle_, nullptr); }
  castline_result lifecycle(castline_lifecycle what) noexcept { return castline_client_lifecycle(handle_, what); }
  castline_result reconnect() noexcept { return castline_client_reconnect(handle_); }
  castline_result track(const std::string &name, const std::string &props = "{}") {
    return castline_client_track(handle_, name.c_str(), props.c_str());
  }
  /// Waits at most so long, as the one call that does.
  castline_result close(std::uint32_t max_wait_ms) noexcept { return castline_client_close(handle_, max_wait_ms); }

  bool flag(const char *key, bool otherwise) const noexcept { return castline_flags_bool(handle_, key, otherwise); }
  std::int64_t flag(const char *key, std::int64_t otherwise) const noexcept { return castline_flags_i64(handle_, key, otherwise); }
  std::int64_t flag(const char *key, int otherwise) const noexcept { return castline_flags_i64(handle_, key, otherwise); }
  double flag(const char *key, double otherwise) const noexcept { return castline_flags_f64(handle_, key, otherwise); }
  std::string flag(const char *key, const char *otherwise) const {
    char buffer[CASTLINE_FLAG_MAX];
    const std::size_t length = castline_flags_string(handle_, key, otherwise, buffer, sizeof buffer);
    // Any flag fits; a longer default is the game's own.
    return length < sizeof buffer ? std::string(buffer, length) : std::string(otherwise);
  }
  std::string json(const char *key, const char *otherwise) const {
    char buffer[CASTLINE_FLAG_MAX];
    const std::size_t length = castline_flags_json(handle_, key, otherwise, buffer, sizeof buffer);
    return length < sizeof buffer ? std::string(buffer, length) : std::string(otherwise);
  }
  castline_result apply_flags() noexcept { return castline_flags_apply(handle_); }

  castline_result ready(const std::string &placement, const std::string &context = {}, std::uint32_t lease_ms = 0) {
    return castline_offers_ready(handle_, placement.c_str(), or_null(context), lease_ms);
  }
  castline_result not_ready() noexcept { return castline_offers_not_ready(handle_); }
  castline_result offer_result(const std::string &offer_id, castline_outcome outcome) {
    return castline_offers_result(handle_, offer_id.c_str(), outcome);
  }

 private:
  static const char *or_null(const std::string &text) noexcept { return text.empty() ? nullptr : text.c_str(); }

  void release() noexcept {
    castline_client_free(std::exchange(handle_, nullptr));
    delete std::exchange(log_, nullptr);
  }

  castline_client *handle_ = nullptr;
  // On the heap, for its address is with the library while the client moves.
  Log *log_ = nullptr;
  castline_result error_ = CASTLINE_INVALID_HANDLE;
};

}  // namespace castline

#endif  // CASTLINE_HPP
