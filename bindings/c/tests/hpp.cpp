// castline.hpp as a C++ game uses it.
#include <castline.hpp>

#include <optional>

#include "support.h"

static void plays() {
  castline::Options options{server_url(), "2.0.0"};
  int lines = 0;
  std::string offer, id;
  options.data_dir = server_directory("hpp");
  options.log = [&](castline_log_level, std::string_view) { lines++; };
  std::optional<castline::Client> made(std::in_place, options);
  castline::Client client = std::move(*made);
  made.reset();
  CHECK(client && client.error() == CASTLINE_OK);
  CHECK(client.flag("starter_pack_price", "$2.99") == "$2.99");
  CHECK(!client.flag("gentle_curve", false) && client.flag("absent", 7) == 7 && client.flag("absent", 0.5) > 0.4);

  bool changed = false;
  const double deadline = seconds() + PATIENCE;
  while (offer.empty() && seconds() < deadline) {
    auto on_event = [&](const castline_event &event) {
      switch (event.kind) {
        case CASTLINE_EVENT_TOKEN_NEEDED: {
          char token[1024];
          CHECK_RESULT(client.set_token(server_token("hpp", token, sizeof token)), CASTLINE_OK);
          break;
        }
        case CASTLINE_EVENT_FLAGS_CHANGED:
          changed = true;
          CHECK_RESULT(client.ready("level_completed", "{\"level\":1}"), CASTLINE_OK);
          break;
        case CASTLINE_EVENT_OFFER_READY:
          offer = castline::view(event.body.offer_ready.title);
          id = castline::view(event.body.offer_ready.offer_id);
          break;
        default: break;
      }
    };
    CHECK_RESULT(client.tick(on_event), CASTLINE_OK);
    frame();
  }
  CHECK(changed && offer == "Starter pack");
  CHECK(client.flag("starter_pack_price", "$2.99") == "$1.99" && client.flag("gentle_curve", false));
  CHECK(client.json("starter_pack_price", "") == "\"$1.99\"");
  CHECK_RESULT(client.offer_result(id, CASTLINE_OUTCOME_ACCEPTED), CASTLINE_OK);
  CHECK_RESULT(client.track("$mine"), CASTLINE_INVALID_ARGUMENT);
  while (client.poll() != nullptr) {}
  CHECK(lines > 0);
  CHECK_RESULT(client.close(PATIENCE_MS), CASTLINE_OK);
}

int main() {
  server_start();
  server_put("/admin/flags/starter_pack_price",
             "{\"variants\":{\"control\":\"$2.99\",\"treatment\":\"$1.99\"},\"defaultVariant\":\"control\",\"rolloutBp\":10000}");
  server_put("/admin/flags/gentle_curve", "{\"variants\":{\"off\":false,\"on\":true},\"defaultVariant\":\"off\",\"rolloutBp\":10000}");
  server_put("/admin/offers/starter",
             "{\"title\":\"Starter pack\",\"discount\":60,\"expiresInSeconds\":3600,\"placements\":[\"level_completed\"]}");
  plays();

  castline::Client none;
  CHECK(!none && none.flag("gentle_curve", true) && none.poll() == nullptr);
  CHECK_RESULT(none.track("level"), CASTLINE_INVALID_HANDLE);
  const castline::Client bad(castline::Options{"nonsense", "2.0.0"});
  CHECK(!bad);
  CHECK_RESULT(bad.error(), CASTLINE_INVALID_ARGUMENT);
  return 0;
}
