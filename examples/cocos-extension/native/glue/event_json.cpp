#include "event_json.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdint>
#include <cstdio>

namespace castline_cocos {

namespace {

// Writes one flat object.
class Writer {
 public:
  Writer &text(const char *name, castline_str value) {
    key(name);
    out_ += '"';
    for (std::size_t i = 0; i < value.len; ++i) {
      const auto byte = static_cast<unsigned char>(value.ptr[i]);
      if (byte == '"' || byte == '\\') {
        out_ += '\\';
        out_ += value.ptr[i];
      } else if (byte < 0x20) {
        char escape[8];
        std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(byte));
        out_ += escape;
      } else {
        out_ += value.ptr[i];
      }
    }
    out_ += '"';
    return *this;
  }

  // Text that is JSON already, or "" for nothing: then the member is left out.
  Writer &json(const char *name, castline_str value) {
    if (value.len == 0) return *this;
    key(name);
    out_.append(value.ptr, value.len);
    return *this;
  }

  Writer &number(const char *name, std::int64_t value) {
    key(name);
    char digits[24];
    std::snprintf(digits, sizeof digits, "%" PRId64, value);
    out_ += digits;
    return *this;
  }

  Writer &number(const char *name, std::uint64_t value) { return number(name, static_cast<std::int64_t>(value & INT64_MAX)); }
  Writer &number(const char *name, std::uint32_t value) { return number(name, static_cast<std::int64_t>(value)); }

  Writer &number(const char *name, double value) {
    key(name);
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.17g", std::isfinite(value) ? value : 0.0);
    // The C library writes the decimal point of the device's language.
    std::replace(digits, digits + sizeof digits, ',', '.');
    out_ += digits;
    return *this;
  }

  std::string done() {
    out_ += '}';
    return std::move(out_);
  }

 private:
  void key(const char *name) {
    if (out_.size() > 1) out_ += ',';
    out_ += '"';
    out_ += name;
    out_ += "\":";
  }

  std::string out_ = "{";
};

}  // namespace

std::string event_json(const castline_event &event) {
  Writer out;
  const auto &body = event.body;
  switch (event.kind) {
    case CASTLINE_EVENT_STATE_CHANGED:
      out.number("state", body.state_changed.state).number("previous", body.state_changed.previous);
      out.number("cause", body.state_changed.cause).number("code", body.state_changed.code);
      out.number("retryInMs", body.state_changed.retry_in_ms);
      break;
    case CASTLINE_EVENT_DROPPED:
      out.number("what", body.dropped.what).number("count", body.dropped.count);
      break;
    case CASTLINE_EVENT_OFFER_READY: {
      const auto &offer = body.offer_ready;
      out.text("offerId", offer.offer_id).text("campaignId", offer.campaign_id).text("title", offer.title);
      out.number("discount", offer.discount).text("imageUrl", offer.image_url).text("placement", offer.placement);
      out.number("expiresAt", offer.expires_at_ms).json("data", offer.data);
      break;
    }
    case CASTLINE_EVENT_NO_OFFER:
      out.text("placement", body.no_offer.placement);
      break;
    case CASTLINE_EVENT_OFFER_EXPIRED:
      out.text("offerId", body.offer_expired.offer_id);
      break;
    case CASTLINE_EVENT_FLAGS_CHANGED:
      out.text("version", body.flags_changed.version);
      break;
    case CASTLINE_EVENT_REQUEST_COMPLETED: {
      const auto &reply = body.request_completed;
      out.number("request", reply.request).text("idempotencyKey", reply.idempotency_key);
      out.text("type", reply.type).json("payload", reply.payload);
      break;
    }
    case CASTLINE_EVENT_REQUEST_FAILED: {
      const auto &reply = body.request_failed;
      out.number("request", reply.request).text("idempotencyKey", reply.idempotency_key).number("code", reply.code);
      out.text("codeText", reply.code_text).text("message", reply.message).number("retryAfterMs", reply.retry_after_ms);
      break;
    }
    case CASTLINE_EVENT_ROOM_CHANGED: {
      const auto &room = body.room_changed;
      out.text("gameId", room.game_id).number("change", room.change).text("userId", room.user_id);
      out.number("playerCount", room.player_count).number("code", room.code);
      break;
    }
    case CASTLINE_EVENT_ROOM_MESSAGE:
      out.text("gameId", body.room_message.game_id).text("from", body.room_message.from);
      out.text("event", body.room_message.event).json("data", body.room_message.data);
      break;
    case CASTLINE_EVENT_ROOM_GAP:
      out.text("gameId", body.room_gap.game_id).number("missing", body.room_gap.missing);
      break;
    case CASTLINE_EVENT_BET_SETTLED: {
      const auto &bet = body.bet_settled;
      out.text("idempotencyKey", bet.idempotency_key).number("outcome", bet.outcome).number("payout", bet.payout);
      out.number("balance", bet.balance).number("roll", bet.roll).number("sides", bet.sides).text("serverSeed", bet.server_seed);
      out.text("serverSeedHash", bet.server_seed_hash).text("clientSeed", bet.client_seed);
      break;
    }
    case CASTLINE_EVENT_MESSAGE:
      out.number("channel", body.message.channel).text("type", body.message.type).json("payload", body.message.payload);
      break;
    default:
      // TOKEN_NEEDED and SESSION_LOST have no body; what a later library adds, this glue does not know.
      break;
  }
  return out.done();
}

std::string log_json(castline_log_level level, castline_str line) {
  return Writer().number("level", level).text("line", line).done();
}

}  // namespace castline_cocos
