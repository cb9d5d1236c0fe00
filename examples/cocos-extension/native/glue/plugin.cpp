// The native plugin: gives scripts the class CastlineNative, and pumps its clients on the engine's frames. What a game uses stands above it, in
// TypeScript (assets/); this only converts.
#include <castline.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>

#include "bindings/sebind/sebind.h"
#include "engine/EngineEvents.h"
#include "plugins/Plugins.h"
#include "plugins/bus/EventBus.h"
#include "session.h"

namespace castline_cocos {

namespace {

constexpr double MAX_SAFE_INTEGER = 9007199254740991.0;

// JavaScript's texts may hold a NUL, which a C string ends at.
bool is_plain(const std::string &text) { return text.find('\0') == std::string::npos; }

template <typename... Texts>
bool are_plain(const Texts &...texts) {
  return (is_plain(texts) && ...);
}

const char *or_null(const std::string &text) { return text.empty() ? nullptr : text.c_str(); }

std::string text_of(se::Object *from, const char *name) {
  se::Value value;
  return from->getProperty(name, &value) && value.isString() ? value.toString() : std::string();
}

std::uint32_t number_of(se::Object *from, const char *name, std::uint32_t otherwise) {
  se::Value value;
  return from->getProperty(name, &value) && value.isNumber() ? value.toUint32() : otherwise;
}

}  // namespace

// What scripts see. Commands give a castline_result; before `connect` and after the end they give INVALID_HANDLE, and getters the default.
class CastlineNative {
 public:
  // (wish, listener): see assets/native-module.ts. It always returns true, for sebind would take false as "try the next overload".
  static bool connect(se::State &state) {
    auto *self = static_cast<CastlineNative *>(state.nativeThisObject());
    const auto &arguments = state.args();
    castline_result result = CASTLINE_INVALID_ARGUMENT;
    if (self != nullptr && self->session_ == nullptr && arguments.size() == 2 && arguments[0].isObject() && arguments[1].isObject()) {
      se::Object *from = arguments[0].toObject();
      Wish wish;
      wish.url = text_of(from, "url");
      wish.build = text_of(from, "build");
      wish.player_id = text_of(from, "playerId");
      wish.token = text_of(from, "token");
      wish.data_dir = text_of(from, "dataDir");
      wish.flag_updates = number_of(from, "flagUpdates", CASTLINE_FLAGS_IMMEDIATE);
      wish.log_level = number_of(from, "logLevel", CASTLINE_LOG_WARN);
      wish.automatic = number_of(from, "automatic", 1) != 0;
      if (are_plain(wish.url, wish.build, wish.player_id, wish.token, wish.data_dir)) {
        self->session_ = Sessions::get().connect(wish, arguments[1].toObject(), &result);
      }
    }
    state.rval().setUint32(result);
    return true;
  }

  std::uint32_t state() const { return castline_client_state(client()); }
  double serverTime() const { return static_cast<double>(castline_client_server_time_ms(client())); }
  // Answers to `ready` that are still to come: at the start, those of a script that is gone.
  std::uint32_t openBreaks() const { return session_ ? session_->open_breaks() : 0; }
  void setBudget(std::uint32_t micros) { Sessions::get().set_budget(micros); }

  std::uint32_t close() { return session_ ? session_->close() : static_cast<castline_result>(CASTLINE_INVALID_HANDLE); }
  std::uint32_t reconnect() { return castline_client_reconnect(client()); }
  std::uint32_t lifecycle(std::uint32_t what) { return castline_client_lifecycle(client(), what); }
  // "": none to be had.
  std::uint32_t setToken(const std::string &token) {
    if (!is_plain(token)) return CASTLINE_INVALID_ARGUMENT;
    const castline_result result = castline_client_set_token(client(), or_null(token));
    if (session_ && result == CASTLINE_OK) session_->token_was_given();
    return result;
  }

