/* The ABI guard: sizes, offsets and numbers never change; structures grow at their end. Compiled as C99 and as C++11; if it compiles, it holds.
 * Offsets are those of a 64-bit target. */
#include <castline.h>
#include <stdio.h>
#include <string.h>

#define HOLDS_(what, line) typedef char holds_##line[(what) ? 1 : -1]
#define HOLDS__(what, line) HOLDS_(what, line)
#define SIZE(type, size) HOLDS__(sizeof(type) == (size), __LINE__)
#define AT(type, field, offset) HOLDS__(offsetof(type, field) == (offset), __LINE__)
#define IS(name, number) HOLDS__((name) == (number), __LINE__)

#if UINTPTR_MAX == 0xFFFFFFFFFFFFFFFFu
SIZE(castline_str, 16);
AT(castline_str, ptr, 0);
AT(castline_str, len, 8);

SIZE(castline_options, 80);
AT(castline_options, struct_size, 0);
AT(castline_options, flag_updates, 4);
AT(castline_options, url, 8);
AT(castline_options, build, 16);
AT(castline_options, player_id, 24);
AT(castline_options, token, 32);
AT(castline_options, telegram_init_data, 40);
AT(castline_options, data_dir, 48);
AT(castline_options, log, 56);
AT(castline_options, log_user_data, 64);
AT(castline_options, log_level, 72);

SIZE(castline_request_options, 16);
AT(castline_request_options, timeout_ms, 4);
AT(castline_request_options, idempotency_key, 8);

SIZE(castline_bet, 48);
AT(castline_bet, struct_size, 0);
AT(castline_bet, game_id, 8);
AT(castline_bet, amount, 16);
AT(castline_bet, selection, 24);
AT(castline_bet, client_seed, 32);
AT(castline_bet, idempotency_key, 40);

SIZE(castline_state_changed, 24);
AT(castline_state_changed, state, 0);
AT(castline_state_changed, previous, 4);
AT(castline_state_changed, cause, 8);
AT(castline_state_changed, code, 12);
AT(castline_state_changed, retry_in_ms, 16);

SIZE(castline_dropped, 16);
AT(castline_dropped, what, 0);
AT(castline_dropped, count, 8);

SIZE(castline_offer, 112);
AT(castline_offer, offer_id, 0);
AT(castline_offer, campaign_id, 16);
AT(castline_offer, title, 32);
AT(castline_offer, image_url, 48);
AT(castline_offer, placement, 64);
AT(castline_offer, data, 80);
AT(castline_offer, discount, 96);
AT(castline_offer, expires_at_ms, 104);

SIZE(castline_no_offer, 16);
AT(castline_no_offer, placement, 0);

SIZE(castline_offer_expired, 16);
AT(castline_offer_expired, offer_id, 0);

SIZE(castline_flags_changed, 16);
AT(castline_flags_changed, version, 0);

SIZE(castline_request_completed, 56);
AT(castline_request_completed, request, 0);
AT(castline_request_completed, idempotency_key, 8);
AT(castline_request_completed, type, 24);
AT(castline_request_completed, payload, 40);

SIZE(castline_request_failed, 72);
AT(castline_request_failed, request, 0);
AT(castline_request_failed, retry_after_ms, 8);
AT(castline_request_failed, idempotency_key, 16);
AT(castline_request_failed, code_text, 32);
AT(castline_request_failed, message, 48);
AT(castline_request_failed, code, 64);

SIZE(castline_room_changed, 48);
AT(castline_room_changed, game_id, 0);
AT(castline_room_changed, user_id, 16);
AT(castline_room_changed, change, 32);
AT(castline_room_changed, player_count, 36);
AT(castline_room_changed, code, 40);

SIZE(castline_room_message, 64);
AT(castline_room_message, game_id, 0);
AT(castline_room_message, from, 16);
AT(castline_room_message, event, 32);
AT(castline_room_message, data, 48);

SIZE(castline_room_gap, 24);
AT(castline_room_gap, game_id, 0);
AT(castline_room_gap, missing, 16);

SIZE(castline_bet_settled, 104);
AT(castline_bet_settled, idempotency_key, 0);
AT(castline_bet_settled, server_seed, 16);
AT(castline_bet_settled, server_seed_hash, 32);
AT(castline_bet_settled, client_seed, 48);
AT(castline_bet_settled, payout, 64);
AT(castline_bet_settled, balance, 72);
AT(castline_bet_settled, roll, 80);
AT(castline_bet_settled, sides, 88);
AT(castline_bet_settled, outcome, 96);

SIZE(castline_message, 40);
AT(castline_message, type, 0);
AT(castline_message, payload, 16);
AT(castline_message, channel, 32);

