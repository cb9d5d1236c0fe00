// A fishing game without a screen: 60 frames a second, a flag read in each, an offer when the level is completed, and a cable that is cut in the middle.
// It prints what happened, and how long frames took: without the SDK, with it, and the SDK's own share.
//
//   fishing [SECONDS]      CASTLINE_SERVER names the server's program
//
// It fails where the flow is not as told. How long something took is printed and never judged.
#include <castline.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "relay.h"

extern "C" {
#include "support.h"
}

namespace {

using Clock = std::chrono::steady_clock;
using Micros = std::chrono::duration<double, std::micro>;

constexpr auto FRAME = std::chrono::microseconds(16667);

double micros(Clock::duration time) { return Micros(time).count(); }

// What this thread has used of a processor: where others use it too, the clock tells of them.
double processor_micros() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

class Percentiles {
 public:
  void add(double value) { values_.push_back(value); }
  void print(const char *name) {
    std::sort(values_.begin(), values_.end());
    const auto at = [this](double part) { return values_[static_cast<std::size_t>(part * static_cast<double>(values_.size() - 1))]; };
    std::printf("  %-26s %9.1f %9.1f %9.1f %9.1f   (%zu frames)\n", name, at(0.5), at(0.9), at(0.99), values_.back(), values_.size());
  }

 private:
  std::vector<double> values_;
};

// What a game does in a frame, in some 2 ms: fish swim.
double swim(unsigned frame) {
  double depth = frame;
  for (int fish = 0; fish < 60000; ++fish) depth = std::sin(depth) + 0.5 * std::cos(depth + fish);
  return depth;
}

struct Story {
  int offers = 0, reconnected = 0, price_changes = 0;
  bool online = false, was_cut = false, session_lost = false;
  std::string price = "$2.99";
  double begun = seconds();

  void tell(const char *what, const char *detail = "") const { std::printf("  %5.2f s  %s%s\n", seconds() - begun, what, detail); }

  void hear(castline::Client &client, const castline_event &event) {
    switch (event.kind) {
      case CASTLINE_EVENT_STATE_CHANGED: {
        const bool now = event.body.state_changed.state == CASTLINE_STATE_ONLINE;
        if (now && !online) tell(was_cut ? "online again" : "online");
        if (!now && online) tell("offline; the game goes on");
        if (now && was_cut) ++reconnected;
        online = now;
        break;
      }
      case CASTLINE_EVENT_TOKEN_NEEDED: {
        char token[1024];
        CHECK_RESULT(client.set_token(server_token("angler", token, sizeof token)), CASTLINE_OK);
        break;
      }
      case CASTLINE_EVENT_OFFER_READY: {
        const auto &offer = event.body.offer_ready;
        ++offers;
        tell("offer: ", std::string(castline::view(offer.title)).c_str());
        const std::string id(castline::view(offer.offer_id));
        CHECK_RESULT(client.offer_result(id, CASTLINE_OUTCOME_SHOWN), CASTLINE_OK);
        CHECK_RESULT(client.offer_result(id, CASTLINE_OUTCOME_ACCEPTED), CASTLINE_OK);
        break;
      }
      case CASTLINE_EVENT_SESSION_LOST:
        session_lost = true;
        break;
      default:
        break;
    }
  }
};

// One frame of the SDK: events within 2 ms, as the Cocos plugin does it, and a flag.
void frame_of_castline(castline::Client &client, Story &story) {
  client.tick([&](const castline_event &event) { story.hear(client, event); }, 2000);
  char price[CASTLINE_FLAG_MAX];
  castline_flags_string(client.handle(), "starter_pack_price", "$2.99", price, sizeof price);
  if (story.price != price) {
    ++story.price_changes;
    story.price = price;
    story.tell("the price is now ", price);
  }
}

}  // namespace

int main(int count, char **arguments) {
  const int length = count > 1 ? std::atoi(arguments[1]) : 8;
  if (length < 6) {
    std::fprintf(stderr, "at least 6 seconds\n");
    return 2;
  }
  server_start();
  server_put("/admin/flags/starter_pack_price",
             R"({"variants":{"control":"$2.99","treatment":"$1.99"},"defaultVariant":"control","rolloutBp":10000})");
  for (const char *offer : {"starter", "rod"}) {
    const std::string body = std::string(R"({"title":")") + (offer[0] == 's' ? "Starter pack" : "Golden rod") +
                             R"(","discount":60,"expiresInSeconds":3600,"placements":[")" +
                             (offer[0] == 's' ? "level_completed" : "rare_fish") + R"("]})";
    server_put((std::string("/admin/offers/") + offer).c_str(), body.c_str());
  }
  const char *port = std::strrchr(server_url(), ':');
  Relay relay(static_cast<unsigned short>(std::atoi(port + 1)));

  castline::Options options("http://127.0.0.1:" + std::to_string(relay.port()), "2.0.0");
  options.data_dir = server_directory("game");
  options.log = [](castline_log_level, std::string_view line) { std::printf("           log: %.*s\n", static_cast<int>(line.size()), line.data()); };
  Story story;
  castline::Client client(options);
  CHECK_RESULT(client.error(), CASTLINE_OK);

  Percentiles without, with, share, processor;
  volatile double depth = 0;
  const unsigned last = static_cast<unsigned>(length) * 60;
  const unsigned completed = last / 4, cut = last * 2 / 5, mend = last * 3 / 5, rare = last * 4 / 5;
  auto due = Clock::now();
  unsigned frame = 0;
  // As long as planned, and as long as a slow machine needs for the story, within bounds.
  bool fished = false;
  for (; frame < last || (frame < last + PATIENCE * 60 && (story.offers < 2 || !story.online)); ++frame) {
    if (frame == cut) {
      story.tell("the cable is cut");
      relay.cut();
      story.was_cut = true;
    }
    if (frame == mend) {
      story.tell("the cable is mended");
      relay.mend();
      client.lifecycle(CASTLINE_LIFECYCLE_NETWORK_CHANGED);
    }
    const auto begun = Clock::now();
    depth = swim(frame);
    const auto swum = Clock::now();
    const double before = processor_micros();
    frame_of_castline(client, story);
    if (frame == completed) client.ready("level_completed", "", 60000);
    // A break ends the one before it: not while that waits for its offer.
    if (frame >= rare && story.offers > 0 && !fished) {
      fished = true;
      client.ready("rare_fish", "", 60000);
    }
    if (frame % 60 == 30) client.track("fish");
    const double used = processor_micros() - before;
    const auto done = Clock::now();
    without.add(micros(swum - begun));
    share.add(micros(done - swum));
    processor.add(used);
    with.add(micros(done - begun));
    due += FRAME;
    std::this_thread::sleep_until(due);
  }
  (void)depth;
  CHECK_RESULT(client.close(PATIENCE_MS), CASTLINE_OK);

  std::printf("\n  microseconds a frame            p50       p90       p99     worst\n");
  without.print("the game without the SDK");
  with.print("the game with the SDK");
  share.print("the SDK's share");
  processor.print("of it on the processor");
  std::printf("\n");

  CHECK_TEXT(story.price.c_str(), "$1.99");
  CHECK(story.price_changes == 1);
  CHECK(story.offers == 2);
  CHECK(story.reconnected >= 1);
  CHECK(!story.session_lost);
  return 0;
}