  bool flagBool(const std::string &key, bool otherwise) const {
    return is_plain(key) ? castline_flags_bool(client(), key.c_str(), otherwise) : otherwise;
  }
  double flagInt(const std::string &key, double otherwise) const {
    // No flag has this value, so it says "none": the default need not be an integer.
    const std::int64_t value = is_plain(key) ? castline_flags_i64(client(), key.c_str(), INT64_MIN) : INT64_MIN;
    return value == INT64_MIN ? otherwise : static_cast<double>(value);
  }
  double flagFloat(const std::string &key, double otherwise) const {
    return is_plain(key) ? castline_flags_f64(client(), key.c_str(), otherwise) : otherwise;
  }
  std::string flagString(const std::string &key, const std::string &otherwise) const {
    return flag_text(castline_flags_string, key, otherwise);
  }
  // JSON text; "": no such flag.
  std::string flagJson(const std::string &key) const { return flag_text(castline_flags_json, key, ""); }
  std::string flagVariant(const std::string &key) const {
    char buffer[CASTLINE_FLAG_MAX];
    if (!is_plain(key)) return "";
    const std::size_t length = castline_flags_variant(client(), key.c_str(), buffer, sizeof buffer);
    return length < sizeof buffer ? std::string(buffer, length) : std::string();
  }
  std::uint32_t flagReason(const std::string &key) const {
    return is_plain(key) ? castline_flags_reason(client(), key.c_str()) : static_cast<castline_reason>(CASTLINE_REASON_UNKNOWN);
  }
  std::uint32_t applyFlags() { return castline_flags_apply(client()); }
  std::uint32_t setAttributes(const std::string &json) {
    return are_plain(json) ? castline_flags_set_attributes(client(), json.c_str()) : refused();
  }

  std::uint32_t offersReady(const std::string &placement, const std::string &context, std::uint32_t lease_ms) {
    if (!are_plain(placement, context)) return refused();
    const castline_result result = castline_offers_ready(client(), placement.c_str(), or_null(context), lease_ms);
    if (session_ && result == CASTLINE_OK) session_->ready_was_taken();
    return result;
  }
  std::uint32_t offersNotReady() { return castline_offers_not_ready(client()); }
  std::uint32_t offersResult(const std::string &offer_id, std::uint32_t outcome) {
    return are_plain(offer_id) ? castline_offers_result(client(), offer_id.c_str(), outcome) : refused();
  }

  // The number of the request, or a castline_result below zero. key may be "".
  double request(std::uint32_t channel, const std::string &type, const std::string &payload, std::uint32_t timeout_ms, const std::string &key) {
    if (!are_plain(type, payload, key)) return -static_cast<double>(refused());
    castline_request_options options = {};
    options.struct_size = sizeof options;
    options.timeout_ms = timeout_ms;
    options.idempotency_key = or_null(key);
    std::uint64_t number = 0;
    const castline_result result = castline_client_request(client(), channel, type.c_str(), payload.c_str(), &options, &number);
    return number_or_refusal(result, number);
  }
  std::uint32_t send(std::uint32_t channel, const std::string &type, const std::string &payload) {
    return are_plain(type, payload) ? castline_client_send(client(), channel, type.c_str(), payload.c_str()) : refused();
  }
  std::uint32_t track(const std::string &name, const std::string &props) {
    return are_plain(name, props) ? castline_client_track(client(), name.c_str(), or_null(props)) : refused();
  }

  std::uint32_t roomsJoin(const std::string &game_id) {
    if (!are_plain(game_id)) return refused();
    const castline_result result = castline_rooms_join(client(), game_id.c_str());
    if (session_ && result == CASTLINE_OK) session_->join_was_taken(game_id);
    return result;
  }
  std::uint32_t roomsLeave(const std::string &game_id) {
    return are_plain(game_id) ? castline_rooms_leave(client(), game_id.c_str()) : refused();
  }
  std::uint32_t roomsSend(const std::string &game_id, const std::string &event, const std::string &data) {
    return are_plain(game_id, event, data) ? castline_rooms_send(client(), game_id.c_str(), event.c_str(), data.c_str()) : refused();
  }
  // As `request`. seed and key may be "".
  double betsPlace(const std::string &game_id, double amount, const std::string &selection, const std::string &seed, const std::string &key) {
    // Beyond these a double is no whole number of minor units.
    const bool whole = amount >= 1 && amount <= MAX_SAFE_INTEGER && amount == std::floor(amount);
    if (!whole || !are_plain(game_id, selection, seed, key)) return -static_cast<double>(refused());
    castline_bet bet = {};
    bet.struct_size = sizeof bet;
    bet.game_id = game_id.c_str();
    bet.amount = static_cast<std::int64_t>(amount);
    bet.selection = selection.c_str();
    bet.client_seed = or_null(seed);
    bet.idempotency_key = or_null(key);
    std::uint64_t number = 0;
    const castline_result result = castline_bets_place(client(), &bet, &number);
    return number_or_refusal(result, number);
  }