AT(castline_event, kind, 0);
AT(castline_event, body, 8);
SIZE(castline_event, 120);
#endif


IS(CASTLINE_OK, 0);
IS(CASTLINE_NO_EVENT, 1);
IS(CASTLINE_INVALID_ARGUMENT, 2);
IS(CASTLINE_INVALID_HANDLE, 3);
IS(CASTLINE_CLOSED, 4);
IS(CASTLINE_FULL, 5);
IS(CASTLINE_TOO_LARGE, 6);
IS(CASTLINE_BUSY, 7);
IS(CASTLINE_IN_USE, 8);
IS(CASTLINE_TIMED_OUT, 9);
IS(CASTLINE_UNSUPPORTED, 10);
IS(CASTLINE_INTERNAL, 11);

IS(CASTLINE_EVENT_STATE_CHANGED, 1);
IS(CASTLINE_EVENT_TOKEN_NEEDED, 2);
IS(CASTLINE_EVENT_SESSION_LOST, 3);
IS(CASTLINE_EVENT_DROPPED, 4);
IS(CASTLINE_EVENT_OFFER_READY, 5);
IS(CASTLINE_EVENT_NO_OFFER, 6);
IS(CASTLINE_EVENT_OFFER_EXPIRED, 7);
IS(CASTLINE_EVENT_FLAGS_CHANGED, 8);
IS(CASTLINE_EVENT_REQUEST_COMPLETED, 9);
IS(CASTLINE_EVENT_REQUEST_FAILED, 10);
IS(CASTLINE_EVENT_ROOM_CHANGED, 11);
IS(CASTLINE_EVENT_ROOM_MESSAGE, 12);
IS(CASTLINE_EVENT_ROOM_GAP, 13);
IS(CASTLINE_EVENT_BET_SETTLED, 14);
IS(CASTLINE_EVENT_MESSAGE, 15);

IS(CASTLINE_STATE_NONE, 0);
IS(CASTLINE_STATE_CONNECTING, 1);
IS(CASTLINE_STATE_ONLINE, 2);
IS(CASTLINE_STATE_WAITING, 3);
IS(CASTLINE_STATE_DORMANT, 4);
IS(CASTLINE_STATE_FAILED, 5);
IS(CASTLINE_STATE_REPLACED, 6);
IS(CASTLINE_STATE_CLOSED, 7);

IS(CASTLINE_CAUSE_NONE, 0);
IS(CASTLINE_CAUSE_NETWORK, 1);
IS(CASTLINE_CAUSE_SERVER, 2);
IS(CASTLINE_CAUSE_IDLE, 3);
IS(CASTLINE_CAUSE_BACKGROUND, 4);
IS(CASTLINE_CAUSE_TOKEN, 5);
IS(CASTLINE_CAUSE_AUTH, 6);
IS(CASTLINE_CAUSE_PROTOCOL, 7);
IS(CASTLINE_CAUSE_BUILD_TOO_OLD, 8);
IS(CASTLINE_CAUSE_BANNED, 9);
IS(CASTLINE_CAUSE_UNSUPPORTED, 10);
IS(CASTLINE_CAUSE_CLOSED, 11);

IS(CASTLINE_CODE_UNKNOWN, 0);
IS(CASTLINE_CODE_INVALID_PAYLOAD, 1);
IS(CASTLINE_CODE_NOT_AUTHENTICATED, 2);
IS(CASTLINE_CODE_UNKNOWN_MESSAGE_TYPE, 3);
IS(CASTLINE_CODE_UNKNOWN_CHANNEL, 4);
IS(CASTLINE_CODE_MESSAGE_TOO_LARGE, 5);
IS(CASTLINE_CODE_RATE_LIMITED, 6);
IS(CASTLINE_CODE_FORBIDDEN, 7);
IS(CASTLINE_CODE_NOT_FOUND, 8);
IS(CASTLINE_CODE_NOT_IN_ROOM, 9);
IS(CASTLINE_CODE_ROOM_FULL, 10);
IS(CASTLINE_CODE_INSUFFICIENT_BALANCE, 11);
IS(CASTLINE_CODE_SEED_USED, 12);
IS(CASTLINE_CODE_IDEMPOTENCY_MISMATCH, 13);
IS(CASTLINE_CODE_INTERNAL, 14);
IS(CASTLINE_CODE_NOT_SENT, 100);
IS(CASTLINE_CODE_UNKNOWN_OUTCOME, 101);
IS(CASTLINE_CODE_IDENTITY_CHANGED, 102);
IS(CASTLINE_CODE_QUEUE_FULL, 103);
IS(CASTLINE_CODE_CLOSED, 104);

