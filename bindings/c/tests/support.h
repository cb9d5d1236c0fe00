/* What the tests need beside the library: a real server of their own, a token, a check, a frame's pause. */
#ifndef CASTLINE_TESTS_SUPPORT_H
#define CASTLINE_TESTS_SUPPORT_H

#include <castline.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Ends the program at the first thing that is not as it should be. */
#define CHECK(what) ((what) ? (void)0 : check_failed(__FILE__, __LINE__, #what))
#define CHECK_RESULT(call, expected) check_result(__FILE__, __LINE__, #call, (call), (expected))
#define CHECK_TEXT(text, expected) check_text(__FILE__, __LINE__, #text, (text), (expected))
void check_failed(const char *file, int line, const char *what);
void check_result(const char *file, int line, const char *call, castline_result result, castline_result expected);
void check_text(const char *file, int line, const char *what, const char *text, const char *expected);

/* Starts castline-server (its path is in the variable CASTLINE_SERVER) on free ports, with a directory that goes with it; once a program. It ends
 * with the program. */
void server_start(void);

/* "http://127.0.0.1:port". */
const char *server_url(void);
/* A directory for a client's data, absent so far. */
const char *server_directory(const char *name);
/* The operators' side: PUT /admin/... with a JSON body. */
void server_put(const char *path, const char *body);
/* What a game's own backend would do. */
const char *server_token(const char *player, char *buffer, size_t capacity);

/* A client of that server, for this player; and one whose server is not there. */
castline_client *connect_player(const char *player);
castline_client *connect_nowhere(void);
/* No wait is longer, in seconds and in milliseconds: far more than a busy machine needs, under Valgrind too. */
#define PATIENCE 60
#define PATIENCE_MS (PATIENCE * 1000)
/* Polls as a game does, a frame apart, until an event of this kind comes; fails when patience is at its end. Other events are passed over. */
#define await_event(client, kind) await_event_at(__FILE__, __LINE__, (client), (kind))
#define await_state(client, state) await_state_at(__FILE__, __LINE__, (client), (state))
const castline_event *await_event_at(const char *file, int line, castline_client *client, castline_event_kind kind);
void await_state_at(const char *file, int line, castline_client *client, castline_state state);

/* A frame's pause, 1 ms; and a clock that only goes forward. */
void frame(void);
double seconds(void);

#ifdef __cplusplus
}
#endif

#endif