 private:
  using Getter = std::size_t (*)(const castline_client *, const char *, const char *, char *, std::size_t);

  castline_client *client() const { return session_ ? session_->client() : nullptr; }
  static castline_result refused() { return CASTLINE_INVALID_ARGUMENT; }

  static double number_or_refusal(castline_result result, std::uint64_t number) {
    return result == CASTLINE_OK ? static_cast<double>(number) : -static_cast<double>(result);
  }

  std::string flag_text(Getter get, const std::string &key, const std::string &otherwise) const {
    char buffer[CASTLINE_FLAG_MAX];
    if (!is_plain(key)) return otherwise;
    const std::size_t length = get(client(), key.c_str(), otherwise.c_str(), buffer, sizeof buffer);
    // Any flag fits; a default that does not is the game's own.
    return length < sizeof buffer ? std::string(buffer, length) : otherwise;
  }

  std::shared_ptr<Session> session_;
};

namespace {

// For each virtual machine anew.
bool install(se::Object *global) {
  using N = CastlineNative;
  sebind::class_<N> native("CastlineNative");
  native.function("connect", &N::connect)
      .function("state", &N::state)
      .function("serverTime", &N::serverTime)
      .function("openBreaks", &N::openBreaks)
      .function("setBudget", &N::setBudget)
      .function("close", &N::close)
      .function("reconnect", &N::reconnect)
      .function("lifecycle", &N::lifecycle)
      .function("setToken", &N::setToken)
      .function("flagBool", &N::flagBool)
      .function("flagInt", &N::flagInt)
      .function("flagFloat", &N::flagFloat)
      .function("flagString", &N::flagString)
      .function("flagJson", &N::flagJson)
      .function("flagVariant", &N::flagVariant)
      .function("flagReason", &N::flagReason)
      .function("applyFlags", &N::applyFlags)
      .function("setAttributes", &N::setAttributes)
      .function("offersReady", &N::offersReady)
      .function("offersNotReady", &N::offersNotReady)
      .function("offersResult", &N::offersResult)
      .function("request", &N::request)
      .function("send", &N::send)
      .function("track", &N::track)
      .function("roomsJoin", &N::roomsJoin)
      .function("roomsLeave", &N::roomsLeave)
      .function("roomsSend", &N::roomsSend)
      .function("betsPlace", &N::betsPlace);
  native.install(global);
  // The functions of scripts are let go while they can be: after this the virtual machine is taken down.
  se::ScriptEngine::getInstance()->addBeforeCleanupHook([] { Sessions::get().detach(); });
  return true;
}

// The engine's events, for the life of the process.
struct Listeners {
  cc::plugin::Listener script{cc::plugin::BusType::SCRIPT_ENGINE};
  cc::events::Tick::Listener tick;
  cc::events::EnterForeground::Listener foreground;
  cc::events::EnterBackground::Listener background;
  cc::events::Close::Listener close;

  Listeners() {
    script.receive([](cc::plugin::ScriptEngineEvent event) {
      if (event == cc::plugin::ScriptEngineEvent::POST_INIT) se::ScriptEngine::getInstance()->addRegisterCallback(install);
    });
    tick.bind([](float) { Sessions::get().tick(); });
    foreground.bind([] { Sessions::get().lifecycle(CASTLINE_LIFECYCLE_FOREGROUND); });
    background.bind([] { Sessions::get().lifecycle(CASTLINE_LIFECYCLE_BACKGROUND); });
    close.bind([] { Sessions::get().end(); });
  }
};

// The engine calls this again after each restart; its events need one listener each.
void load() {
  static const auto *listeners = new Listeners();
  (void)listeners;
}

}  // namespace

}  // namespace castline_cocos

CC_PLUGIN_ENTRY(castline, castline_cocos::load)
