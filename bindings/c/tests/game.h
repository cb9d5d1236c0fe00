/* The game around the loop in game_loop.c: what every game has already. */
#ifndef CASTLINE_TESTS_GAME_H
#define CASTLINE_TESTS_GAME_H

#include <castline.h>

const char *game_server(void);
const char *game_save_dir(void);
void game_log(int level, const char *line);
int game_running(void);
int game_hidden_changed(void);
int game_hidden(void);
void game_fetch_token_then(castline_result (*set_token)(castline_client *, const char *), castline_client *client);
void game_show_offer(const char *title, const char *image_url, int64_t ms_left);
void game_hide_offer(const char *offer_id);
void game_reload(void);
void game_frame(const char *price, bool gentle_curve);
int game_level_completed(void);
int game_over(void);

#endif
