// An event as the JSON text that the script reads: the members that the TypeScript event has, with numbers where that has words.
#ifndef CASTLINE_COCOS_EVENT_JSON_H
#define CASTLINE_COCOS_EVENT_JSON_H

#include <castline.h>

#include <string>

namespace castline_cocos {

std::string event_json(const castline_event &event);
std::string log_json(castline_log_level level, castline_str line);

}  // namespace castline_cocos

#endif
