/* A game with Castline in it: the whole integration. README.md walks through it. */
#include <castline.h>

#include "game.h"

static void log_line(void *user, castline_log_level level, castline_str line) { (void)user; game_log((int)level, line.ptr); }

int main(void) {
  castline_options options = CASTLINE_OPTIONS_INIT;
  castline_client *client = NULL;
  const castline_event *event;
  char price[32];
  options.url = game_server();                                    /* "https://live.example.com" */
  options.build = "2.0.0"; options.data_dir = game_save_dir();
  options.log = log_line; options.log_level = CASTLINE_LOG_WARN;
  castline_client_connect(&options, &client);                     /* NULL after a failure: everything below still works */
  while (game_running()) {
    if (game_hidden_changed())
      castline_client_lifecycle(client, game_hidden() ? CASTLINE_LIFECYCLE_BACKGROUND : CASTLINE_LIFECYCLE_FOREGROUND);
    while (castline_client_poll_event(client, &event) == CASTLINE_OK) {
      switch (event->kind) {
        case CASTLINE_EVENT_TOKEN_NEEDED: game_fetch_token_then(castline_client_set_token, client); break;   /* later, from any thread */
        case CASTLINE_EVENT_OFFER_READY: {
          const castline_offer *offer = &event->body.offer_ready;
          game_show_offer(offer->title.ptr, offer->image_url.ptr, offer->expires_at_ms - castline_client_server_time_ms(client));
          castline_offers_result(client, offer->offer_id.ptr, CASTLINE_OUTCOME_SHOWN);
          break;
        }
        case CASTLINE_EVENT_OFFER_EXPIRED: game_hide_offer(event->body.offer_expired.offer_id.ptr); break;
        case CASTLINE_EVENT_SESSION_LOST: game_reload(); break;
        default: break;                                           /* and the kinds to come */
      }
    }
    castline_flags_string(client, "starter_pack_price", "$2.99", price, sizeof price);
    game_frame(price, castline_flags_bool(client, "gentle_curve", false));
    if (game_level_completed()) castline_offers_ready(client, "level_completed", NULL, 0);
  }
  castline_client_close(client, 500);
  castline_client_free(client);
  return game_over();
}