IS(CASTLINE_CHANNEL_UNKNOWN, 0);
IS(CASTLINE_CHANNEL_OFFERS, 1);
IS(CASTLINE_CHANNEL_SYSTEM, 2);
IS(CASTLINE_CHANNEL_SOCIAL, 3);
IS(CASTLINE_CHANNEL_ANALYTICS, 4);
IS(CASTLINE_CHANNEL_GAME, 5);

IS(CASTLINE_OUTCOME_SHOWN, 1);
IS(CASTLINE_OUTCOME_ACCEPTED, 2);
IS(CASTLINE_OUTCOME_DECLINED, 3);
IS(CASTLINE_OUTCOME_EXPIRED, 4);

IS(CASTLINE_LIFECYCLE_FOREGROUND, 1);
IS(CASTLINE_LIFECYCLE_BACKGROUND, 2);
IS(CASTLINE_LIFECYCLE_NETWORK_CHANGED, 3);
IS(CASTLINE_LIFECYCLE_NETWORK_LOST, 4);

IS(CASTLINE_REASON_UNKNOWN, 0);
IS(CASTLINE_REASON_STATIC, 1);
IS(CASTLINE_REASON_DEFAULT, 2);
IS(CASTLINE_REASON_SPLIT, 3);
IS(CASTLINE_REASON_TARGETING_MATCH, 4);
IS(CASTLINE_REASON_DISABLED, 5);
IS(CASTLINE_REASON_CACHED, 6);
IS(CASTLINE_REASON_STALE, 7);
IS(CASTLINE_REASON_ERROR, 8);
IS(CASTLINE_REASON_OVERRIDE, 9);

IS(CASTLINE_BET_UNKNOWN, 0);
IS(CASTLINE_BET_WIN, 1);
IS(CASTLINE_BET_LOSE, 2);
IS(CASTLINE_BET_VOID, 3);

IS(CASTLINE_ROOM_JOINED, 1);
IS(CASTLINE_ROOM_JOIN_FAILED, 2);
IS(CASTLINE_ROOM_LEFT, 3);
IS(CASTLINE_ROOM_PLAYER_JOINED, 4);
IS(CASTLINE_ROOM_PLAYER_LEFT, 5);

IS(CASTLINE_DROPPED_EVENTS, 1);
IS(CASTLINE_DROPPED_ANALYTICS, 2);
IS(CASTLINE_DROPPED_BACKLOG, 3);
IS(CASTLINE_DROPPED_LOGS, 4);

IS(CASTLINE_FLAGS_IMMEDIATE, 0);
IS(CASTLINE_FLAGS_AT_BREAK, 1);

IS(CASTLINE_LOG_OFF, 0);
IS(CASTLINE_LOG_ERROR, 1);
IS(CASTLINE_LOG_WARN, 2);
IS(CASTLINE_LOG_INFO, 3);
IS(CASTLINE_LOG_DEBUG, 4);

/* Every enumeration is a uint32_t. */
SIZE(castline_result, 4);
SIZE(castline_event_kind, 4);
SIZE(castline_state, 4);
SIZE(castline_cause, 4);
SIZE(castline_code, 4);
SIZE(castline_channel, 4);
SIZE(castline_outcome, 4);
SIZE(castline_lifecycle, 4);
SIZE(castline_reason, 4);
SIZE(castline_bet_outcome, 4);
SIZE(castline_room_change, 4);
SIZE(castline_dropped_what, 4);
SIZE(castline_flag_updates, 4);
SIZE(castline_log_level, 4);

IS(CASTLINE_ABI_VERSION, 0x00010000u);
IS(CASTLINE_FLAG_MAX, 2048u);

int main(void) {
  castline_options options = CASTLINE_OPTIONS_INIT, zeros;
  if (castline_abi_version() != CASTLINE_ABI_VERSION) return 1;
  memset(&zeros, 0, sizeof zeros);
  zeros.struct_size = (uint32_t)sizeof zeros;
  if (options.struct_size != zeros.struct_size || options.url || options.build || options.player_id || options.token ||
      options.telegram_init_data || options.data_dir || options.log || options.log_user_data || options.log_level || options.flag_updates)
    return 2;
  if (strcmp(castline_result_name(CASTLINE_FULL), "CASTLINE_FULL") != 0) return 3;
  if (strcmp(castline_result_name(CASTLINE_INTERNAL), "CASTLINE_INTERNAL") != 0) return 4;
  if (strcmp(castline_result_name(12), "CASTLINE_?") != 0 || strcmp(castline_result_name(UINT32_MAX), "CASTLINE_?") != 0) return 5;
  if (strlen(castline_version()) < strlen("0.1.0")) return 6;
  printf("castline %s, ABI %#x\n", castline_version(), (unsigned)castline_abi_version());
  return 0;
}
