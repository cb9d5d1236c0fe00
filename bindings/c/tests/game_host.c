/* A game that plays itself: it starts with the compiled-in price, waits for the server's, completes a level, and sees the offer. */
#include "game.h"
#include "support.h"

static int frames, tokens, offers, hidden_told, completed;
static int old_price_seen, new_price_seen;
static double started;

const char *game_server(void) {
  server_start();
  server_put("/admin/flags/starter_pack_price",
             "{\"variants\":{\"control\":\"$2.99\",\"treatment\":\"$1.99\"},\"defaultVariant\":\"control\",\"rolloutBp\":10000}");
  server_put("/admin/flags/gentle_curve",
             "{\"variants\":{\"off\":false,\"on\":true},\"defaultVariant\":\"off\",\"rolloutBp\":10000}");
  server_put("/admin/offers/starter",
             "{\"title\":\"Starter pack\",\"discount\":60,\"expiresInSeconds\":3600,\"placements\":[\"level_completed\"]}");
  started = seconds();
  return server_url();
}

const char *game_save_dir(void) { return server_directory("game"); }
void game_log(int level, const char *line) { fprintf(stderr, "log %d: %s\n", level, line); }

int game_running(void) {
  CHECK(seconds() < started + 20);
  return offers == 0;
}

int game_hidden_changed(void) { return frames == 3 || frames == 6; }

int game_hidden(void) {
  hidden_told++;
  return frames == 3;
}

void game_fetch_token_then(castline_result (*set_token)(castline_client *, const char *), castline_client *client) {
  char token[1024];
  tokens++;
  CHECK_RESULT(set_token(client, server_token("anna", token, sizeof token)), CASTLINE_OK);
}

void game_show_offer(const char *title, const char *image_url, int64_t ms_left) {
  CHECK_TEXT(title, "Starter pack");
  CHECK_TEXT(image_url, "");
  CHECK(ms_left > 3500 * 1000 && ms_left <= 3600 * 1000 + 60 * 1000);
  CHECK(completed);
  offers++;
}

void game_hide_offer(const char *offer_id) {
  (void)offer_id;
  check_failed(__FILE__, __LINE__, "an offer of an hour does not run out");
}

void game_reload(void) { check_failed(__FILE__, __LINE__, "a first session is not lost"); }

void game_frame(const char *price, bool gentle_curve) {
  frames++;
  if (strcmp(price, "$2.99") == 0) {
    CHECK(!gentle_curve);
    CHECK(!new_price_seen);
    old_price_seen = 1;
  } else {
    CHECK_TEXT(price, "$1.99");
    CHECK(gentle_curve);
    new_price_seen = 1;
  }
  frame();
}

int game_level_completed(void) {
  if (!new_price_seen || completed) return 0;
  completed = 1;
  return 1;
}

int game_over(void) {
  CHECK(old_price_seen && new_price_seen);
  CHECK(offers == 1 && tokens == 1 && hidden_told == 2);
  printf("%d frames, the price changed, one offer at the break\n", frames);
  return 0;
}
