# What the platforms have in common. Before it is included, CASTLINE_SDK_LIBRARY names the static library and CASTLINE_SDK_SYSTEM_LIBRARIES what
# that needs of the system. The engine's build finds the plugin by the file castline-config.cmake beside it, and links the target `castline`.
if(TARGET castline_glue)
  return()
endif()
if(NOT EXISTS "${CASTLINE_SDK_LIBRARY}")
  message(FATAL_ERROR "Castline: ${CASTLINE_SDK_LIBRARY} is missing. The release archive holds it; from the sources, `cargo xtask package cocos` makes it.")
endif()

add_library(castline_sdk STATIC IMPORTED GLOBAL)
set_target_properties(castline_sdk PROPERTIES
  IMPORTED_LOCATION "${CASTLINE_SDK_LIBRARY}"
  INTERFACE_INCLUDE_DIRECTORIES "${CMAKE_CURRENT_LIST_DIR}/include"
  INTERFACE_LINK_LIBRARIES "${CASTLINE_SDK_SYSTEM_LIBRARIES}")

add_library(castline_glue STATIC
  "${CMAKE_CURRENT_LIST_DIR}/glue/event_json.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/glue/plugin.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/glue/session.cpp")
set_target_properties(castline_glue PROPERTIES CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON)
target_link_libraries(castline_glue PUBLIC castline_sdk ${ENGINE_NAME})

add_library(castline ALIAS castline_glue)
