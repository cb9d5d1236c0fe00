/* A game that plays itself: it starts with the compiled-in price, waits for the server's, completes a level, and sees the offer. */
#include "game.h"
#include "support.h"

static int frames, tokens, offers, hidden_told, completed;
static int old_price_seen, new_price_seen, given;
static double started;
static castline_result (*asked)(castline_client *, const char *);
static castline_client *asking;

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
  CHECK(seconds() < started + PATIENCE);
  return offers == 0;
}

int game_hidden_changed(void) { return frames == 3 || frames == 6; }

int game_hidden(void) {
  hidden_told++;
  return frames == 3;
}

/* A backend answers in its own time: not before a frame has shown the compiled-in price, for without a token the server's cannot come. */
void game_fetch_token_then(castline_result (*set_token)(castline_client *, const char *), castline_client *client) {
  tokens++;
  asked = set_token;
  asking = client;
}

static void fetch_token(void) {
  char token[1024];
  CHECK_RESULT(asked(asking, server_token("anna", token, sizeof token)), CASTLINE_OK);
  asked = NULL;
  given = 1;
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
    /* The second of two reads may be of the flags that came between them. */
    CHECK(!gentle_curve || given);
    CHECK(!new_price_seen);
    old_price_seen = 1;
  } else {
    CHECK_TEXT(price, "$1.99");
    CHECK(gentle_curve);
    new_price_seen = 1;
  }
  if (old_price_seen && asked != NULL) fetch_token();
  frame();
}

int game_level_completed(void) {
  /* It is hidden and shown again before. */
  if (!new_price_seen || hidden_told < 2 || completed) return 0;
  completed = 1;
  return 1;
}

int game_over(void) {
  CHECK(old_price_seen && new_price_seen);
  CHECK(offers == 1 && tokens == 1 && hidden_told == 2);
  printf("%d frames, the price changed, one offer at the break\n", frames);
  return 0;
}
